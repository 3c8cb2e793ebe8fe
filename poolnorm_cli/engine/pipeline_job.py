"""Several layers over the tensors of files and streams, in one pass each.

Every step keeps the plan that it has when it is run alone, so the bytes are those of the steps one
after another. A step that needs statistics of its whole input reads that once more, up to itself.
"""

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from poolnorm_cli.engine.job import Job
from poolnorm_cli.engine.outcome import Estimate, Outcome, StepOutcome, estimate_of
from poolnorm_cli.engine.pipeline_run import (
    PipelineRun,
    StepJob,
    Tee,
    memory_needed_of,
    require_machine,
)
from poolnorm_cli.errors import UsageError, error_context
from poolnorm_cli.layers.pipeline import Pipeline
from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.urls import redact_url
from poolnorm_cli.values import field, frozen, replace


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from poolnorm_cli.engine.layer_pass import LayerPass
    from poolnorm_cli.engine.memory_estimate import MemoryLimiter
    from poolnorm_cli.engine.training_step import BatchStatistics, TrainingStep
    from poolnorm_cli.engine.watching import Pictures
    from poolnorm_cli.tensors.outputs import ArraySink, Output
    from poolnorm_cli.tensors.tensor import Tensor


@frozen(eq=False, kw_only=True)
class PipelineJob(Job):
    """Layers, one after another, and how they are run.

    What it has as a job is that of the last layer; `memory` and `limiter` are of all together.

    Attributes:
        steps: The layers.
        tees: What is written in between.
    """

    steps: tuple[StepJob, ...] = ()
    tees: tuple[Tee, ...] = ()
    _single: "list[PipelineJob]" = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Have every layer run with as many threads as all of them."""
        own = (
            j if j.threads == self.threads else replace(j, threads=self.threads)
            for _, j in self.steps
        )
        self.__dict__["steps"] = tuple(map(StepJob, (step for step, _ in self.steps), own))

    @property
    def pipeline(self) -> Pipeline:
        """The layers alone."""
        return Pipeline(tuple(each.step for each in self.steps))

    @property
    def described(self) -> Pipeline:
        """What is run, for reports."""
        return self.pipeline

    @property
    def is_synchronized(self) -> bool:
        """Whether all inputs are one batch: never, each is one of its own."""
        return False

    @property
    def is_sequential(self) -> bool:
        """Whether a tensor changes the weights for those after it, so that their order counts."""
        return any(each.job.is_sequential for each in self.steps)

    @property
    def is_serial(self) -> bool:
        """Whether inputs have to be done in one process: in training, each step trains on its own.

        What comes to a step depends on the statistics of the one before it.
        """
        return self.is_sequential

    @property
    def parts(self) -> tuple[Job, ...]:
        """The jobs of the layers."""
        return tuple(each.job for each in self.steps)

    @property
    def more_facts(self) -> list[str]:
        """What else tells this run from others: that it is a pipe, and what it writes where."""
        return ["pipe", *(f"{tee.after} {tee.target}" for tee in self.tees)]

    @property
    def is_divisible(self) -> bool:
        """Whether parts of a tensor may be run apart: they are not."""
        return False

    def in_worker(self, limiter: "MemoryLimiter | None") -> Self:
        """Return the job for a thread of a worker, with states of its own."""
        steps = tuple(StepJob(s, j.in_worker(None)) for s, j in self.steps)
        return replace(self, threads=1, limiter=limiter, steps=steps)

    def with_files(self, rename: "Callable[[str], str]") -> Self:
        """Return the job with other names for the files that it reads."""
        steps = tuple(StepJob(s, j.with_files(rename)) for s, j in self.steps)
        return replace(self, steps=steps)

    def plan_for(self, tensor: "Tensor", target: str | None = None) -> "LayerPass":
        """Return the plan of the last layer, once all are known to be possible.

        Args:
            tensor: The input.
            target: Where the output goes, to refuse one that has no room there; None to skip it.

        Returns:
            The plan.

        Raises:
            PoolnormError: A step cannot be, or all together take more memory than is allowed.
        """
        plans = self.plans(tensor.shape, tensor.dtype.name)
        self._require_memory(plans, tensor)
        if target is not None:
            self.require_free_space(target, tensor)
        return plans[-1]

    def plans(self, shape: Ints, dtype: str) -> "list[LayerPass]":
        """Return the plan of each layer, with what can be checked of it beforehand.

        Args:
            shape: Shape of the input.
            dtype: Its dtype, by name.

        Returns:
            The plans, in order.

        Raises:
            PoolnormError: A layer cannot take what comes to it, or has other weights; its title is
                in front.
        """
        found = []
        for step, job in self.steps:
            with error_context(step.title):
                plan = job.plan_of(shape, dtype)
                shape, dtype = plan.output_shape, plan.result
                _ = plan.compute_dtype  # which the layer may refuse
                job.state.weights_for(plan)
                found.append(plan)
        return found

    def require_free_space(self, target: str, tensor: "Tensor") -> None:
        """Refuse an output of a tensor that cannot be, or has no room where it goes.

        Args:
            target: `-`, a file or a URL.
            tensor: The input.

        Raises:
            OutputError: There is no room for it.
            UsageError: Nothing could hold it, or a step does not take what comes to it.
        """
        from poolnorm_cli.tensors.space import require_free_space

        plan = self.plans(tensor.shape, tensor.dtype.name)[-1]
        itemsize = DTYPES[plan.result].itemsize
        require_free_space(target, plan.output_shape, itemsize, compressed=tensor.compressed)

    def run(
        self,
        tensor: "Tensor",
        output: "Output | None",
        target: str | None,
        step: "TrainingStep | None" = None,
        sinks: "Sequence[ArraySink]" = (),
    ) -> Outcome:
        """Run all steps on one tensor, and add the result to `output`.

        Args:
            tensor: The input.
            output: Where the result goes; None to compute it only.
            target: Name of the output, for the report.
            step: Not used: each layer makes its own.
            sinks: Not used.

        Returns:
            What was done.

        Raises:
            PoolnormError: With the name of the tensor in front, and of the step behind it.
        """
        del step, sinks
        return self._run(tensor, output, target, ())

    def run_all(
        self,
        tensors: "Iterable[Tensor]",
        output: "Output | None",
        target: str | None,
        steps: "Sequence[TrainingStep | None] | None" = None,
        others: "Sequence[Output]" = (),
    ) -> list[Outcome]:
        """Run all steps on the tensors of one input, and keep what they wrote if all went through.

        Args:
            tensors: The tensors, each of which is closed after it.
            output: Where the results go; None to compute them only.
            target: Name of the output, for the report.
            steps: Not used: each layer makes its own.
            others: Where each of `tees` writes to.

        Returns:
            What was done to each.

        Raises:
            PoolnormError: With the name of the tensor in front; there is no output then.
        """
        del steps
        outcomes = []
        with ExitStack() as stack:
            # The first to be entered is the last to get its name: the output, which says that the
            # input is done.
            for each in (output, *others):
                if each is not None:
                    stack.enter_context(each)
            for tensor in tensors:
                outcomes.append(self._run(tensor, output, target, others))
                tensor.close()
        return outcomes

    def gather_statistics(self, tensor: "Tensor") -> "BatchStatistics":
        """Refuse: statistics of one step depend on those of the one before it."""
        raise UsageError.at(tensor.name, "--training of a pipe runs in one process", "give -j 1")

    def check_header(self, tensor: "Tensor") -> "LayerPass":
        """Return the plan of the last layer, everything checked as far as the header goes.

        Raises:
            PoolnormError: With the name of the tensor in front.
        """
        with error_context(tensor.name):
            return self.plan_for(tensor)

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
        with error_context(tensor.name):
            plan = self.plan_for(tensor, target)
            plans = self.plans(tensor.shape, tensor.dtype.name)
        needed = self._memory_needed(plans, tensor)
        found = estimate_of(plan, tensor, place, needed, unbatched=self.unbatched)
        return replace(found, steps=self._step_outcomes(plans, tensor))

    def initialize_weights(self, tensor: "Tensor") -> None:
        """Have the weights of all steps for such an input, the initial ones where none are given.

        Raises:
            PoolnormError: A step does not take what comes to it.
        """
        if not all(each.job.state.is_known(each.step.layer) for each in self.steps):
            self.check_header(tensor)

    def _run(
        self,
        tensor: "Tensor",
        output: "Output | None",
        target: str | None,
        others: "Sequence[Output]",
    ) -> Outcome:
        began = time.perf_counter()
        with error_context(tensor.name):
            plans = self.plans(tensor.shape, tensor.dtype.name)
            job = self._require_memory(plans, tensor)
            if output is not None:
                self.require_free_space(output.target, tensor)
        pictures = job.pictures_of(plans)
        run = PipelineRun(job.steps, job.tees, tensor, others, pictures)
        outcome = run.stream(output, target)
        return replace(
            outcome,
            input_shape=tensor.shape,
            input_dtype=tensor.dtype.name,
            seconds=time.perf_counter() - began,
            penalties=run.penalties,
            notes=tensor.notes + run.notes,
            explanation=run.explanation,
            steps=self._step_outcomes(plans, tensor, others),
            pictures=() if pictures is None else pictures.made(tensor),
        )

    def pictures_of(self, plans: "Sequence[LayerPass]") -> "Pictures | None":
        """Return what makes pictures of the input and of the output; None where none are wanted."""
        if not self.pictures:
            return None
        from poolnorm_cli.engine.watching import Passage, Pictures

        first, last = plans[0], plans[-1]
        call = " ! ".join(each.step.layer.words for each in self.steps)
        passage = Passage(call, first.shape, last.output_shape, last.result)
        return Pictures(passage, self.pictures, unbatched=self.unbatched)

    def _require_memory(self, plans: "Sequence[LayerPass]", tensor: "Tensor") -> "PipelineJob":
        """Return the job within the memory that is allowed: with one thread, if need be.

        Raises:
            UsageError: Even so it takes more.
        """
        if self.limiter is not None:
            self.limiter.admit(self._memory_needed(plans, tensor), tensor)
            return self
        if self.memory is None or self._memory_needed(plans, tensor) <= self.memory:
            require_machine(plans, tensor)
            return self
        if not self._single:
            self._single.append(replace(self, threads=1))
        single = self._single[0]
        least = self._memory_needed(single.plans(tensor.shape, tensor.dtype.name), tensor)
        if least <= self.memory:
            return single
        from poolnorm_cli.engine.memory_estimate import format_size

        raise UsageError(
            f"shape {tensor.shape} needs about {format_size(least)} of memory in all steps, and "
            f"--max-memory allows {format_size(self.memory)}",
            f"give --max-memory {format_size(least)} or more",
        )

    def _memory_needed(self, plans: "Sequence[LayerPass]", tensor: "Tensor") -> int:
        masked = (n for n, each in enumerate(self.steps) if each.job.mask is not None)
        apart = {place for n in masked for place in (n, n + 1)} | {tee.after for tee in self.tees}
        return memory_needed_of(plans, tensor, apart)

    def _step_outcomes(
        self, plans: "Sequence[LayerPass]", tensor: "Tensor", others: "Sequence[Output]" = ()
    ) -> tuple[StepOutcome, ...]:
        """Say what is there after each step, those that only write included.

        Without `others`, to which these write, they are called as they were typed.
        """
        shape, dtype = tensor.shape, tensor.dtype.name
        first = 1 if self.unbatched else 0
        after = [(shape[first:], dtype)]
        after += [(plan.output_shape[first:], plan.result) for plan in plans]
        files = [each.target for each in others] or [tee.target for tee in self.tees]
        found = [
            StepOutcome(tee.number, "tee", "tee", redact_url(file), *after[tee.after])
            for tee, file in zip(self.tees, files, strict=True)
        ]
        for (step, job), plan, there in zip(self.steps, plans, after[1:], strict=True):
            call = job.layer.call_text(plan.shape)
            found.append(StepOutcome(step.number, step.name, step.layer.words, call, *there))
        return tuple(sorted(found, key=lambda each: each.number))
