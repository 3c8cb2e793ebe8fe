"""A layer over the tensors of one input, where nothing of it takes NumPy."""

import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING

from poolnorm_cli.engine.buffer_pass import BufferPass
from poolnorm_cli.engine.outcome import Outcome, StepOutcome
from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.space import require_free_space
from poolnorm_cli.values import field, frozen, replace


if TYPE_CHECKING:
    from poolnorm_cli.engine.training_step import BatchStatistics, TrainingStep
    from poolnorm_cli.layers.pipeline import Step
    from poolnorm_cli.tensors.outputs import Output
    from poolnorm_cli.tensors.tensor import Tensor


PLANS = 16
"""Plans that are kept: the tensors of a batch have few different shapes."""


@frozen(eq=False)
class BufferJob:
    """A layer in inference, of whose output nothing is shown: what a `Job` does without NumPy.

    Attributes:
        layer: The layer.
        weights: Its weights, as `BufferPass` takes them.
        dtype: Dtype of the outputs; None for the one that the layer gives.
        threads: Threads that work on the blocks of a tensor; None for the usual number.
        unbatched: The batch axis of inputs is not theirs, so that outputs have none.
        memory: Bytes that the process may take; None for any number.
        rank: Axes that an input must have, for which the layer's axes were counted; None for any.
    """

    layer: Layer
    weights: Mapping[str, memoryview] = field(default_factory=dict)
    dtype: str | None = None
    threads: int | None = None
    unbatched: bool = False
    memory: int | None = None
    rank: int | None = None
    _plans: dict[tuple[Ints, str], BufferPass] = field(default_factory=dict, init=False)

    def serves(self, tensors: "Iterable[Tensor]") -> bool:
        """Whether all of these tensors can be run so; only their headers are looked at."""
        try:
            return all(self.plan_for(tensor).serves(tensor) for tensor in tensors)
        except PoolnormError:  # which is told where it is run
            return False

    @property
    def is_divisible(self) -> bool:
        """Whether parts of a tensor may be run apart, and their results put together."""
        return True

    @property
    def is_serial(self) -> bool:
        """Whether inputs have to be done in one process, one after another."""
        return False

    def apply_step(self, statistics: "BatchStatistics") -> "TrainingStep":
        """Return what a tensor is computed with, besides its plan: nothing."""
        del statistics
        from poolnorm_cli.engine.training_step import TrainingStep

        return TrainingStep({})

    def require_free_space(self, target: str, tensor: "Tensor") -> None:
        """Refuse an output of a tensor that has no room where it goes.

        Args:
            target: A file.
            tensor: The input.

        Raises:
            OutputError: There is no room for it.
        """
        last = self.plan_for(tensor).last
        itemsize = DTYPES[last.result].itemsize
        require_free_space(target, last.output_shape, itemsize, compressed=tensor.compressed)

    def run_all(
        self, tensors: "Iterable[Tensor]", output: "Output | None", target: str | None
    ) -> list[Outcome]:
        """Run the layer on the tensors of one input, and keep `output` if all went through.

        Args:
            tensors: The tensors, which the job serves; each is closed after it.
            output: Where the results go; None to compute them only.
            target: Name of the output, for the report.

        Returns:
            What was done to each.

        Raises:
            PoolnormError: With the name of the tensor in front; there is no output then.
        """
        outcomes = []
        with nullcontext() if output is None else output:
            for tensor in tensors:
                outcomes.append(self.run(tensor, output, target))
                tensor.close()
        return outcomes

    def run(self, tensor: "Tensor", output: "Output | None", target: str | None) -> Outcome:
        """Run the layer on one tensor and add the result to `output`.

        Args:
            tensor: The input, which the job serves.
            output: Where the result goes; None to compute it only.
            target: Name of the output, for the report.

        Returns:
            What was done.

        Raises:
            PoolnormError: With the name of the tensor in front.
        """
        began = time.perf_counter()
        plan, writer = self.ready_plan(tensor), None
        last = plan.last
        try:
            if output is not None:
                shape, dtype = last.written_shape(unbatched=self.unbatched), DTYPES[last.result]
                writer = output.add(tensor.key, shape, dtype, tensor.compressed)
            plan.write_outputs(tensor, writer)
            if writer is not None:
                writer.close()
        except PoolnormError as error:
            raise error.within(tensor.name) from None
        return Outcome(
            input=tensor.name,
            output=target,
            input_shape=tensor.shape,
            output_shape=last.output_shape,
            input_dtype=plan.dtype,
            dtype=last.result,
            seconds=time.perf_counter() - began,
            notes=tensor.notes,
            steps=self._steps(plan),
            unbatched=self.unbatched,
        )

    def plan_for(self, tensor: "Tensor") -> BufferPass:
        """Return the plan for a tensor, within the memory that is allowed.

        Args:
            tensor: The input, of which nothing is read.

        Returns:
            The plan; the same one while the job has had few others.

        Raises:
            UsageError: It takes more memory, or the layer does not take the tensor.
        """
        key = tensor.shape, tensor.dtype.name
        plan = self._plans.get(key)
        if plan is None:
            plan = self._made(*key).with_threads(self.threads)
            if self.memory is not None:  # as `--dry-run` says it, whose blocks are larger
                from poolnorm_cli.engine.memory_estimate import within_memory

                plan = within_memory(plan, tensor, self.memory)
            elif plan.is_heavy:
                from poolnorm_cli.engine.memory_estimate import require_memory

                require_memory(plan, tensor)
            if len(self._plans) >= PLANS:
                self._plans.clear()
            plan = self._plans[key] = plan.in_cached_blocks()
        return plan

    def ready_plan(self, tensor: "Tensor") -> BufferPass:
        """Return the plan by which a tensor is computed: as `plan_for`."""
        return self.plan_for(tensor)

    def _made(self, shape: Ints, dtype: str) -> BufferPass:
        """Make the plan for a shape and a dtype."""
        result = self.dtype or self.layer.result_dtype(dtype)
        return BufferPass(self.layer, shape, dtype, result, weights=self.weights, rank=self.rank)

    def _steps(self, plan: BufferPass) -> tuple[StepOutcome, ...]:
        """Say what each step of a pipe made; a layer alone has none."""
        del plan
        return ()


