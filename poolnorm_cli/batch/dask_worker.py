"""What a worker on another machine does: the same tasks, their files named from the root."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from poolnorm_cli import __version__
from poolnorm_cli.batch.dask_memory import WorkerMemory, worker_memory
from poolnorm_cli.batch.group_commit import Done, GroupCommit
from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.batch.tasks import Result, Task, Work
from poolnorm_cli.values import frozen


@frozen
class Seen:
    """What a worker sees.

    Attributes:
        version: Its poolnorm.
        missing: The paths that it does not see.
        memory: Bytes that it has for tasks; None for any number.
    """

    version: str
    missing: tuple[str, ...]
    memory: int | None = None


def look(paths: Sequence[str], dask_worker: Any = None) -> Seen:
    """Say what is here; the cluster gives the worker to what has an argument of this name."""
    missing = tuple(path for path in paths if not os.path.exists(path))  # noqa: PTH110
    memory = worker_memory(None, dask_worker)
    return Seen(__version__, missing, memory.limit if memory else None)


def perform_all(work: Work, tasks: Sequence[Task]) -> list[Result]:
    """Do tasks one after another; another thread may be at others with the same work."""
    memory, job = worker_memory(work.job.memory), work.job
    own = replace(work, job=replace(job, state=replace(job.state), threads=1, limiter=memory))
    commits = GroupCommit(own, safely=True)
    done: Done = []
    try:
        for task in tasks:
            done += _perform(commits, task, memory)
        done += commits.flush()
    finally:
        commits.discard()
    return [result for _, result in done]


def _perform(commits: GroupCommit, task: Task, memory: WorkerMemory | None) -> Done:
    try:
        return commits.run(task)
    finally:
        if memory is not None:
            memory.release()


def work_abroad(work: Work) -> Work:
    """Return the work with its files named from the root."""
    job = work.job
    if job.mask is not None:
        job = replace(job, mask=replace(job.mask, word=rooted(job.mask.word)))
    return replace(work, job=job)


def task_abroad(task: Task) -> Task:
    """Return a task with its files named from the root.

    A cluster does a task again when it has lost the answer, so the output may be there already.
    """
    item = task.item
    target = None if item.target is None else rooted(item.target)
    part = task.part
    if part is not None and part.file is not None:
        part = replace(part, file=rooted(part.file))
    away = replace(item, word=rooted(item.word), target=target)
    return replace(task, item=away, part=part, again=True)


def result_home(result: Result, item: Input) -> Result:
    """Return a result with the names that the person gave."""
    word, target = rooted(item.word), rooted(item.target or ".")
    error = result.error
    if error is not None:
        error = error.renamed({target: item.target or target, word: item.word})
    outcomes = tuple(
        replace(outcome, input=outcome.input.replace(word, item.word, 1), output=item.place)
        for outcome in result.outcomes
    )
    return replace(result, error=error, outcomes=outcomes)


def rooted(path: str) -> str:
    """Name a file from the root; one in the cloud has its name already."""
    return path if "://" in path else os.path.abspath(path)  # noqa: PTH100 - keeps links
