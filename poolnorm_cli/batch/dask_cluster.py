"""A Dask cluster: its address, the connection to it, a local one, and what its workers see."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from multiprocessing import active_children
from multiprocessing.resource_tracker import ensure_running
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from poolnorm_cli.batch.dask_heartbeat import SILENCE, within
from poolnorm_cli.batch.dask_worker import WorkerInfo, absolute, probe
from poolnorm_cli.engine.memory_estimate import format_size
from poolnorm_cli.errors import UnavailableError, UsageError
from poolnorm_cli.packages import pip_install
from poolnorm_cli.tensors.atomic import PREFIX, SUFFIX
from poolnorm_cli.tensors.names import source_path


if TYPE_CHECKING:
    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.batch.tasks import Work


LOCAL = "local"
_PROTOCOLS = ("tcp", "tls", "ucx", "ws", "wss", "inproc")
_SAFE = ("tls", "wss", "inproc")
_ROUTES = ("distributed.scheduler.http.routes", "distributed.worker.http.routes")
_START = 60
"""Seconds for its processes to begin."""
_CLOSE = 5
"""Seconds for its workers to end."""
_CONNECT = 5
"""Seconds for the scheduler to answer."""
_WORKERS = 15
"""Seconds for a first worker to be there."""
_COPIES = 3
"""What there is of weights while they arrive: as sent, joined, and as arrays."""


def checked_address(address: str) -> str:
    """Return the address of a scheduler with its protocol.

    Raises:
        UsageError: It is not one.
    """
    protocol, marker, place = address.rpartition("://")
    host, colon, port = place.rpartition(":")
    if (marker and protocol not in _PROTOCOLS) or not (host and colon and port.isdecimal()):
        raise UsageError(
            f"--dask {address!r} is not the address of a scheduler",
            "give tcp://HOST:8786, tls://HOST:8786, or local",
        )
    return address if marker else f"tcp://{address}"


def insecure(address: str) -> bool:
    """Whether an address is without encryption; on the loopback other users of the machine are."""
    protocol, marker, _ = address.partition("://")
    return bool(marker) and protocol not in _SAFE


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect to a scheduler that has a worker, or start one of our own.

    Yields:
        The client of `distributed`.

    Raises:
        UnavailableError: There is no scheduler, no worker, or no `distributed`.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        fix = pip_install("dask")
        raise UnavailableError("--dask needs the package distributed", fix) from None
    _silence()
    _require_certificates(distributed, address)
    if address == LOCAL:
        with _local_cluster(distributed) as own, _client(distributed, own, address) as client:
            yield client
    else:
        with _client(distributed, address, address) as client:
            yield client


@contextmanager
def _client(distributed: Any, place: Any, address: str) -> Iterator[Any]:
    client = None
    try:
        try:
            more = {"timeout": _CONNECT, "set_as_default": False}
            # Its own limits do not hold where something takes connections and says nothing.
            client = within(2 * _CONNECT, lambda: distributed.Client(place, **more))
            within(_WORKERS + _CONNECT, partial(client.wait_for_workers, 1, timeout=_WORKERS))
        except (OSError, TimeoutError) as error:
            raise _unreachable(address, answers=client is not None) from error
        except Exception as error:  # whatever a server of another kind makes it stumble over
            what = f"what answers at {address} is not a Dask scheduler"
            raise UnavailableError(what, "give its own port, not that of its dashboard") from error
        yield client
    finally:
        if client is not None:
            with suppress(Exception):  # on the way out of a cluster that may be gone, or hang
                within(2 * _CONNECT, partial(client.close, timeout=_CONNECT))


def _require_certificates(distributed: Any, address: str) -> None:
    """Refuse a TLS address without certificates, which `distributed` only stumbles over.

    Raises:
        UnavailableError: There are none in the configuration of Dask.
    """
    if not address.startswith(("tls://", "wss://")):
        return
    names = [f"DASK_DISTRIBUTED__COMM__TLS__{name}" for name in ("CA_FILE", "CLIENT__CERT")]
    fix = f"set {names[0]} and {names[1]}"
    try:
        context = distributed.Security().get_connection_args("client")["ssl_context"]
    except OSError as error:  # SSLError is one
        what = f"the certificates for {address} cannot be read: {error.strerror or error}"
        raise UnavailableError(what, fix) from error
    if context is None:
        what = f"{address} takes certificates, and Dask's configuration has none"
        raise UnavailableError(what, fix)


def check_workers(client: Any, work: "Work", item: "Input") -> None:
    """Check that all workers run this program, see the files of an input, and can hold the weights.

    Args:
        client: The client of `distributed`.
        work: What is going to be done.
        item: The first input; its file and the directory of its output stand for the others.

    Raises:
        UnavailableError: One does not.
    """
    paths, marker = [absolute(source_path(item.word) or item.word)], None
    paths = [path for path in paths if Path(path).exists()]
    if item.target is not None and "://" not in item.target:
        work.outputs.make_directory(item.target)
        name = f"{PREFIX}{os.getpid()}-{os.urandom(8).hex()}{SUFFIX}"
        marker = Path(absolute(item.target)).parent / name
        paths.append(str(marker))
    try:
        if marker is not None:
            marker.touch()
        seen = within(SILENCE, lambda: client.run(probe, paths))
    except TimeoutError as error:
        what = f"a worker, or the Dask scheduler, has not answered for {SILENCE:.0f} seconds"
        raise UnavailableError(what, "restart those that hang") from error
    except OSError:
        raise
    except Exception as error:
        what = f"the workers cannot run poolnorm: {type(error).__name__}: {error}"
        raise UnavailableError(what, "install poolnorm-cli for every worker") from error
    finally:
        if marker is not None:
            marker.unlink(missing_ok=True)
    held = (part.state.weights or {} for part in work.job.parts)
    weights = sum(each.nbytes for weights in held for each in weights.values())
    for worker, each in seen.items():
        _check(worker, each)
        _check_memory(worker, each, weights)


def _check_memory(worker: str, seen: WorkerInfo, weights: int) -> None:
    """Refuse a worker that the weights alone would kill, as often as they are sent."""
    needed = _COPIES * weights
    if seen.memory is not None and needed > max(seen.memory, 0):
        has = format_size(max(seen.memory, 0))
        what = f"worker {worker} has {has} for tasks, and their weights need {format_size(needed)}"
        raise UnavailableError(what, "start workers with a larger --memory-limit")


def _check(worker: str, seen: WorkerInfo) -> None:
    from poolnorm_cli import __version__

    if seen.version != __version__:
        what = f"worker {worker} has poolnorm {seen.version}, this is {__version__}"
        raise UnavailableError(what, "install the same one for every worker")
    if seen.missing:
        what = f"worker {worker} does not see {seen.missing[0]}"
        fix = "give files on a file system that all workers share, under the same name"
        raise UnavailableError(what, fix)


def _unreachable(address: str, *, answers: bool) -> UnavailableError:
    if not answers:
        what = f"no Dask scheduler answers at {address}"
        return UnavailableError(what, "start one with: dask scheduler")
    what = f"no worker has joined the Dask scheduler at {address}"
    return UnavailableError(what, f"start one with: dask worker {address}")


def _silence() -> None:
    """Keep the cluster's log off standard error: errors are printed in one line."""
    import logging
    import warnings

    # Of large weights, which each task takes along.
    warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
    for name in [*logging.root.manager.loggerDict]:
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


@contextmanager
def _local_cluster(distributed: Any) -> Iterator[Any]:
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
        fix = pip_install("dask")
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
