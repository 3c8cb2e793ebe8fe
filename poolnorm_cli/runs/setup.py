"""A layer and how it is to be run."""

from dataclasses import field, replace
from math import prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.backends import NUMPY, Backend
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.runs.clock import UNCLOCKED, Clock, Unclocked
from poolnorm_cli.runs.lanes import ONE_LANE, default_threads, lanes_for
from poolnorm_cli.runs.passes import Masks, Pass, Weights, result_dtype
from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.space import require_room
from poolnorm_cli.values import record


if TYPE_CHECKING:
    from poolnorm_cli.runs.masks import MaskFile
    from poolnorm_cli.runs.room import Room
    from poolnorm_cli.tensors.tensor import Tensor


_LARGE_BLOCK = 48 << 20
"""Bytes of a block from which on one is held at a time: it is worth more than a second thread."""
_PASSES = 16
"""Ways through the layer that are kept: the tensors of a batch have few different shapes."""


@record
class Setup:
    """A layer and how it is to be run.

    Attributes:
        layer: The layer.
        weights: The weights; None until the first input, whose shape gives the initial ones.
        training: Use the statistics of each input and update the moving ones.
        dtype: Dtype of the outputs; None for what the layer gives.
        preview: Keep the edges of each output, to be shown.
        explain: Have the layer say how each output came about.
        keeps: The weights are saved after the run.
        mask: Which cells of the inputs count; None where all do.
        backend: Computes the blocks.
        threads: Threads that work on the blocks of a tensor.
        memory: Bytes that a process may take; None for any number.
        room: What several tasks share in one process, in place of `memory`.
        clock: Counts where the time goes.
        rank: Axes that an input must have, as its axes were counted for that; None for any number.
    """

    layer: Layer
    weights: Weights | None = None
    training: bool = False
    dtype: str | None = None
    preview: bool = False
    explain: bool = False
    mask: "MaskFile | None" = None
    backend: Backend = NUMPY
    threads: int = field(default_factory=default_threads)
    memory: int | None = None
    room: "Room | None" = None
    clock: Clock | Unclocked = UNCLOCKED
    rank: int | None = None
    keeps: bool = False
    _passes: dict[tuple[Ints, str], Pass] = field(default_factory=dict, init=False)

    @property
    def joins(self) -> bool:
        """Whether all inputs are one batch, whose statistics come before any output."""
        return self.layer.joins(training=self.training)

    @property
    def moves(self) -> bool:
        """Whether a tensor changes the weights for those after it, so that their order counts."""
        return self.training and self.layer.has_training

    def pass_over(self, tensor: "Tensor") -> Pass:
        """Return the way of a tensor through the layer."""
        run = self.pass_for(tensor.shape, tensor.dtype.name)
        if self.room is not None:
            return self.room.fit(run, tensor)
        if self.memory is not None:
            from poolnorm_cli.runs.limits import within

            return within(run, tensor, self.memory)
        if run.heavy:
            from poolnorm_cli.runs.limits import require_memory

            require_memory(run, tensor)
        return run

    def require_room(self, target: str, tensor: "Tensor") -> None:
        """Refuse an output of a tensor that cannot be, or has no room where it goes.

        Raises:
            OutputError: There is no room for it.
            UsageError: Nothing could hold it, or the layer does not take the tensor.
        """
        run = self.pass_for(tensor.shape, tensor.dtype.name)
        itemsize = DTYPES[run.result].itemsize
        require_room(target, run.output_shape, itemsize, compressed=tensor.compressed)

    def pass_for(self, shape: Ints, dtype: str) -> Pass:
        """Return the way of a tensor of such a shape and dtype through the layer."""
        run = self._passes.get((shape, dtype))
        if run is None:
            if len(self._passes) >= _PASSES:
                self._passes.clear()
            run = self._passes[shape, dtype] = self._pass(shape, dtype)
        return run

    def _pass(self, shape: Ints, dtype: str) -> Pass:
        if self.rank not in (None, len(shape)):
            told = f"the input has rank {len(shape)}, the layer in the file one of {self.rank}"
            raise UsageError(told, "run inputs of another rank apart")
        result, mode = result_dtype(self.layer, dtype, self.dtype), (self.training, self.backend)
        size = prod(shape) * DTYPES[dtype].itemsize
        lanes = lanes_for(self.threads if self.backend.in_lanes else 1, size)
        more: Any = {"lanes": lanes, "clock": self.clock}
        run = Pass(self.layer, shape, dtype, result, *mode, **more)
        block = run.inner.block_items * DTYPES[run.compute].itemsize
        return run if block <= _LARGE_BLOCK else replace(run, lanes=ONE_LANE)

    def under_mask(self, run: Pass, tensor: "Tensor") -> tuple[Pass, Masks]:
        """Return the pass under the mask of a tensor, and that mask in the blocks of the pass."""
        if self.mask is None:
            return run, None
        mask, factor = self.mask.of(tensor, self.layer)
        return run if factor == 1 else replace(run, factor=factor), run.masks_of(mask)
