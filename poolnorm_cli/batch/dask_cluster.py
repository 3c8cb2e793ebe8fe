"""The way to a Dask scheduler, and what its workers have to see."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poolnorm_cli.batch.dask_addresses import LOCAL
from poolnorm_cli.batch.dask_heartbeat import SILENCE, within
from poolnorm_cli.batch.dask_local_cluster import local_cluster
from poolnorm_cli.batch.dask_worker import Seen, look, rooted
from poolnorm_cli.engine.memory_estimate import format_size
from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.tensors.atomic import PREFIX, SUFFIX
from poolnorm_cli.tensors.names import source_path


if TYPE_CHECKING:
    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.batch.tasks import Work


_CONNECT = 5
"""Seconds for the scheduler to answer."""
_WORKERS = 15
"""Seconds for a first worker to be there."""
_COPIES = 3
"""What there is of weights while they arrive: as sent, joined, and as arrays."""


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
        fix = "pip install 'poolnorm-cli[dask]'"
        raise UnavailableError("--dask needs the package distributed", fix) from None
    _silence()
    _require_certificates(distributed, address)
    if address == LOCAL:
        with local_cluster(distributed) as own, _client(distributed, own, address) as client:
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
            told = f"what answers at {address} is no Dask scheduler"
            raise UnavailableError(told, "give its own port, not that of its dashboard") from error
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
        told = f"the certificates for {address} cannot be read: {error.strerror or error}"
        raise UnavailableError(told, fix) from error
    if context is None:
        told = f"{address} takes certificates, and Dask's configuration has none"
        raise UnavailableError(told, fix)


def probe(client: Any, work: "Work", item: "Input") -> None:
    """See that all workers run this program, see an item's files, and can hold the weights.

    Raises:
        UnavailableError: One does not.
    """
    paths, mark = [rooted(source_path(item.word) or item.word)], None
    paths = [path for path in paths if Path(path).exists()]
    if item.target is not None and "://" not in item.target:
        work.outputs.make_directory(item.target)
        name = f"{PREFIX}{os.getpid()}-{os.urandom(8).hex()}{SUFFIX}"
        mark = Path(rooted(item.target)).parent / name
        paths.append(str(mark))
    try:
        if mark is not None:
            mark.touch()
        seen = within(SILENCE, lambda: client.run(look, paths))
    except TimeoutError as error:
        told = f"a worker, or the Dask scheduler, has not answered for {SILENCE:.0f} seconds"
        raise UnavailableError(told, "start those that hang again") from error
    except OSError:
        raise
    except Exception as error:
        told = f"the workers cannot run poolnorm: {type(error).__name__}: {error}"
        raise UnavailableError(told, "install poolnorm-cli for every worker") from error
    finally:
        if mark is not None:
            mark.unlink(missing_ok=True)
    weights = sum(each.nbytes for each in (work.job.state.weights or {}).values())
    for worker, each in seen.items():
        _check(worker, each)
        _check_memory(worker, each, weights)


def _check_memory(worker: str, seen: Seen, weights: int) -> None:
    """Refuse a worker that the weights alone would kill, as often as they are sent."""
    needed = _COPIES * weights
    if seen.memory is not None and needed > max(seen.memory, 0):
        has = format_size(max(seen.memory, 0))
        told = f"worker {worker} has {has} for tasks, and their weights need {format_size(needed)}"
        raise UnavailableError(told, "start workers with a larger --memory-limit")


def _check(worker: str, seen: Seen) -> None:
    from poolnorm_cli import __version__

    if seen.version != __version__:
        told = f"worker {worker} has poolnorm {seen.version}, this is {__version__}"
        raise UnavailableError(told, "install the same one for every worker")
    if seen.missing:
        told = f"worker {worker} does not see {seen.missing[0]}"
        fix = "give files on a file system that all workers share, under the same name"
        raise UnavailableError(told, fix)


def _unreachable(address: str, *, answers: bool) -> UnavailableError:
    if not answers:
        told = f"no Dask scheduler answers at {address}"
        return UnavailableError(told, "start one with: dask scheduler")
    told = f"no worker came to the Dask scheduler at {address}"
    return UnavailableError(told, f"start one with: dask worker {address}")


def _silence() -> None:
    """Keep the cluster's log off standard error: what matters is told in one line."""
    import logging
    import warnings

    # Of large weights, which each task takes along.
    warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
    for name in [*logging.root.manager.loggerDict]:
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
