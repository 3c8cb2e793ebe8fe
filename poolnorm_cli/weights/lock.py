"""One process at a time from the reading of a file of weights to its replacement."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from poolnorm_cli.errors import InputError, OutputError


@contextmanager
def locked(file: str, waits: Callable[[], None]) -> Iterator[None]:
    """Hold the lock on a file that is going to be replaced.

    The lock is the kernel's (flock), on the file itself: it ends with the process, however that
    ends, and leaves nothing behind. Whoever waited for it finds that the file has been replaced
    meanwhile, and takes the lock on the new one.

    Args:
        file: The file, which must be there.
        waits: Called once if another process holds the lock.

    Raises:
        InputError: There is no such file.
        OutputError: The file system has no locks.
    """
    try:
        held = _held(file, waits)
    except FileNotFoundError:
        fix = "run once without --weights: that starts it"
        raise InputError(f"{file}: no such file", fix) from None
    except OSError as error:
        told = f"{file}: cannot be locked against other processes: {error.strerror}"
        raise OutputError(told, "keep it on a local file system, in a directory of yours") from None
    try:
        yield
    finally:
        os.close(held)


def _held(file: str, waits: Callable[[], None]) -> int:
    import fcntl

    told = False
    while True:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not told:
                    waits()
                told = True
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(descriptor), os.stat(file)):  # noqa: PTH116 - as fstat
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
