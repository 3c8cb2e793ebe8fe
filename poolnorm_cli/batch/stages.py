"""The steps of each item: in one go, or statistics first and outputs after, whole or in parts."""

import time
from contextlib import suppress
from dataclasses import field, replace
from typing import TYPE_CHECKING, Self

from poolnorm_cli.batch.tasks import Result, Stored, Task, Work, stored_of
from poolnorm_cli.engine.outcome import Outcome
from poolnorm_cli.engine.training import Gathered, Turn
from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.kernels.moments import fold_tree, merge
from poolnorm_cli.layers.keras.penalties import penalties
from poolnorm_cli.tensors.atomic import AtomicFile
from poolnorm_cli.tensors.dtypes import DTYPES, descr_of
from poolnorm_cli.tensors.header import build_header
from poolnorm_cli.values import frozen, record


if TYPE_CHECKING:
    from types import TracebackType

    from poolnorm_cli.batch.file_parts import Part
    from poolnorm_cli.batch.inputs import Item
    from poolnorm_cli.tensors.npy import NpyTensor


_PLENTY = 1000
"""Items that keep all workers busy as they are: to ask for the size of each takes longer."""


@frozen
class Ending:
    """What came of an item in the end.

    Attributes:
        item: The item.
        outcomes: What came of its tensors.
        stored: Its output, where that was asked for.
        seconds: The time it took.
        error: Why it failed; None where it did not.
        skipped: Nothing was done, because the output was there.
        resumed: It came of an earlier run.
    """

    item: "Item"
    outcomes: tuple[Outcome, ...] = ()
    stored: Stored | None = None
    seconds: float = 0.0
    error: PoolnormError | None = None
    skipped: bool = False
    resumed: bool = False


@record
class _Way:
    """How far an item is that takes several steps."""

    item: "Item"
    again: bool
    tensor: "NpyTensor | None" = None
    parts: "list[Part]" = field(default_factory=list)
    left: int = 0
    gathered: dict[int, Gathered] = field(default_factory=dict)
    kept: tuple[Gathered, ...] = ()
    turns: tuple[Turn, ...] | None = None
    file: AtomicFile | None = None
    began: float = field(default_factory=time.perf_counter)


Next = tuple[list[Task], list[tuple[int, Ending]]]
"""The tasks that can be begun now, and the items that have ended."""


