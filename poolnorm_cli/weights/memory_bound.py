"""A bound on the memory of the process while a library reads a file that nobody vouches for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def bounded_memory(more: int) -> Iterator[None]:
    """Let the process take only `more` bytes meanwhile; whatever asks for more fails.

    A few altered bytes can make libhdf5 ask for gigabytes and clear them for minutes, in C, where
    no signal stops it. Systems that do not say how much a process has, or have no such limit, are
    left as they are.
    """
    bound = _taken() + more if os.path.exists("/proc/self/statm") else 0  # noqa: PTH110
    if not bound:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    least = bound if soft == resource.RLIM_INFINITY else min(bound, soft)
    resource.setrlimit(resource.RLIMIT_AS, (least, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _taken() -> int:
    """Count the bytes of address space that this process has."""
    pages = os.pread(_statm(os.getpid()), 64, 0).split()[0]
    return int(pages) * os.sysconf("SC_PAGESIZE")


@cache
def _statm(pid: int) -> int:
    """Open the kernel's account of this process, once."""
    del pid
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
