"""The stages of an input: in one go, or statistics first and outputs after, whole or in parts."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from poolnorm_cli.batch.fingerprints import Fingerprint, fingerprint_of
from poolnorm_cli.batch.tasks import Result, Task, Work
from poolnorm_cli.engine.outcome import Outcome
from poolnorm_cli.engine.training_step import BatchStatistics, TrainingStep
from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.layers.trainable import penalties
from poolnorm_cli.tensors.atomic import AtomicFile
from poolnorm_cli.tensors.dtypes import DTYPES, descr_of
from poolnorm_cli.tensors.header import build_header
from poolnorm_cli.values import field, frozen, record, replace


if TYPE_CHECKING:
    from poolnorm_cli.batch.file_parts import Part
    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.engine.buffer_job import BufferJob
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.tensors.npy import NpyTensor


_PLENTY = 1000
"""Inputs that keep all workers busy as they are: to ask for the size of each takes longer."""


@frozen
class InputResult:
    """The result of an input.

    Attributes:
        input: The input.
        outcomes: What came of its tensors.
        fingerprint: Its output, where that was asked for.
        seconds: The time it took, in seconds.
        error: Why it failed; None where it did not.
        skipped: Nothing was done, because the output was there.
        resumed: It came of an earlier run.
    """

    input: "Input"
    outcomes: tuple[Outcome, ...] = ()
    fingerprint: Fingerprint | None = None
    seconds: float = 0.0
    error: PoolnormError | None = None
    skipped: bool = False
    resumed: bool = False


@record
class InputState:
    """How far an input is that takes several stages.

    Attributes:
        input: The input.
        again: Its output may be there already, and is replaced then.
        tensor: Its only tensor, where that is done in parts.
        job: What runs that.
        parts: Those parts, in order.
        left: Parts of this stage that have not ended.
        statistics: The statistics of the parts that have, by their first samples.
        shapes: Shapes and dtypes of its tensors, where all inputs are one batch.
        steps: What its tensors are computed with.
        file: The unfinished output that the parts write to.
        began: When it began, by `time.perf_counter`.
    """

    input: "Input"
    again: bool
    tensor: "NpyTensor | None" = None
    job: "Job | BufferJob | None" = None
    parts: "list[Part]" = field(default_factory=list)
    left: int = 0
    statistics: dict[int, BatchStatistics] = field(default_factory=dict)
    shapes: tuple[BatchStatistics, ...] = ()
    steps: tuple[TrainingStep, ...] | None = None
    file: AtomicFile | None = None
    began: float = field(default_factory=time.perf_counter)


Next = tuple[list[Task], list[tuple[int, InputResult]]]
"""The tasks that can be begun now, and the inputs that have ended."""


class Stages:
    """Decides on the stages of inputs, and holds what lies between them.

    In parallel, large inputs are cut, unless there are so many that no worker is idle, and
    training takes two stages; so it does wherever all inputs are one batch.
    """

    def __init__(self, work: Work, total: int, *, parallel: bool) -> None:
        """Prepare for a run.

        Args:
            work: What is done.
            total: How many inputs there are.
            parallel: Several tasks may be under way at once.
        """
        self._cuts = parallel and total < _PLENTY
        self._work, self._total, self._parallel = work, total, parallel
        self._states: dict[int, InputState] = {}
        self._waiting: dict[int, tuple[BatchStatistics, ...]] = {}
        self._next_number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of unfinished outputs."""
        for state in self._states.values():
            if state.file is not None:
                state.file.discard()

    @property
    def are_one(self) -> bool:
        """Whether each input is done in one go, whatever it is."""
        job = self._work.job
        return not (self._cuts or job.is_synchronized or (job.is_sequential and self._parallel))

    def begin(self, number: int, item: "Input", *, again: bool = False) -> Next:
        """Begin with an input.

        Args:
            number: Its place among all.
            item: The input.
            again: Its output may be there already, and is replaced then.

        Returns:
            Its first tasks, or its result if it cannot be read.
        """
        job, cut = self._work.job, None
        try:
            if self._cuts:
                from poolnorm_cli.batch.file_parts import parts_of

                cut = parts_of(self._work.reading, job, item)
        except PoolnormError as error:
            return [], [(number, InputResult(item, error=error))]
        if cut is None:
            if not (job.is_synchronized or (job.is_sequential and self._parallel)):
                return [Task(number, item, again=again)], []
            self._states[number] = InputState(item, again)
            return [Task(number, item, gathers=True)], []
        tensor, parts = cut
        own = job.job_of(tensor)
        state = self._states[number] = InputState(item, again, tensor, own, parts)
        if not own.plan_for(tensor).statistics_axes:
            return self._on_statistics(number, (BatchStatistics(tensor.shape, tensor.dtype.name),))
        state.left = len(state.parts)
        return [Task(number, item, gathers=True, part=part) for part in state.parts], []

    def on_result(self, task: Task, result: Result) -> Next:
        """Go on with an input after one of its tasks.

        Args:
            task: The task.
            result: What came of it.

        Returns:
            The tasks that can be begun now, of this input and others, and the results of those
            inputs that have ended.
        """
        number, state = task.number, self._states.get(task.number)
        if state is None:
            more = result.outcomes, result.fingerprint, result.seconds, result.error
            # A part is of an input that has failed already.
            return [], [(number, InputResult(task.input, *more))] if task.part is None else []
        if result.error is not None:
            return [], [(number, self._failed(number, result.error))]
        if task.part is None:
            return self._on_whole(task, result)
        state.left -= 1
        if task.gathers:
            state.statistics[task.part.start] = result.statistics[0]
        return ([], []) if state.left else self._on_last_part(task)

    def _on_last_part(self, task: Task) -> Next:
        number, state = task.number, self._states[task.number]
        try:
            return self._merge(number, state) if task.gathers else self._finish(number, state)
        except PoolnormError as error:
            return [], [(number, self._failed(number, error))]

    def _on_whole(self, task: Task, result: Result) -> Next:
        if task.gathers:
            return self._on_statistics(task.number, result.statistics)
        state = self._states.pop(task.number)
        seconds = time.perf_counter() - state.began
        ended = InputResult(state.input, result.outcomes, result.fingerprint, seconds)
        return [], [(task.number, ended)]

    def _merge(self, number: int, state: InputState) -> Next:
        """Merge the statistics of all parts."""
        from poolnorm_cli.kernels.moments import merge, tree_reduce

        parts = [state.statistics[part.start] for part in state.parts]
        moments = [part.moments for part in parts if part.moments is not None]
        whole = tree_reduce(merge, moments, moments[0])
        return self._on_statistics(number, (replace(parts[0], moments=whole),))

    def _on_statistics(self, number: int, statistics: tuple[BatchStatistics, ...]) -> Next:
        """Go on to the outputs, in the order of the inputs where they change the weights."""
        job = self._work.job
        if not job.is_sequential:
            return self._begin_output(number, statistics)
        self._waiting[number] = statistics
        tasks, results = [], []
        while self._next_number in self._waiting:
            go_on = self._accumulate if job.is_synchronized else self._begin_output
            more, ended = go_on(self._next_number, self._waiting.pop(self._next_number))
            tasks += more
            results += ended
            self._next_number += 1
        return tasks, results

    def _accumulate(self, number: int, statistics: tuple[BatchStatistics, ...]) -> Next:
        """Add an input to the one batch of all; with the last one, the outputs can begin."""
        try:
            for each in statistics:
                self._work.job.accumulate(each)
        except PoolnormError as error:
            return [], [(number, self._failed(number, error))]
        self._states[number].shapes = tuple(replace(each, moments=None) for each in statistics)
        if number + 1 < self._total:
            return [], []
        states = list(self._states.items())
        begun = [self._begin_output(each, state.shapes) for each, state in states]
        return [t for tasks, _ in begun for t in tasks], [r for _, ended in begun for r in ended]

    def _begin_output(self, number: int, statistics: tuple[BatchStatistics, ...]) -> Next:
        """Return the tasks that write the output."""
        state = self._states[number]
        try:
            job = state.job or self._work.job
            state.steps = tuple(job.apply_step(each) for each in statistics)
            if state.tensor is None or state.job is None:
                return [Task(number, state.input, steps=state.steps, again=state.again)], []
            return self._open_shared(number, state, state.tensor, state.job), []
        except PoolnormError as error:
            return [], [(number, self._failed(number, error))]

    def _open_shared(
        self, number: int, state: InputState, tensor: "NpyTensor", job: "Job | BufferJob"
    ) -> list[Task]:
        """Open the file that all parts write to."""
        outputs, plan = self._work.outputs, job.plan_for(tensor)
        target, dtype = str(state.input.target), DTYPES[plan.result]
        header = build_header(plan.written_shape(unbatched=job.unbatched), descr_of(dtype))
        job.require_free_space(target, tensor)
        outputs.make_directory(target)
        overwrite = outputs.overwrite or state.again
        state.file = AtomicFile(target, overwrite=overwrite, shared=True, sync=outputs.sync)
        state.file.write(header)
        state.file.extend(len(header) + plan.output_bytes)
        state.left, name = len(state.parts), state.file.unfinished
        parts = (replace(part, file=name, offset=len(header)) for part in state.parts)
        return [Task(number, state.input, steps=state.steps, part=part) for part in parts]

    def _finish(self, number: int, state: InputState) -> Next:
        """Give the output its name: all parts are there."""
        assert state.file and state.tensor and state.job  # noqa: S101, PT018
        fingerprint = fingerprint_of(state.file) if self._work.checksums else None
        state.file.commit()
        del self._states[number]
        plan, target = state.job.plan_for(state.tensor), str(state.input.target)
        seconds = time.perf_counter() - state.began
        outcome = Outcome(
            input=state.tensor.name,
            output=target,
            input_shape=plan.shape,
            output_shape=plan.output_shape,
            input_dtype=plan.dtype,
            dtype=plan.result,
            seconds=seconds,
            penalties=penalties(plan.layer, state.steps[0].weights if state.steps else {}),
            unbatched=self._work.job.unbatched,
        )
        return [], [(number, InputResult(state.input, (outcome,), fingerprint, seconds))]

    def _failed(self, number: int, error: PoolnormError) -> InputResult:
        state = self._states.pop(number)
        if state.file is not None:
            with suppress(OSError):
                state.file.discard()
        item = state.input
        error = error if error.is_at(item.name, str(item.shown_target)) else error.within(item.name)
        return InputResult(item, error=error)
