"""Where tasks are done: one after another here, or in several places at once."""

from collections import deque
from typing import TYPE_CHECKING, Protocol, Self

from poolnorm_cli.batch.group_commit import GroupCommit
from poolnorm_cli.batch.tasks import Result, Task


if TYPE_CHECKING:
    from types import TracebackType

    from poolnorm_cli.batch.tasks import Work


class Executor(Protocol):
    """Does tasks, and leaves nothing running behind."""

    parallel: bool
    """Several tasks may be under way at once."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        """Stop what is still under way."""

    def free(self) -> bool:
        """Whether one more task would not only wait."""

    def submit(self, task: Task) -> None:
        """Take a task."""

    def wait(self) -> list[tuple[Task, Result]]:
        """Return what has been done; nothing where none is under way, or more is waited for."""


class Serial:
    """Does one task at a time, in this process."""

    parallel = False

    def __init__(self, work: "Work") -> None:
        """Prepare to do the tasks of `work`."""
        self._performer = GroupCommit(work)
        self._tasks: deque[Task] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        self._tasks.clear()
        self._performer.discard()

    def free(self) -> bool:
        """Whether nothing waits."""
        return not self._tasks

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._tasks.append(task)

    def wait(self) -> list[tuple[Task, Result]]:
        """Do the task that waits; without one, end what is held back."""
        if not self._tasks:
            return self._performer.settle()
        return self._performer.perform(self._tasks.popleft())
