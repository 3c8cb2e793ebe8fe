"""A toy backend: the layers' own arithmetic, on blocks of its own size."""

from collections.abc import Callable
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.layers.call import Array, Call, Weights


class MirrorBackend:
    """Computes blocks as the layers do."""

    name = "mirror"
    block_bytes = 1000

    def apply(self, layer: "Layer", x: "Array", weights: "Weights", call: "Call") -> "Array":
        """Compute one block."""
        return layer.apply(x, weights, call)


def open_backend(
    provider: str,
    threads: int | None,
    notify: Callable[[str], None],
    detail: Callable[[str], None],
) -> MirrorBackend:
    """Return the backend, and say where it runs."""
    del threads, detail
    notify(f"mirror: {provider}")
    return MirrorBackend()
