"""A Dask cluster of this run's own, which no other user of the machine can use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from multiprocessing import active_children
from multiprocessing.resource_tracker import ensure_running
from tempfile import TemporaryDirectory
from typing import Any

from poolnorm_cli.batch.dask_heartbeat import within
from poolnorm_cli.errors import UnavailableError


_ROUTES = ("distributed.scheduler.http.routes", "distributed.worker.http.routes")
_START = 60
"""Seconds for its processes to begin."""
_CLOSE = 5
"""Seconds for its workers to end."""


@contextmanager
def local_cluster(distributed: Any) -> Iterator[Any]:
    """Start a scheduler and a worker for each processor, on the loopback.

    Whoever reaches a scheduler can have it run code. So connections take a certificate, which is
    made for this run and is only in the memory of its processes; no page is served; and what
    workers write is in a directory that is only this user's.

    Args:
        distributed: The package.

    Yields:
        The cluster.

    Raises:
        UnavailableError: It cannot be started.
    """
    os.getcwd()  # noqa: PTH109 - processes cannot be started where it was removed
    try:
        security = distributed.Security.temporary()
    except ImportError:
        fix = "pip install 'poolnorm-cli[dask]'"
        raise UnavailableError("--dask local needs the package cryptography", fix) from None
    config = import_module("dask.config")
    with TemporaryDirectory(prefix="poolnorm-", ignore_cleanup_errors=True) as private:
        own: dict[str, Any] = {name: [] for name in _ROUTES} | {"temporary-directory": private}
        with config.set(own), _without_orphans():
            cluster = _started(distributed, security)
            try:
                yield cluster
            finally:
                with suppress(Exception):  # its processes may be gone, or hang
                    within(2 * _CLOSE, partial(cluster.close, timeout=_CLOSE))


@contextmanager
def _without_orphans() -> Iterator[None]:
    """Kill what has been started and has not ended, as where a start is interrupted."""
    others = set(active_children())
    try:
        yield
    finally:
        for each in set(active_children()) - others:
            each.kill()
            each.join()


def _started(distributed: Any, security: Any) -> Any:
    _start_tracker()
    make = partial(
        distributed.LocalCluster,
        host="127.0.0.1",
        protocol="tls://",
        security=security,
        threads_per_worker=1,
        scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        silence_logs=50,
    )
    try:
        return within(_START, make)
    except Exception as error:  # of its processes, of whatever kind
        raise UnavailableError(
            f"a local cluster cannot be started: {_reason(error)}",
            "give --jobs N instead of --dask local",
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"it takes more than {_START} seconds"
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return " ".join(f"{type(cause).__name__}: {cause}".split())


def _start_tracker() -> None:
    """Start the process with which `multiprocessing` keeps account, before it starts others.

    Else it would be started by the thread that starts them, and that unblocks interrupts there,
    which would reach them. It has nothing to say to a person when a run ends early.
    """
    name = "PYTHONWARNINGS"
    before = os.environ.get(name)
    os.environ[name] = "ignore"
    try:
        ensure_running()
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
