"""A worker process: it does what it is sent, and does not outlive its parent."""

import gc
import os
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from poolnorm_cli.backends import row_of
from poolnorm_cli.batch.answers import Kinds
from poolnorm_cli.batch.group_commit import Done, GroupCommit
from poolnorm_cli.batch.link import Link
from poolnorm_cli.batch.tasks import Task
from poolnorm_cli.errors import UnavailableError


if TYPE_CHECKING:
    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.batch.tasks import Work

_PATIENCE = 0.02
"""Seconds for which answers are kept back."""
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>


class Started(NamedTuple):
    """A worker that was started.

    Attributes:
        pid: Its process number.
        link: The socket to it.
        knows_inputs: It has the inputs, so that it can be told their numbers.
    """

    pid: int
    link: Link
    knows_inputs: bool


def start(work: "Work", others: Sequence[Link], inputs: "Sequence[Input]" = ()) -> Started:
    """Start a worker.

    On Linux it is a copy of this process, while that has one thread. A runtime's sessions and
    threads do not outlive such a copy, and macOS' frameworks do not bear it: then it is a new one.

    Args:
        work: What its tasks have in common.
        others: Sockets of other workers, which it must not keep open.
        inputs: The inputs, which only a copy of this process has.

    Returns:
        The worker.

    Raises:
        UnavailableError: There cannot be one more process, or one more open file.
    """
    threading = sys.modules.get("threading")  # nobody has begun a thread without it
    alone = threading is None or threading.active_count() == 1
    forks = sys.platform == "linux" and row_of(work.job.backend).survives_fork and alone
    try:
        ours, theirs = socket.socketpair()
        with theirs:
            link = Link(ours.detach())
            try:
                known = partial(serve, work, inputs=inputs)
                pid = _forked(known, theirs, [link, *others]) if forks else _spawned(theirs)
            except OSError:
                link.close()
                raise
    except OSError as error:
        what = f"a worker cannot be started: {error.strerror or error}"
        raise UnavailableError(what, "give a smaller --jobs") from error
    if not forks:
        with suppress(OSError):  # it has died, which its end of the socket will tell
            link.send(work)
    return Started(pid, link, forks)


def _forked(serves: Callable[[Link], None], theirs: socket.socket, others: Sequence[Link]) -> int:
    # A signal between the fork and the handlers of the child would run those of the parent.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {*_ENDING, signal.SIGINT})
    parent, prctl = os.getpid(), _prctl()
    try:
        with warnings.catch_warnings():
            # Threads of a BLAS that is never called make newer Pythons warn of the fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if not pid:
            _as_child(serves, theirs, others, parent, prctl)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return pid


def _as_child(
    serves: Callable[[Link], None],
    theirs: socket.socket,
    others: Sequence[Link],
    parent: int,
    prctl: Any,
) -> NoReturn:
    status = 1
    try:
        for other in others:
            other.close()
        _prepare(prctl, parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_ENDING, signal.SIGINT})
        link = Link(theirs.detach())  # held to the end: see `_end`
        serves(link)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(status)  # nothing of the parent is flushed or cleaned up twice


def _spawned(theirs: socket.socket) -> int:
    import subprocess

    # What is in the current directory is not to be imported, nor what PYTHONPATH has beyond ours.
    code = (
        "import sys; file, parent, *sys.path = sys.argv[1:]; "
        "from poolnorm_cli.batch.worker_process import main; main(int(file), int(parent))"
    )
    path = (each for each in sys.path if each)
    words = [str(theirs.fileno()), str(os.getpid()), *path]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # An interrupt from the keyboard reaches the child too, before it can say that it ignores them.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        child = subprocess.Popen(  # noqa: S603 - this program
            [sys.executable, "-P", *_flags(), "-c", code, *words],
            pass_fds=[theirs.fileno()],
            env=environment,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    child.returncode = 0  # the supervisor waits for it, not this object
    return child.pid


def _flags() -> list[str]:
    """Return the flags with which this Python was told to ignore things."""
    flags = {
        "-I": sys.flags.isolated,
        "-E": sys.flags.ignore_environment,
        "-s": sys.flags.no_user_site,
    }
    return [flag for flag, given in flags.items() if given]


def main(file: int, parent: int) -> None:
    """Be a worker in a process of its own.

    Args:
        file: Number of the socket to the parent.
        parent: Process number of the parent.
    """
    _prepare(_prctl(), parent)
    link = Link(file)
    with suppress(EOFError):
        serve(link.recv(), link)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def serve(work: "Work", link: Link, inputs: "Sequence[Input]" = ()) -> None:
    """Do the tasks that come, several to a message, until the other end closes.

    Answers to short tasks are sent together, so that the supervisor is not woken for each.

    Args:
        work: What the tasks have in common.
        link: The socket to the supervisor.
        inputs: The inputs: a number that comes is the task to do that one.
    """
    gc.freeze()  # modules are not garbage, and to look through them copies the pages they are on
    commits, kinds = GroupCommit(work, safely=True), Kinds()
    try:
        with suppress(EOFError, OSError):
            while True:
                asked: list[Task | int] = link.recv()
                results, sent = Done(), time.monotonic()
                for each in asked:
                    task = Task(each, inputs[each]) if isinstance(each, int) else each
                    results += commits.run(task)
                    if results and time.monotonic() - sent > _PATIENCE:
                        _answer(link, kinds, results)
                        results, sent = [], time.monotonic()
                if not link.poll():
                    results += commits.flush()
                if results:
                    _answer(link, kinds, results)
    finally:
        commits.discard()


def _answer(link: Link, kinds: Kinds, results: Done) -> None:
    """Send the seconds that a task took, and the answers, in order."""
    seconds = sum(result.seconds for _, result in results) / len(results)
    link.send((seconds, [kinds.answer(task.input, result) for task, result in results]))


_ENDING = (signal.SIGTERM, signal.SIGHUP)


def _prepare(prctl: Any, parent: int) -> None:
    """Leave interrupts to the parent, end cleanly when it says so, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    if prctl is not None:
        prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            raise SystemExit(1)


def _end(number: int, frame: Any) -> None:
    """Leave by an exception, so that an output that is half written is taken away.

    In the `__del__` of an object an exception is only complained of, and the worker would go on. So
    the socket, which has one, is not let go of while this is the handler.
    """
    del frame
    raise SystemExit(128 + number)


def _prctl() -> Any:
    """Return the system call, where there is one."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes

        return ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return None
