"""The steps of a pipeline on one tensor: statistics first, then the pass that writes."""

from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.engine.fused_steps import FusedSteps, as_one, fused
from poolnorm_cli.engine.job import Job
from poolnorm_cli.engine.outcome import Outcome
from poolnorm_cli.engine.step_tensor import (
    PassedTensor,
    StepTensor,
    VirtualTensor,
    goes_on_in_thread,
)
from poolnorm_cli.engine.streaming import gathered
from poolnorm_cli.engine.training import TrainingState
from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.layers.call import Facts
from poolnorm_cli.layers.pipeline import Step
from poolnorm_cli.layers.trainable import penalties
from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.values import frozen, replace


if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from types import TracebackType

    from poolnorm_cli.engine.layer_pass import LayerPass, Masks
    from poolnorm_cli.engine.memory_estimate import Needs
    from poolnorm_cli.engine.training_step import TrainingStep
    from poolnorm_cli.engine.watching import Pictures
    from poolnorm_cli.tensors.outputs import ArraySink, Output
    from poolnorm_cli.tensors.tensor import Tensor


class StepJob(NamedTuple):
    """A step, and how its layer is run."""

    step: Step
    job: Job


@frozen
class Tee:
    """A step that writes what passes.

    Attributes:
        number: Its place among all steps, from 1.
        after: How many layers come before it.
        target: Where it writes to, as it was typed.
    """

    number: int
    after: int
    target: str


class PipelineRun:
    """The steps on one tensor: statistics first, then the pass in which all is written.

    Attributes:
        trained: What each step is computed with, and what training makes of it.
        penalties: Those of regularizers, by step and weight.
        notes: What there is to say of how weights moved.
        explanation: The lines that explain the steps.
    """

    def __init__(
        self,
        steps: "Sequence[StepJob]",
        tees: "Sequence[Tee]",
        tensor: "Tensor",
        others: "Sequence[Output]",
        pictures: "Pictures | None" = None,
    ) -> None:
        """Gather the statistics of every step, in order, and move the weights on in training.

        Args:
            steps: The layers.
            tees: What is written in between.
            tensor: The input.
            others: Where each tee writes to; none where nothing is written.
            pictures: Paints the input and the output; None where no picture is wanted.

        Raises:
            PoolnormError: The tensor cannot be read, or a step refuses it.
        """
        self._count, self._name = len(steps), tensor.name
        self.trained: list[TrainingStep] = []
        self._sinks: list[ArraySink] = []
        self.penalties: dict[str, float] = {}
        self.notes: tuple[str, ...] = ()
        self.explanation: tuple[str, ...] = ()
        self._tees = list(zip(tees, others, strict=False))
        self._watched: list[tuple[VirtualTensor, Tee, Output]] = []
        current: Tensor = tensor
        group: FusedSteps | None = None
        self._pictures = pictures
        self._passed: PassedTensor | None = None
        if pictures is not None or any(tee.after == 0 for tee, _ in self._tees):
            current = self._passed = PassedTensor(tensor)
            self._watch(current, 0)
        *before, self._last = steps
        for count, each in enumerate(before, 1):
            plan, step = self._begun(each, current)
            masks = None
            if each.job.mask is not None:
                with _titled(each.step.title, tensor.name):
                    plan, _ = each.job.under_mask(plan, current)
                masks = _masks_of(each.job, plan, current)
            group = None if masks else fused(group, current, plan, step, each.step.name)
            source, plan, step = as_one(group, plan, step)
            made = StepTensor(source or current, plan, step, masks)
            if self._watch(made, count):
                group = None  # what is written in between comes back for that
            current = made
        self._current = current
        self._last_plan, self._last_step = self._begun(self._last, current)
        if self._last.job.mask is None and not self._last.job.explain:
            self._fuse_last(group)

    def _fuse_last(self, before: FusedSteps | None) -> None:
        """Compute the last step together with those before it, where a backend can."""
        (named, job), plan, step = self._last, self._last_plan, self._last_step
        steps = fused(before, self._current, plan, step, named.name)
        source, plan, again = as_one(steps, plan, step)
        if source is None:
            return
        job = replace(job, layer=plan.layer, dtype=plan.result, state=TrainingState({}))
        job = replace(job, training=False, rank=None)
        self._current, self._last = source, StepJob(named, job)
        self._last_step = replace(again, updated=step.updated)

    @property
    def last(self) -> "tuple[LayerPass, TrainingStep, Tensor]":
        """The last step, what it is computed with, and what it reads: all others make that."""
        job, tensor = self._last.job, self._current
        plan = job.plan_of(tensor.shape, tensor.dtype.name)
        return replace(plan, step=self._last_step.step), self._last_step, tensor

    def stream(self, output: "Output | None", target: str | None) -> Outcome:
        """Run the last step, which reads what all others make; write what is written.

        Args:
            output: Where the result goes; None to compute it only.
            target: Name of the output, for the report.

        Returns:
            What the last step made of what came to it.

        Raises:
            PoolnormError: Something cannot be read or written.
        """
        for tensor, _, other in self._watched:
            self._sink(tensor.sinks, other, tensor.shape, tensor.dtype.name)
        last: list[ArraySink] = []
        plan = self._last_plan
        for tee, other in self._tees:
            if tee.after == self._count:
                self._sink(last, other, plan.output_shape, plan.result)
        if self._pictures is not None and self._passed is not None:
            given, done = self._pictures.sinks()
            self._passed.sinks.append(given)
            last.append(done)
        step = replace(self._last_step, notes=())
        outcome = self._last.job.run(self._current, output, target, step, last)
        for sink in self._sinks:
            sink.close()
        self.explanation += titled_lines(self._last.step.title, outcome.explanation)
        return outcome

    def _watch(self, tensor: VirtualTensor, after: int) -> bool:
        found = [(tensor, t, other) for t, other in self._tees if t.after == after]
        self._watched += found
        return bool(found)

    def _sink(self, sinks: "list[ArraySink]", other: "Output", shape: Ints, dtype: str) -> None:
        tensor = self._current
        shape = shape[1:] if self._last.job.unbatched else shape
        writer = other.add(tensor.key, shape, DTYPES[dtype], tensor.compressed)
        sinks.append(writer)
        self._sinks.append(writer)

    def _begun(self, each: StepJob, tensor: "Tensor") -> "tuple[LayerPass, TrainingStep]":
        """Return the plan of a step, and what it is computed with, gathered now."""
        (named, job), name = each, self._name
        with _titled(named.title, name):
            plan = job.plan_of(tensor.shape, tensor.dtype.name)
            moments = gathered(plan, tensor, job.under_mask)
            step = job.state.apply_step(plan, moments)
        self.trained.append(step)
        if step.step != plan.step:
            plan = replace(plan, step=step.step)
        if step.weights:
            found = penalties(job.layer, step.weights)
            self.penalties |= {f"{named.name}/{key}": each for key, each in found.items()}
        self.notes += tuple(f"{named.title}: {note}" for note in step.notes)
        if self._last.job.explain and each is not self._last:
            own = step.weights, step.moments, step.updated, None, job.mask is not None
            self.explanation += titled_lines(
                named.title, job.layer.explain(Facts(plan.shape, *own))
            )
        return plan, step


