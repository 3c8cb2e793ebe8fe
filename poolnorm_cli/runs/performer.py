"""Tasks done in this process, the outputs of which are on the disk before they have their names.

To wait for the disk takes longer than to make a small file. So outputs are held back, whole and
without names, until there are many: then they are waited for together, get their names, and the
directories are waited for. Nothing is told of an output before that.
"""

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from poolnorm_cli.errors import OutputError, PoolnormError
from poolnorm_cli.runs.tasks import Result, Task, stored_at, stored_of
from poolnorm_cli.tensors.durable import sync_files, sync_folders
from poolnorm_cli.urls import is_url


if TYPE_CHECKING:
    from poolnorm_cli.runs.tasks import Work
    from poolnorm_cli.tensors.atomic import AtomicFile


Done = list[tuple[Task, Result]]

_MOST, _LEAST = 512, 8
"""Outputs that are held back, each of which is an open file."""
_SECONDS = 0.25
"""After which those that are held back get their names."""
_BYTES = 64 << 20


class Performer:
    """Does tasks one after another; what it returns has its name."""

    def __init__(self, work: "Work", *, safely: bool = False) -> None:
        """Prepare for the tasks of `work`.

        Args:
            work: What all tasks have in common.
            safely: Let no fault out: one input's are not the others'.
        """
        self._files: list[AtomicFile] = []
        self._held: list[tuple[Task, Result, AtomicFile | None]] = []
        self._bytes, self._since = 0, 0.0
        self._sync, self._checksums = work.plan.sync, work.checksums
        if self._sync or self._checksums:
            plan = replace(work.plan, sync=False, keep=self._files.append)
            work = replace(work, plan=plan)
        self._plan = work.plan
        self._perform = work.perform_safely if safely else work.perform
        self._most = _most() if self._sync else 1

    def perform(self, task: Task) -> Done:
        """Do a task, and return what is done now: this one, or several, or nothing yet."""
        result = self._perform(task)
        file = self._files.pop() if self._files else None
        try:
            result = self._known(task, result, file)
        except PoolnormError as error:
            result = replace(result, error=error)
        if file is None and not self._held:
            return [(task, result)]
        if not self._held:
            self._bytes, self._since = 0, time.monotonic()
        self._held.append((task, result, file))
        return self.settle() if result.error is not None or self._is_full(file) else []

    def settle(self) -> Done:
        """Give all outputs that are held back their names, and return their tasks, in order."""
        held, self._held = self._held, []
        if not held:
            return []
        lost = self._synced([file for _, _, file in held if file is not None])
        done = [(task, self._published(task, result, file, lost)) for task, result, file in held]
        if self._sync and lost is None:
            names = [
                str(file.path)
                for (_, result), (_, _, file) in zip(done, held, strict=True)
                if file is not None and result.error is None
            ]
            sync_folders(names)
        return done

    def discard(self) -> None:
        """Let the outputs go that have no names yet."""
        for file in (*self._files, *(file for _, _, file in self._held if file is not None)):
            file.discard()
        self._files.clear()
        self._held.clear()

    def _known(self, task: Task, result: Result, file: "AtomicFile | None") -> Result:
        """Add to a result what its output is known by, where that is wanted."""
        target = task.item.target
        if not self._checksums or target is None or result.error is not None or not result.outcomes:
            return result
        if file is not None:
            return replace(result, stored=stored_of(file))
        return replace(result, stored=stored_at(target)) if is_url(target) else result

    def _is_full(self, file: "AtomicFile | None") -> bool:
        if file is not None and self._sync:
            self._bytes += os.fstat(file.fileno()).st_size
        late = time.monotonic() - self._since > _SECONDS
        return len(self._held) >= self._most or self._bytes >= _BYTES or late

    def _synced(self, files: "list[AtomicFile]") -> OSError | None:
        """Have outputs on the disk; return what is the matter if they are not."""
        try:
            sync_files([file.fileno() for file in files] if self._sync else ())
        except OSError as error:
            return error
        return None

    def _published(
        self, task: Task, result: Result, file: "AtomicFile | None", lost: OSError | None
    ) -> Result:
        if file is None:
            return result
        try:
            if lost is not None or result.error is not None:
                file.discard()
                return result if lost is None else Result(error=file.failed(lost))
            file.publish()
        except OutputError as error:
            return Result(error=self._removed(task) or error)
        except PoolnormError as error:
            return Result(error=error)
        return result

    def _removed(self, task: Task) -> PoolnormError | None:
        """Return what tells of a directory that somebody has removed, if that is the matter."""
        try:
            self._plan.make_directory(str(task.item.target))
        except OutputError as error:
            return error
        return None


def _most() -> int:
    """Return how many files may be held open, of those that a process may have."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(min(_MOST, limit // 4), _LEAST) if limit > 0 else _MOST
