"""Tasks done in this process, the outputs of which are on the disk before they have their names.

Waiting for the disk takes longer than making a small file, so outputs are committed in groups, as
databases do it. While a thread syncs one group and gives its files their names, the next outputs
are written, whole and without names, and wait. A task is reported as done only when its output has
its name, and that name is on the disk.
"""

import os
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

from poolnorm_cli.batch.fingerprints import fingerprint_at, fingerprint_of
from poolnorm_cli.batch.tasks import Result, Task
from poolnorm_cli.errors import OutputError, PoolnormError
from poolnorm_cli.sizes import GROUP_COMMIT_BYTES
from poolnorm_cli.tensors.files import sync_directories, sync_file
from poolnorm_cli.urls import is_url
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from concurrent.futures import Executor as Threads, Future

    from poolnorm_cli.batch.tasks import Work
    from poolnorm_cli.tensors.atomic import AtomicFile


Done = list[tuple[Task, Result]]

_MOST_FILES, _FEWEST_FILES = 512, 8
"""Outputs that may be pending, each of which is an open file."""
_GROUP_FILES = 64
"""Outputs that make a group."""
_GROUP_SECONDS = 0.05
"""Seconds after which fewer do."""
_AT_ONCE = 16
"""Files that are synced at once: the file system writes them, and its log, together."""


class _Pending(NamedTuple):
    """A task that is done, and its output, which has no name yet."""

    task: Task
    result: Result
    file: "AtomicFile | None"


class GroupCommit:
    """Does tasks one after another; outputs of those that it returns have their names."""

    def __init__(self, work: "Work", *, safely: bool = False) -> None:
        """Prepare for the tasks of `work`.

        Args:
            work: What all tasks have in common.
            safely: Turn any exception into the result of its task, so that others go on.
        """
        self._files: list[AtomicFile] = []
        self._pending: list[_Pending] = []
        self._bytes, self._since = 0, 0.0
        self._group: Future[Done] | None = None
        self._threads: Threads | None = None
        self._sync, self._checksums = work.outputs.sync, work.checksums
        if self._sync or self._checksums:
            outputs = replace(work.outputs, sync=False, keep=self._files.append)
            work = replace(work, outputs=outputs)
        self._outputs = work.outputs
        self._run = work.run_safely if safely else work.run
        self._most = _most() if self._sync else 1

    def run(self, task: Task) -> Done:
        """Do a task, and return what is done now: this one, or several, or nothing yet."""
        result = self._run(task)
        file = self._files.pop() if self._files else None
        try:
            result = self._with_fingerprint(task, result, file)
        except PoolnormError as error:
            result = replace(result, error=error)
        if file is None and not self._pending and self._group is None:
            return [(task, result)]
        if not self._pending:
            self._bytes, self._since = 0, time.monotonic()
        self._pending.append(_Pending(task, result, file))
        if result.error is not None or not self._sync:
            return self.flush()
        if file is not None:
            self._bytes += os.fstat(file.fileno()).st_size
        return self._commit_if_due()

    def flush(self) -> Done:
        """Give all pending outputs their names, and return their tasks, in order."""
        done = self._finish_group()
        pending, self._pending = self._pending, []
        return [*done, *self._commit(pending)] if pending else done

    def discard(self) -> None:
        """Remove the outputs that have no names yet."""
        self._finish_group()
        for file in (*self._files, *(each.file for each in self._pending if each.file is not None)):
            file.discard()
        self._files.clear()
        self._pending.clear()
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    def _commit_if_due(self) -> Done:
        """Return the tasks committed by now, and commit the pending ones if that is due."""
        is_full = len(self._pending) >= self._most or self._bytes >= GROUP_COMMIT_BYTES
        group = self._group
        done = self._finish_group() if group is not None and (is_full or group.done()) else []
        late = time.monotonic() - self._since > _GROUP_SECONDS
        if self._group is None and (is_full or late or len(self._pending) >= _GROUP_FILES):
            pending, self._pending = self._pending, []
            self._group = self._pool().submit(self._commit, pending)
        return done

    def _finish_group(self) -> Done:
        """Wait for the group that is being committed."""
        group, self._group = self._group, None
        return group.result() if group is not None else []

    def _pool(self) -> "Threads":
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor

            self._threads = ThreadPoolExecutor(_AT_ONCE + 1)
        return self._threads

    def _commit(self, pending: list[_Pending]) -> Done:
        """Give outputs their names, once they are on the disk."""
        lost = self._synced([each.file for each in pending if each.file is not None])
        done = [(each.task, self._published(each, lost)) for each in pending]
        pairs = zip(pending, done, strict=True)
        new = [each.file for each, (_, result) in pairs if each.file and result.error is None]
        try:
            if self._sync:
                sync_directories([str(file.path) for file in new])
        except OSError as error:
            return [
                (each.task, Result(error=each.file.failed(error)) if each.file else each.result)
                for each in pending
            ]
        return done

    def _with_fingerprint(self, task: Task, result: Result, file: "AtomicFile | None") -> Result:
        """Add the fingerprint of its output to a result, where that is wanted."""
        target = task.input.target
        if not self._checksums or target is None or result.error is not None or not result.outcomes:
            return result
        if file is not None:
            return replace(result, fingerprint=fingerprint_of(file))
        return replace(result, fingerprint=fingerprint_at(target)) if is_url(target) else result

    def _synced(self, files: "list[AtomicFile]") -> OSError | None:
        """Sync outputs to the disk; return the error if that fails."""
        fds = [file.fileno() for file in files] if self._sync else []
        try:
            if len(fds) > 1:
                parts = [fds[start::_AT_ONCE] for start in range(min(_AT_ONCE, len(fds)))]
                list(self._pool().map(_sync, parts))
            else:
                _sync(fds)
        except OSError as error:
            return error
        return None

    def _published(self, pending: _Pending, lost: OSError | None) -> Result:
        file, result = pending.file, pending.result
        if file is None:
            return result
        try:
            if lost is not None or result.error is not None:
                file.discard()
                return result if lost is None else Result(error=file.failed(lost))
            file.publish()
        except OutputError as error:
            return Result(error=self._removed(pending.task) or error)
        except PoolnormError as error:
            return Result(error=error)
        return result

    def _removed(self, task: Task) -> PoolnormError | None:
        """Return the error for the directory of an output, if somebody has removed it."""
        try:
            self._outputs.make_directory(str(task.input.target))
        except OutputError as error:
            return error
        return None


class Serial:
    """Does one task at a time, in this process."""

    parallel = False
    by_number = None

    def __init__(self, work: "Work") -> None:
        """Prepare to do the tasks of `work`."""
        self._commits = GroupCommit(work)
        self._tasks: deque[Task] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tasks.clear()
        self._commits.discard()

    def free(self) -> bool:
        """Whether nothing waits."""
        return not self._tasks

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._tasks.append(task)

    def wait(self) -> list[tuple[Task, Result]]:
        """Do the waiting task; without one, commit what is pending."""
        if not self._tasks:
            return self._commits.flush()
        return self._commits.run(self._tasks.popleft())


def _sync(fds: Sequence[int]) -> None:
    for fd in fds:
        sync_file(fd)


def _most() -> int:
    """Return how many files may be open, of those that a process may have."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(min(_MOST_FILES, limit // 4), _FEWEST_FILES) if limit > 0 else _MOST_FILES