def titled_lines(title: str, lines: "Sequence[str]") -> tuple[str, ...]:
    """Put the title of a step before each line of its explanation.

    Args:
        title: The title.
        lines: The explanation.

    Returns:
        The lines.
    """
    return tuple(f"{title}: {line}" for line in lines)


class _titled:  # noqa: N801 - used as a function
    """Put the title of a step into the errors of a block, unless they are those of the input."""

    def __init__(self, title: str, name: str) -> None:
        self._title, self._name = title, name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        if isinstance(error, PoolnormError):
            inside = error if error.is_at(self._name) else error.within(self._title)
            raise inside.within(self._name) from None


def _masks_of(job: Job, plan: "LayerPass", tensor: "Tensor") -> "Callable[[], Masks]":
    return lambda: job.under_mask(plan, tensor)[1]


def memory_needed_of(
    plans: "Sequence[LayerPass]", tensor: "Tensor", apart: "Collection[int]"
) -> int:
    """Estimate the bytes of a process that runs all steps at once.

    Steps of which a block goes from one to the next in one thread need what the largest of them
    does, and the blocks that were read for the first. All others need their blocks at once, and
    where there are threads, these work on all of them at once.

    Args:
        plans: The plan of each layer, in order.
        tensor: The input.
        apart: The numbers of layers behind which blocks are cut anew in any case.

    Returns:
        Bytes, those of the process itself included.
    """
    from poolnorm_cli.engine.memory_estimate import needs_of

    groups: list[list[Needs]] = []
    for place, plan in enumerate(plans):
        own = needs_of(plan, tensor)
        if place and place not in apart and goes_on_in_thread(plans[place - 1], plan):
            groups[-1].append(own)
        else:
            groups.append([own])
        tensor = VirtualTensor(tensor, plan.output_shape, DTYPES[plan.result])
    total = max(own.process for group in groups for own in group)
    for group in groups:
        more = group[0].read if len(group) > 1 else 0
        total += max(own.blocks for own in group) + more + sum(own.kept for own in group)
    computing = [max(own.computing for own in group) for group in groups]
    return total + (max(computing) if plans[0].pool.threads == 1 else sum(computing))


def require_machine(plans: "Sequence[LayerPass]", tensor: "Tensor") -> None:
    """Refuse a step that this machine's memory cannot hold.

    Args:
        plans: The plan of each layer, in order.
        tensor: The input.

    Raises:
        UsageError: There is one.
    """
    for plan in plans:
        if plan.is_heavy:
            from poolnorm_cli.engine.memory_estimate import require_memory

            require_memory(plan, tensor)
        tensor = VirtualTensor(tensor, plan.output_shape, DTYPES[plan.result])
