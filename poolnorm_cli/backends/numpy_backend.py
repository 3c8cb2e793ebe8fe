"""The layers' own arithmetic: NumPy, and the compiled loops where they serve."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from poolnorm_cli.sizes import BLOCK_BYTES


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.layers.call import Array, Call, Weights


class NumpyBackend:
    """Computes blocks as the layers do by themselves."""

    name = "numpy"
    block_bytes = BLOCK_BYTES

    def apply(self, layer: "Layer", x: "Array", weights: "Weights", call: "Call") -> "Array":
        """Compute one block by the layer's `apply`.

        Args:
            layer: The layer.
            x: The block, samples along axis 0.
            weights: The layer's weights, by Keras name.
            call: What else decides on the result.

        Returns:
            The output of the block, in the dtype of `x`.
        """
        return layer.apply(x, weights, call)


NUMPY = NumpyBackend()


def open_backend(
    provider: str,
    threads: int | None,
    notify: Callable[[str], None],
    detail: Callable[[str], None],
) -> NumpyBackend:
    """Return the backend, which has nothing to open.

    Args:
        provider: Not used: it runs on the processor.
        threads: Not used: one block is computed by the thread that asks for it.
        notify: Not used.
        detail: Not used.

    Returns:
        The one backend that serves all callers and threads.
    """
    del provider, threads, notify, detail
    return NUMPY