class Steps:
    """Decides on the steps of items, and holds what lies between them."""

    def __init__(self, work: Work, total: int, *, parallel: bool) -> None:
        """Prepare for a run of `total` items.

        In parallel, large items are cut, unless there are so many that no worker is idle, and
        training takes two steps; so it does wherever all items are one batch.
        """
        self._cuts = parallel and total < _PLENTY
        self._work, self._total, self._parallel = work, total, parallel
        self._ways: dict[int, _Way] = {}
        self._waiting: dict[int, tuple[Gathered, ...]] = {}
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
        for way in self._ways.values():
            if way.file is not None:
                way.file.discard()

    def begin(self, number: int, item: "Item", *, again: bool = False) -> Next:
        """Return the first step of an item; `again` says that its output may be replaced."""
        job, cut = self._work.job, None
        try:
            if self._cuts:
                from poolnorm_cli.batch.file_parts import parts_of

                cut = parts_of(self._work.plan, job, item)
        except PoolnormError as error:
            return [], [(number, Ending(item, error=error))]
        if cut is None:
            if not (job.joins or (job.moves and self._parallel)):
                return [Task(number, item, again=again)], []
            self._ways[number] = _Way(item, again)
            return [Task(number, item, gathers=True)], []
        way = self._ways[number] = _Way(item, again, *cut)
        if not job.pass_over(cut[0]).gathers:
            return self._gathered(number, (Gathered(cut[0].shape, cut[0].dtype.name),))
        way.left = len(way.parts)
        return [Task(number, item, gathers=True, part=part) for part in way.parts], []

    def heard(self, task: Task, result: Result) -> Next:
        """Return what follows from a result."""
        number, way = task.number, self._ways.get(task.number)
        if way is None:
            ending = Ending(task.item, result.outcomes, result.stored, result.seconds, result.error)
            # A part is of an item that has failed already.
            return [], [(number, ending)] if task.part is None else []
        if result.error is not None:
            return [], [(number, self._failed(number, result.error))]
        if task.part is None:
            return self._heard_whole(task, result)
        way.left -= 1
        if task.gathers:
            way.gathered[task.part.start] = result.gathered[0]
        return ([], []) if way.left else self._all_heard(task)

    def _all_heard(self, task: Task) -> Next:
        """Go on with an item of which the last part has been heard."""
        number, way = task.number, self._ways[task.number]
        try:
            return self._folded(number, way) if task.gathers else self._finished(number, way)
        except PoolnormError as error:
            return [], [(number, self._failed(number, error))]

    def _heard_whole(self, task: Task, result: Result) -> Next:
        if task.gathers:
            return self._gathered(task.number, result.gathered)
        way = self._ways.pop(task.number)
        seconds = time.perf_counter() - way.began
        ending = Ending(way.item, result.outcomes, result.stored, seconds)
        return [], [(task.number, ending)]

    def _folded(self, number: int, way: _Way) -> Next:
        """Put the statistics of all parts together."""
        parts = [way.gathered[part.start] for part in way.parts]
        moments = [part.moments for part in parts if part.moments is not None]
        whole = fold_tree(merge, moments, moments[0])
        return self._gathered(number, (replace(parts[0], moments=whole),))

    def _gathered(self, number: int, gathered: tuple[Gathered, ...]) -> Next:
        """Give turns, in the order of the inputs where they move the weights."""
        job = self._work.job
        if not job.moves:
            return self._take(number, gathered)
        self._waiting[number] = gathered
        tasks, endings = [], []
        while self._turn in self._waiting:
            in_turn = self._join if job.joins else self._take
            more, ended = in_turn(self._turn, self._waiting.pop(self._turn))
            tasks += more
            endings += ended
            self._turn += 1
        return tasks, endings

    def _join(self, number: int, gathered: tuple[Gathered, ...]) -> Next:
        """Add an item to the one batch of all; with the last one, the outputs can begin."""
        try:
            for each in gathered:
                self._work.job.join(each)
        except PoolnormError as error:
            return [], [(number, self._failed(number, self._told(number, error)))]
        self._ways[number].kept = tuple(replace(each, moments=None) for each in gathered)
        if number + 1 < self._total:
            return [], []
        steps = [self._take(each, way.kept) for each, way in list(self._ways.items())]
        return [t for tasks, _ in steps for t in tasks], [e for _, ended in steps for e in ended]

    def _told(self, number: int, error: PoolnormError) -> PoolnormError:
        """Put the name of an item in front of an error, unless it is there."""
        item = self._ways[number].item
        told = error.what.startswith((item.name, str(item.place)))
        return error if told else error.within(item.name)

    def _take(self, number: int, gathered: tuple[Gathered, ...]) -> Next:
        """Return the steps that write the output."""
        way = self._ways[number]
        try:
            way.turns = tuple(self._work.job.take(each) for each in gathered)
            if way.tensor is None:
                return [Task(number, way.item, turns=way.turns, again=way.again)], []
            return self._opened(number, way, way.tensor), []
        except PoolnormError as error:
            return [], [(number, self._failed(number, self._told(number, error)))]

    def _opened(self, number: int, way: _Way, tensor: "NpyTensor") -> list[Task]:
        """Make the file that all parts write to."""
        plan, run = self._work.plan, self._work.job.pass_over(tensor)
        target, dtype = str(way.item.target), DTYPES[run.result]
        header = build_header(run.output_shape, descr_of(dtype))
        self._work.job.require_room(target, tensor)
        plan.make_directory(target)
        overwrite = plan.overwrite or way.again
        way.file = AtomicFile(target, overwrite=overwrite, shared=True, sync=plan.sync)
        way.file.write(header)
        way.file.extend(len(header) + run.output_bytes)
        way.left, name = len(way.parts), way.file.unfinished
        parts = (replace(part, file=name, offset=len(header)) for part in way.parts)
        return [Task(number, way.item, turns=way.turns, part=part) for part in parts]

    def _finished(self, number: int, way: _Way) -> Next:
        """Give the output its name: all parts are there."""
        assert way.file is not None and way.tensor is not None  # noqa: S101, PT018
        stored = stored_of(way.file) if self._work.checksums else None
        way.file.commit()
        del self._ways[number]
        run, target = self._work.job.pass_over(way.tensor), str(way.item.target)
        seconds = time.perf_counter() - way.began
        outcome = Outcome(
            input=way.tensor.name,
            output=target,
            input_shape=run.shape,
            output_shape=run.output_shape,
            input_dtype=run.dtype,
            dtype=run.result,
            seconds=seconds,
            penalties=penalties(run.layer, way.turns[0].weights if way.turns else {}),
        )
        return [], [(number, Ending(way.item, (outcome,), stored, seconds))]

    def _failed(self, number: int, error: PoolnormError) -> Ending:
        way = self._ways.pop(number)
        if way.file is not None:
            with suppress(OSError):
                way.file.discard()
        return Ending(way.item, error=error)
