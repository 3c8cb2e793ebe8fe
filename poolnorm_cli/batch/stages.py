"""The stages of each input: in one go, or statistics first and outputs after, whole or in parts."""

import time
from contextlib import suppress
from dataclasses import field, replace
from typing import TYPE_CHECKING, Self

from poolnorm_cli.batch.fingerprints import Fingerprint, fingerprint_of
from poolnorm_cli.batch.tasks import Result, Task, Work
from poolnorm_cli.engine.outcome import Outcome
from poolnorm_cli.engine.training import BatchStatistics, TrainingStep
from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.kernels.moments import merge, tree_reduce
from poolnorm_cli.layers.keras.penalties import penalties
from poolnorm_cli.tensors.atomic import AtomicFile
from poolnorm_cli.tensors.dtypes import DTYPES, descr_of
from poolnorm_cli.tensors.header import build_header
from poolnorm_cli.values import frozen, record


if TYPE_CHECKING:
    from types import TracebackType

    from poolnorm_cli.batch.file_parts import Part
    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.tensors.npy import NpyTensor


_PLENTY = 1000
"""Items that keep all workers busy as they are: to ask for the size of each takes longer."""


@frozen
class InputResult:
    """What came of an item in the end.

    Attributes:
        item: The item.
        outcomes: What came of its tensors.
        fingerprint: Its output, where that was asked for.
        seconds: The time it took.
        error: Why it failed; None where it did not.
        skipped: Nothing was done, because the output was there.
        resumed: It came of an earlier run.
    """

    item: "Input"
    outcomes: tuple[Outcome, ...] = ()
    fingerprint: Fingerprint | None = None
    seconds: float = 0.0
    error: PoolnormError | None = None
    skipped: bool = False
    resumed: bool = False


@record
class InputState:
    """How far an input is that takes several stages."""

    item: "Input"
    again: bool
    tensor: "NpyTensor | None" = None
    parts: "list[Part]" = field(default_factory=list)
    left: int = 0
    gathered: dict[int, BatchStatistics] = field(default_factory=dict)
    kept: tuple[BatchStatistics, ...] = ()
    steps: tuple[TrainingStep, ...] | None = None
    file: AtomicFile | None = None
    began: float = field(default_factory=time.perf_counter)


Next = tuple[list[Task], list[tuple[int, InputResult]]]
"""The tasks that can be begun now, and the inputs that have ended."""


