"""Training calls without NumPy: statistics by loops, then a pass of inference by them."""

import time
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.engine.blocks import BlockPlan
from poolnorm_cli.engine.buffer_job import BufferJob
from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.grain_loops import SMALL_SQUARES, GrainCalls, grain_calls
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.tensors.tensor import even_ranges
from poolnorm_cli.values import field, frozen, record, replace


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from poolnorm_cli.engine.buffer_pass import BufferPass
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.outcome import Outcome
    from poolnorm_cli.layers.batch_norm.plain_training import PlainStep
    from poolnorm_cli.tensors.outputs import Output
    from poolnorm_cli.tensors.tensor import RowRange, Tensor

    Pair = tuple[Any, Any]
    """Means and sums of squared deviations: items of float64."""

_MOST_CHANNELS = 1 << 14
"""Channels whose averages are moved one by one: of more, NumPy's import is sooner."""


@record
class _Left:
    """What the training calls so far have left.

    Attributes:
        step: The last one.
        weights: The weights after it, float64; None before the first.
        arrays: The job that goes on with them, where one of the tensors takes NumPy.
    """

    step: "PlainStep | None" = None
    weights: "dict[str, Any] | None" = None
    arrays: "Job | None" = None


@frozen(eq=False, kw_only=True)
class TrainingBufferJob(BufferJob):
    """Training calls, one for each tensor, in order, until one comes that takes NumPy.

    Attributes:
        kinds: Names of the dtypes of the weights, by their names.
        arrays: Returns the job that makes all calls from there on.
    """

    kinds: "Mapping[str, str]"
    arrays: "Callable[[], Job]"
    left: _Left = field(default_factory=_Left, init=False)

    @property
    def is_serial(self) -> bool:
        """Whether inputs have to be done in one process: weights move from one to the next."""
        return True

    def serves(self, tensors: "Iterable[Tensor]") -> bool:
        """Whether calls on all of these can be made so, as far as their headers tell."""
        if self.left.arrays is not None:
            return False
        return all(
            super(TrainingBufferJob, self).serves([tensor])
            and self._calls_for(self.plan_for(tensor)) is not None
            for tensor in tensors
        )

    def run(self, tensor: "Tensor", output: "Output | None", target: str | None) -> "Outcome":
        """Make the call, and add the result to `output`.

        Args:
            tensor: The input, which the job serves, or served before the calls that came first.
            output: Where the result goes; None to compute it only.
            target: Name of the output, for the report.

        Returns:
            What was done.

        Raises:
            PoolnormError: With the name of the tensor in front.
        """
        if self.left.arrays is not None:
            return self.left.arrays.run(tensor, output, target)
        began = time.perf_counter()
        try:
            step = self.left.step = self._step(tensor, self.plan_for(tensor))
        except PoolnormError as error:
            raise error.within(tensor.name) from None
        if step is None:
            return self.arrays_now().run(tensor, output, target)
        self.left.weights = self._moved(step)
        outcome = super().run(tensor, output, target)
        return replace(outcome, seconds=time.perf_counter() - began)

    def ready_plan(self, tensor: "Tensor") -> "BufferPass":
        """Return the plan of inference by the statistics of the batch."""
        plan, step = self.plan_for(tensor), self.left.step
        return plan if step is None else replace(plan, weights=step.batch)

    def arrays_now(self) -> "Job":
        """Return the job of arrays, with the weights as the calls so far have left them."""
        job = self.left.arrays
        if job is None:
            import numpy as np

            job = self.left.arrays = self.arrays()
            job.state.weights = {name: np.array(kept) for name, (kept, _) in self.trained.items()}
        return job

    @property
    def trained(self) -> "dict[str, tuple[Any, str]]":
        """The weights as calls without NumPy have left them: items, and the name of their dtype."""
        found: dict[str, tuple[Any, str]] = {}
        for name, weight in self._weights.items():
            values = weight.cast("B").cast("d").tolist()
            found[name] = _kept(values, weight.shape, self.kinds[name]), self.kinds[name]
        return found

    @property
    def _weights(self) -> "Mapping[str, Any]":
        return self.weights if self.left.weights is None else self.left.weights

    def _moved(self, step: "PlainStep") -> "dict[str, Any]":
        """Return the weights after a call, rounded to the dtypes in which they are kept."""
        found = dict(self._weights)
        for name, values in step.updated.items():
            shape = found[name].shape
            kept = _kept(values, (len(values),), self.kinds[name]).tolist()
            found[name] = _kept(kept, shape, "float64")
        return found

    def _calls_for(self, plan: "BufferPass") -> GrainCalls | None:
        """Return the calls that take statistics of a tensor; None where NumPy is needed."""
        gathering, own = self._gathering(plan), plan.compute_dtype.name
        if plan.dtype != own and not (own == "float32" and plan.dtype in ("float16", "bfloat16")):
            return None  # statistics are of what is computed with
        axes = gathering.statistics_axes
        if not gathering.is_whole or gathering.inner is not gathering:
            return None
        calls = grain_calls(plan.shape, axes) if axes else None
        if calls is None or calls.statistics > _MOST_CHANNELS:
            return None
        return calls

    def _gathering(self, plan: "BufferPass") -> BlockPlan:
        made = BlockPlan(plan.layer, plan.shape, plan.dtype, plan.result, training=True)
        return replace(made, pool=plan.pool)

    def _step(self, tensor: "Tensor", plan: "BufferPass") -> "PlainStep | None":
        """Take the statistics of a tensor, and move the weights; None where NumPy is needed."""
        calls, layer = self._calls_for(plan), self.layer
        if calls is None or not isinstance(layer, Trainable):
            return None
        units = prod(calls.sizes) // calls.sizes[1]
        pair, found = _doubles(units), _doubles(calls.statistics)
        self._gather(tensor, plan, calls, pair)
        if plan.dtype == "float64" and not _are_exact(pair[1]):
            return None
        if not calls.merged(pair, found):
            return None
        count = prod(plan.shape) // calls.statistics
        mean, squares = (each.cast("B").cast("d").tolist() for each in found)
        step = layer.plain_step(self._weights, mean, squares, count)
        if step is None or not all(map(self._fits, step.updated, step.updated.values())):
            return None
        return step

    def _fits(self, name: str, values: "list[float]") -> bool:
        """Whether moving statistics fit into the dtype of their weight."""
        try:
            kept = _kept(values, (len(values),), self.kinds[name])
        except OverflowError:
            return False
        return all(map(isfinite, kept.tolist()))

    def _gather(
        self, tensor: "Tensor", plan: "BufferPass", calls: GrainCalls, pair: "Pair"
    ) -> None:
        """Take the statistics of all units of a tensor, block by block, in any order."""
        gathering, kind = self._gathering(plan), native.KINDS[plan.dtype]
        ranges = list(even_ranges(plan.shape[0], gathering.rows))
        width = plan.sample_bytes

        def work(read: "tuple[RowRange, memoryview]") -> None:
            rows, raw = read
            if tensor.swapped:
                native.loops().swap(raw, tensor.dtype.itemsize)
            calls.of_samples(raw, pair, rows, kind)

        opened = tensor.data_at() if plan.pool.threads > 1 else None
        if opened is None:
            slices = tensor.raw_slices(ranges, tensor.shape, plan.pool.max_in_flight)
            pairs = zip(ranges, slices, strict=True)
            for _ in plan.pool.ordered_map(work, pairs):
                pass
            return
        with opened as read:
            memories: list[memoryview] = []

            def place(rows: "RowRange") -> None:
                try:
                    memory = memories.pop()
                except IndexError:
                    memory = memoryview(bytearray(gathering.rows * width))
                raw = memory[: (rows[1] - rows[0]) * width]
                tensor.fill_at(read, raw, rows[0] * width)
                work((rows, raw))
                memories.append(memory)

            plan.pool.for_each(place, ranges)


def _doubles(count: int) -> "Pair":
    return memoryview(bytearray(8 * count)).cast("d"), memoryview(bytearray(8 * count)).cast("d")


def _are_exact(squares: Any) -> bool:
    """Whether sums of squares of float64 are such that nothing was lost of them."""
    values = squares.tolist()
    return min(values) >= SMALL_SQUARES and all(map(isfinite, values))


def _kept(values: "list[float]", shape: "tuple[int, ...]", kind: str) -> Any:
    """Return weights in the dtype in which they are kept.

    Raises:
        OverflowError: One does not fit.
    """
    import struct

    letter: Any = native.KINDS[kind]
    return memoryview(struct.pack(f"{len(values)}{letter}", *values)).cast(letter, shape)
