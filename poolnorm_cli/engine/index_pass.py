"""Where maxima are, without NumPy: a loop finds them in the bytes that were read."""

from typing import TYPE_CHECKING

from poolnorm_cli.engine.buffer_job import BufferJob
from poolnorm_cli.engine.buffer_pass import BufferPass
from poolnorm_cli.kernels import native
from poolnorm_cli.layers.max_indices import IndexLayer
from poolnorm_cli.values import cached_property, frozen


if TYPE_CHECKING:
    from poolnorm_cli.kernels.native import LoopCall
    from poolnorm_cli.shapes import Ints


@frozen
class IndexPass(BufferPass):
    """A layer of indices as the loop applies it to the blocks of a tensor."""

    @cached_property
    def _converts(self) -> bool:
        return native.compiled()

    def loop_call(self, samples: int) -> "LoopCall | None":
        """Return what finds the indices of a block of so many samples; None where nothing does."""
        assert isinstance(self.layer, IndexLayer)  # noqa: S101 - as `IndexJob` says
        return self.layer.index_call((samples, *self.shape[1:]), self.dtype)

    @cached_property
    def strip_loops(self) -> None:
        """None: strips of large samples take NumPy."""
        return


@frozen(eq=False)
class IndexJob(BufferJob):
    """A layer of indices over the tensors of one input, where nothing of it takes NumPy."""

    def _made(self, shape: "Ints", dtype: str) -> BufferPass:
        return IndexPass(self.layer, shape, dtype, "int64")
