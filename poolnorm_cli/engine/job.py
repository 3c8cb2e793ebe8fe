"""A layer over the tensors of files and streams, one after another."""

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Self

from poolnorm_cli.backends import Backend
from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.buffer_job import PLANS
from poolnorm_cli.engine.layer_pass import LayerPass, Masks, Weights
from poolnorm_cli.engine.outcome import Estimate, Outcome, estimate_of
from poolnorm_cli.engine.profile import NO_PROFILER, NoProfiler, Profiler
from poolnorm_cli.engine.streaming import explained, gathered, stream, watchers
from poolnorm_cli.engine.training import TrainingState
from poolnorm_cli.engine.training_step import BatchStatistics, TrainingStep
from poolnorm_cli.errors import PoolnormError, UsageError, error_context
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.trainable import Trainable, apply_constraints, penalties
from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.space import require_free_space
from poolnorm_cli.values import field, frozen, replace


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from poolnorm_cli.engine.masks import MaskFile
    from poolnorm_cli.engine.memory_estimate import MemoryLimiter
    from poolnorm_cli.engine.view import Wanted
    from poolnorm_cli.layers.described import Described
    from poolnorm_cli.tensors.outputs import ArraySink, Output
    from poolnorm_cli.tensors.tensor import Tensor


@frozen(eq=False)
class Job:
    """A layer and how it is to be run.

    Attributes:
        layer: The layer, with the arrays of the files that its parameters name.
        state: The weights, which training moves on.
        training: Use the statistics of each input and update the moving ones.
        dtype: Dtype of the outputs; None for the one that the layer gives.
        preview: Keep the values of each output that are shown.
        explain: Have the layer explain each output.
        pictures: Make pictures of each input and its output, for each of these sizes.
        mask: Which cells of the inputs count; None where all do.
        backend: Computes the blocks.
        threads: Threads that work on the blocks of a tensor; None for the usual number.
        memory: Bytes that a process may take; None for any number.
        limiter: Limits the memory of all tasks in this process together, in place of `memory`.
        profiler: Counts where the time goes.
        rank: Axes that an input must have, for which the layer's axes were counted; None for any.
        unbatched: The batch axis of inputs is not theirs, so that outputs have none.
    """

    layer: Layer
    state: TrainingState = field(default_factory=TrainingState)
    training: bool = False
    dtype: str | None = None
    preview: bool = False
    explain: bool = False
    pictures: "tuple[Wanted, ...]" = ()
    mask: "MaskFile | None" = None
    backend: Backend = NUMPY
    threads: int | None = None
    memory: int | None = None
    limiter: "MemoryLimiter | None" = None
    profiler: Profiler | NoProfiler = NO_PROFILER
    rank: int | None = None
    unbatched: bool = False
    _plans: dict[tuple[Ints, str], LayerPass] = field(default_factory=dict, init=False)

    @property
    def is_synchronized(self) -> bool:
        """Whether all inputs are one batch, whose statistics come before any output."""
        layer = self.layer
        return isinstance(layer, Trainable) and layer.is_synchronized(training=self.training)

    @property
    def is_sequential(self) -> bool:
        """Whether a tensor changes the weights for those after it, so that their order counts."""
        return self.training and isinstance(self.layer, Trainable)

    @property
    def described(self) -> "Described":
        """What is run, for reports."""
        return self.layer

    @property
    def is_serial(self) -> bool:
        """Whether inputs have to be done in one process, one after another."""
        return False

    @property
    def parts(self) -> "tuple[Job, ...]":
        """The jobs of single layers that it consists of."""
        return (self,)

    @property
    def more_facts(self) -> list[str]:
        """What else tells this run from others, besides layers and weights."""
        return []

    @property
    def is_divisible(self) -> bool:
        """Whether parts of a tensor may be run apart, and their results put together."""
        return not (self.preview or self.explain or self.mask or self.pictures)

    def any_job(self) -> Self:
        """Return what runs every tensor: this job."""
        return self

    def job_of(self, tensor: "Tensor") -> Self:
        """Return what runs a tensor: this job runs all."""
        del tensor
        return self

    def in_worker(self, limiter: "MemoryLimiter | None") -> Self:
        """Return the job for a thread of a worker, with a state of its own."""
        return replace(self, state=replace(self.state), threads=1, limiter=limiter)

    def with_files(self, rename: "Callable[[str], str]") -> Self:
        """Return the job with other names for the files that it reads."""
        if self.mask is None:
            return self
        return replace(self, mask=replace(self.mask, word=rename(self.mask.word)))

    @property
    def constrained_weights(self) -> Weights:
        """The weights that have a constraint, projected by it as they are saved."""
        return apply_constraints(self.layer, self.state.trained or {})

    def plan_for(self, tensor: "Tensor", target: str | None = None) -> LayerPass:
        """Return the plan for a tensor, within the memory that is allowed.

        Args:
            tensor: The input.
            target: Where the output goes, to refuse a large one that has no room there before
                anything is computed; small ones are refused when they are begun. None to skip it.

        Returns:
            The plan.

        Raises:
            UsageError: It takes more memory, or the layer does not take it.
            OutputError: There is no room for the output.
        """
        plan = self.plan_of(tensor.shape, tensor.dtype.name)
        is_heavy = plan.is_heavy
        if target is not None and (is_heavy or plan.statistics_axes):
            self.require_free_space(target, tensor)
        if self.limiter is not None:
            from poolnorm_cli.engine.memory_estimate import memory_needed

            self.limiter.admit(memory_needed(plan, tensor), tensor)
            return plan
        if self.memory is None and not is_heavy:
            return plan
        from poolnorm_cli.engine.memory_estimate import require_memory, within_memory

        if self.memory is not None:
            return within_memory(plan, tensor, self.memory)
        require_memory(plan, tensor)
        return plan

    def plan_of(self, shape: Ints, dtype: str) -> LayerPass:
        """Return the plan for tensors of a shape and dtype.

        Args:
            shape: Items per axis, samples first.
            dtype: Name of the dtype.

        Returns:
            The plan; the same one while the job has had few others.

        Raises:
            UsageError: The weights are for another rank.
        """
        plan = self._plans.get((shape, dtype))
        if plan is not None:
            return plan
        if self.rank not in (None, len(shape)):
            what = f"the input has rank {len(shape)}, the layer in the file one of {self.rank}"
            raise UsageError(what, "run inputs of another rank apart")
        result = self.dtype or self.layer.result_dtype(dtype)
        plan = LayerPass(
            self.layer,
            shape,
            dtype,
            result,
            self.training,
            self.backend,
            profiler=self.profiler,
        ).with_threads(self.threads)
        if len(self._plans) >= PLANS:
            self._plans.clear()
        self._plans[shape, dtype] = plan
        return plan

    def require_free_space(self, target: str, tensor: "Tensor") -> None:
        """Refuse an output of a tensor that cannot be, or has no room where it goes.

        Args:
            target: `-`, a file or a URL.
            tensor: The input.

        Raises:
            OutputError: There is no room for it.
            UsageError: Nothing could hold it, or the layer does not take the tensor.
        """
        plan = self.plan_of(tensor.shape, tensor.dtype.name)
        itemsize = DTYPES[plan.result].itemsize
        require_free_space(target, plan.output_shape, itemsize, compressed=tensor.compressed)

    def under_mask(self, plan: LayerPass, tensor: "Tensor") -> tuple[LayerPass, Masks]:
        """Return the plan under the mask of a tensor, and that mask in the blocks of the plan.

        Args:
            plan: The layer on the tensor.
            tensor: The input.

        Returns:
            The plan, which may scale its outputs, and the blocks of the mask; None without one.

        Raises:
            UsageError: The layer takes no mask for the tensor, or none of such a shape.
            InputError: The mask cannot be read.
        """
        if self.mask is None:
            return plan, None
        mask, factor = self.mask.mask_for(tensor, self.layer)
        return plan if factor == 1 else replace(plan, factor=factor), plan.mask_blocks(mask)

    def run(
        self,
        tensor: "Tensor",
        output: "Output | None",
        target: str | None,
        step: TrainingStep | None = None,
        sinks: "Sequence[ArraySink]" = (),
    ) -> Outcome:
        """Run the layer on one tensor and add the result to `output`.

        Args:
            tensor: The input.
            output: Where the result goes; None to compute it only.
            target: Name of the output, for the report.
            step: What `apply_step` made of the tensor, where that was done elsewhere.
            sinks: Take the result, too.

        Returns:
            What was done.

        Raises:
            PoolnormError: With the name of the tensor in front.
        """
        began = time.perf_counter()
        try:
            plan = self.plan_for(tensor, None if output is None else output.target)
            if step is None:  # before anything is written: this may refuse the batch
                moments = gathered(plan, tensor, self.under_mask)
                step = self.state.apply_step(plan, moments)
            if step.step != plan.step:
                plan = replace(plan, step=step.step)
            masked = self.under_mask(plan, tensor)
            shape = plan.written_shape(unbatched=self.unbatched)
            preview, first = watchers(self, plan, shape)
            stream(*masked, step, tensor, output, preview, first, sinks, shape)
            is_masked = self.mask is not None
            explanation = explained(plan, step, first, is_masked=is_masked) if first else ()
        except PoolnormError as error:
            raise error.within(tensor.name) from None
        return Outcome(
            input=tensor.name,
            output=target,
            input_shape=tensor.shape,
            output_shape=plan.output_shape,
            input_dtype=plan.dtype,
            dtype=plan.result,
            seconds=time.perf_counter() - began,
            edges=preview.edges(plan.result) if preview else None,
            explanation=explanation,
            penalties=penalties(self.layer, step.weights) if step.weights else {},
            notes=tensor.notes + step.notes,
            unbatched=self.unbatched,
            pictures=preview.pictures(tensor) if preview else (),
        )

    def run_all(
        self,
        tensors: "Iterable[Tensor]",
        output: "Output | None",
        target: str | None,
        steps: "Sequence[TrainingStep | None] | None" = None,
        others: "Sequence[Output]" = (),
    ) -> list[Outcome]:
        """Run the layer on the tensors of one input, and keep `output` if all went through.

        Args:
            tensors: The tensors, each of which is closed after it.
            output: Where the results go; None to compute them only.
            target: Name of the output, for the report.
            steps: What `apply_step` made of the tensors, where that was done elsewhere.
            others: Where else something goes; a layer alone has no use for them.

        Returns:
            What was done to each.

        Raises:
            PoolnormError: With the name of the tensor in front; there is no output then.
        """
        del others
        outcomes = []
        with nullcontext() if output is None else output:
            for index, tensor in enumerate(tensors):
                step = None if steps is None else steps[index]
                outcomes.append(self.run(tensor, output, target, step))
                tensor.close()
        return outcomes

    def gather_statistics(self, tensor: "Tensor") -> BatchStatistics:
        """Gather what has to be known of a tensor before its outputs.

        Raises:
            PoolnormError: With the name of the tensor in front.
        """
        with error_context(tensor.name):
            plan = self.plan_for(tensor)
            plan.layer.output_shape(plan.shape)
            return BatchStatistics(plan.shape, plan.dtype, gathered(plan, tensor, self.under_mask))

    def accumulate(self, statistics: BatchStatistics) -> None:
        """Add a tensor to the one batch of all, in the order of the inputs.

        Raises:
            PoolnormError: The weights or the others do not go with it, or it is not finite.
        """
        plan = self.plan_of(statistics.shape, statistics.dtype)
        self.state.accumulate(plan, statistics.moments)

    def apply_step(self, statistics: BatchStatistics) -> TrainingStep:
        """Move the weights on by a tensor, in the order of the inputs.

        Raises:
            PoolnormError: The weights do not fit, or the statistics may not enter them.
        """
        plan = self.plan_of(statistics.shape, statistics.dtype)
        return self.state.apply_step(plan, statistics.moments)

    def check_header(self, tensor: "Tensor") -> LayerPass:
        """Return the plan for a tensor, checked as far as its header goes.

        Raises:
            PoolnormError: With the name of the tensor in front.
        """
        with error_context(tensor.name):
            plan = self.plan_for(tensor)
            plan.layer.output_shape(plan.shape)
            self.state.weights_for(plan)
            return plan

    def estimate(self, tensor: "Tensor", target: str | None, place: str | None) -> Estimate:
        """Say what would be done to a tensor, from its header alone.

        Args:
            tensor: The input.
            target: Where the result would go; None where nothing is written.
            place: Name of that, for the report.

        Returns:
            Shapes, dtypes and bytes.

        Raises:
            PoolnormError: What a run would raise for the header.
        """
        from poolnorm_cli.engine.memory_estimate import memory_needed

        with error_context(tensor.name):
            if target is not None:
                self.require_free_space(target, tensor)
            plan = self.check_header(tensor)
        needed = memory_needed(plan, tensor)
        return estimate_of(plan, tensor, place, needed, unbatched=self.unbatched)

    def initialize_weights(self, tensor: "Tensor") -> None:
        """Have the weights for such an input, the initial ones where none are given.

        Raises:
            PoolnormError: The layer does not take it.
        """
        if not self.state.is_known(self.layer):
            self.check_header(tensor)