@frozen(eq=False, kw_only=True)
class BufferPipeline(BufferJob):
    """Layers one after another, as `BufferJob`; what it has as a job is that of the last layer.

    Attributes:
        steps: The layers.
        each: Weights of each, as `BufferPass` takes them.
        ranks: Axes that the input of each must have; empty where each takes any number.
    """

    steps: "tuple[Step, ...]"
    each: tuple[Mapping[str, memoryview], ...]
    ranks: tuple[int | None, ...] = ()

    def _made(self, shape: Ints, dtype: str) -> BufferPass:
        found = []
        ranks = self.ranks or (None,) * len(self.steps)
        for step, weights, rank in zip(self.steps, self.each, ranks, strict=True):
            result = step.layer.result_dtype(dtype)
            if step is self.steps[-1]:
                result = self.dtype or result
            made = BufferPass(
                step.layer, shape, dtype, result, weights=weights, is_step=True, rank=rank
            )
            found.append(made)
            shape, dtype = made.output_shape, made.result
        return replace(found[0], then=tuple(found[1:]))

    @property
    def is_divisible(self) -> bool:
        """Whether parts of a tensor may be run apart: they are not."""
        return False

    def _steps(self, plan: BufferPass) -> tuple[StepOutcome, ...]:
        passes, first = (plan, *plan.then), 1 if self.unbatched else 0
        return tuple(
            StepOutcome(
                step.number,
                step.name,
                step.layer.words,
                step.layer.call_text(each.shape),
                each.output_shape[first:],
                each.result,
            )
            for step, each in zip(self.steps, passes, strict=True)
        )
