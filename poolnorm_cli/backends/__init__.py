"""Where the arithmetic of a layer is done: in NumPy, or as an ONNX graph in a runtime."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Array, Call, Layer, Weights

BackendName = Literal["numpy", "onnx"]
ProviderName = Literal["cpu", "cuda", "auto"]
Say = Callable[[str], None]

BLOCK_BYTES = 4 << 20
"""Few enough that some blocks and their results share the last-level cache, so that reading,
computing and writing meet there; many enough that handing them on costs nothing beside."""


class Backend(Protocol):
    """Computes blocks.

    Attributes:
        in_lanes: Whether several threads may call it at once.
        block_bytes: About how much of a tensor it is best given at a time.
    """

    in_lanes: bool
    block_bytes: int

    def apply(self, layer: "Layer", x: "Array", weights: "Weights", call: "Call") -> "Array":
        """Compute one block, as `Layer.apply` does; its memory may be used again for the next."""


class NumpyBackend:
    """The layer's own arithmetic."""

    in_lanes = True
    block_bytes = BLOCK_BYTES

    def apply(self, layer: "Layer", x: "Array", weights: "Weights", call: "Call") -> "Array":
        """Compute one block."""
        return layer.apply(x, weights, call)


NUMPY = NumpyBackend()


def silent(text: str) -> None:
    """Say nothing."""
    del text


def open_backend(
    name: BackendName = "numpy",
    provider: ProviderName = "cpu",
    *,
    threads: int | None = None,
    tell: Say = silent,
    detail: Say = silent,
) -> Backend:
    """Open a backend.

    Args:
        name: `numpy` or `onnx`.
        provider: For `onnx`: `cpu`, `cuda` (on that device or not at all), or `auto`.
        threads: Threads that compute one block; None leaves it to the backend.
        tell: Told which provider `auto` took.
        detail: Told where a graph does otherwise than the plain operator.

    Raises:
        UnavailableError: The backend or the provider is not to be had here.
    """
    if name == "numpy":
        return NUMPY
    from poolnorm_cli.backends.installed import import_onnx
    from poolnorm_cli.backends.providers import choose
    from poolnorm_cli.backends.session import OnnxBackend

    backend = OnnxBackend(choose(provider, tell), threads, detail)
    import_onnx()  # before any input is looked at: it makes the graphs
    return backend