class Stages:
    """Decides on the steps of inputs, and holds what lies between them."""

    def __init__(self, work: Work, total: int, *, parallel: bool) -> None:
        """Prepare for a run of `total` inputs.

        In parallel, large inputs are cut, unless there are so many that no worker is idle, and
        training takes two steps; so it does wherever all inputs are one batch.
        """
        self._cuts = parallel and total < _PLENTY
        self._work, self._total, self._parallel = work, total, parallel
        self._states: dict[int, InputState] = {}
        self._waiting: dict[int, tuple[BatchStatistics, ...]] = {}
        self._turn = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        """Let go of unfinished outputs."""
        for state in self._states.values():
            if state.file is not None:
                state.file.discard()

    def begin(self, number: int, item: "Input", *, again: bool = False) -> Next:
        """Return the first step of an item; `again` says that its output may be replaced."""
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
        state = self._states[number] = InputState(item, again, *cut)
        if not job.plan_for(cut[0]).statistics_axes:
            return self._gathered(number, (BatchStatistics(cut[0].shape, cut[0].dtype.name),))
        state.left = len(state.parts)
        return [Task(number, item, gathers=True, part=part) for part in state.parts], []

    def on_result(self, task: Task, result: Result) -> Next:
        """Return what follows from a result."""
        number, state = task.number, self._states.get(task.number)
        if state is None:
            ending = InputResult(
                task.item, result.outcomes, result.fingerprint, result.seconds, result.error
            )
            # A part is of an item that has failed already.
            return [], [(number, ending)] if task.part is None else []
        if result.error is not None:
            return [], [(number, self._failed(number, result.error))]
        if task.part is None:
            return self._on_whole(task, result)
        state.left -= 1
        if task.gathers:
            state.gathered[task.part.start] = result.gathered[0]
        return ([], []) if state.left else self._on_last_part(task)

    def _on_last_part(self, task: Task) -> Next:
        """Go on with an item of which the last part has been heard."""
        number, state = task.number, self._states[task.number]
        try:
            return self._folded(number, state) if task.gathers else self._finished(number, state)
        except PoolnormError as error:
            return [], [(number, self._failed(number, error))]

    def _on_whole(self, task: Task, result: Result) -> Next:
        if task.gathers:
            return self._gathered(task.number, result.gathered)
        state = self._states.pop(task.number)
        seconds = time.perf_counter() - state.began
        ending = InputResult(state.item, result.outcomes, result.fingerprint, seconds)
        return [], [(task.number, ending)]

    def _folded(self, number: int, state: InputState) -> Next:
        """Put the statistics of all parts together."""
        parts = [state.gathered[part.start] for part in state.parts]
        moments = [part.moments for part in parts if part.moments is not None]
        whole = tree_reduce(merge, moments, moments[0])
        return self._gathered(number, (replace(parts[0], moments=whole),))

    def _gathered(self, number: int, gathered: tuple[BatchStatistics, ...]) -> Next:
        """Give steps, in the order of the inputs where they move the weights."""
        job = self._work.job
        if not job.is_sequential:
            return self._take(number, gathered)
        self._waiting[number] = gathered
        tasks, endings = [], []
        while self._turn in self._waiting:
            in_turn = self._join if job.is_synchronized else self._take
            more, ended = in_turn(self._turn, self._waiting.pop(self._turn))
            tasks += more
            endings += ended
            self._turn += 1
        return tasks, endings

    def _join(self, number: int, gathered: tuple[BatchStatistics, ...]) -> Next:
        """Add an item to the one batch of all; with the last one, the outputs can begin."""
        try:
            for each in gathered:
                self._work.job.accumulate(each)
        except PoolnormError as error:
            return [], [(number, self._failed(number, self._told(number, error)))]
        self._states[number].kept = tuple(replace(each, moments=None) for each in gathered)
        if number + 1 < self._total:
            return [], []
        steps = [self._take(each, state.kept) for each, state in list(self._states.items())]
        return [t for tasks, _ in steps for t in tasks], [e for _, ended in steps for e in ended]

    def _told(self, number: int, error: PoolnormError) -> PoolnormError:
        """Put the name of an item in front of an error, unless it is there."""
        item = self._states[number].item
        return error if error.is_at(item.name, str(item.place)) else error.within(item.name)

    def _take(self, number: int, gathered: tuple[BatchStatistics, ...]) -> Next:
        """Return the steps that write the output."""
        state = self._states[number]
        try:
            state.steps = tuple(self._work.job.apply_step(each) for each in gathered)
            if state.tensor is None:
                return [Task(number, state.item, steps=state.steps, again=state.again)], []
            return self._opened(number, state, state.tensor), []
        except PoolnormError as error:
            return [], [(number, self._failed(number, self._told(number, error)))]

    def _opened(self, number: int, state: InputState, tensor: "NpyTensor") -> list[Task]:
        """Make the file that all parts write to."""
        outputs, run = self._work.outputs, self._work.job.plan_for(tensor)
        target, dtype = str(state.item.target), DTYPES[run.result]
        header = build_header(run.output_shape, descr_of(dtype))
        self._work.job.require_room(target, tensor)
        outputs.make_directory(target)
        overwrite = outputs.overwrite or state.again
        state.file = AtomicFile(target, overwrite=overwrite, shared=True, sync=outputs.sync)
        state.file.write(header)
        state.file.extend(len(header) + run.output_bytes)
        state.left, name = len(state.parts), state.file.unfinished
        parts = (replace(part, file=name, offset=len(header)) for part in state.parts)
        return [Task(number, state.item, steps=state.steps, part=part) for part in parts]

    def _finished(self, number: int, state: InputState) -> Next:
        """Give the output its name: all parts are there."""
        assert state.file is not None and state.tensor is not None  # noqa: S101, PT018
        fingerprint = fingerprint_of(state.file) if self._work.checksums else None
        state.file.commit()
        del self._states[number]
        run, target = self._work.job.plan_for(state.tensor), str(state.item.target)
        seconds = time.perf_counter() - state.began
        outcome = Outcome(
            input=state.tensor.name,
            output=target,
            input_shape=run.shape,
            output_shape=run.output_shape,
            input_dtype=run.dtype,
            dtype=run.result,
            seconds=seconds,
            penalties=penalties(run.layer, state.steps[0].weights if state.steps else {}),
        )
        return [], [(number, InputResult(state.item, (outcome,), fingerprint, seconds))]

    def _failed(self, number: int, error: PoolnormError) -> InputResult:
        state = self._states.pop(number)
        if state.file is not None:
            with suppress(OSError):
                state.file.discard()
        return InputResult(state.item, error=error)
