"""The packages that access the file systems behind URLs, and their errors in one line."""

from __future__ import annotations

import logging
import socket
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from poolnorm_cli.errors import PoolnormError, UnavailableError, shown
from poolnorm_cli.packages import pip_install


if TYPE_CHECKING:
    from collections.abc import Iterator


_CONNECTORS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp"}
_GOOGLE = ("gs", "gcs")
_GOOGLE_URL = "https://storage.googleapis.com"
_CONNECT = 5
"""Seconds for a store to be reached."""
_GONE = (404, 410)
_FIX = "check the name, and who may use it"


def system_of(url: str) -> tuple[Any, str]:
    """Return the file system for a URL, and the name of the file in it.

    Raises:
        UnavailableError: The package for such URLs is not installed.
        OSError: The store does not answer.
    """
    scheme = url.partition("://")[0]
    try:
        core: Any = import_module("fsspec.core")
        if connector := _CONNECTORS.get(scheme):
            import_module(connector)
    except ImportError:
        package = _CONNECTORS.get(scheme, "fsspec")
        needs = f"{scheme}:// needs the package {package}"
        raise UnavailableError.at(url, needs, pip_install("cloud")) from None
    system, path = core.url_to_fs(url, use_listings_cache=False)
    if scheme in _GOOGLE:
        _require_answer(getattr(system, "_location", None) or _GOOGLE_URL)
    return system, path


@cache
def _require_answer(address: str) -> None:
    """Try to connect once: Google's package retries for half a minute and logs every attempt.

    Raises:
        OSError: Nobody is there.
    """
    for name in ("gcsfs", "google.auth"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    place = urlsplit(address)
    if getproxies() or place.hostname is None:
        return
    port = place.port or (80 if place.scheme == "http" else 443)
    try:
        socket.create_connection((place.hostname, port), timeout=_CONNECT).close()
    except OSError as error:
        raise _UnansweredError(place.hostname, port) from error


class _UnansweredError(OSError):
    """No server answers at an address."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self.host, self.port = host, port


@contextmanager
def connector_errors(kind: type[PoolnormError], url: str) -> Iterator[None]:
    """Turn the errors of a connector into one of ours; they share no class of errors.

    Args:
        kind: The class of ours.
        url: What is worked on.

    Yields:
        Nothing.

    Raises:
        PoolnormError: Of that class, with what the connector says in one line.
    """
    try:
        yield
    except PoolnormError:
        raise
    except NotImplementedError:
        raise kind.at(
            url, "nothing can be written there", "write to a file, s3:// or gs://"
        ) from None
    except Exception as error:
        reason, fix = _reason(_cause_of(error))
        raise kind.at(url, reason, fix) from error


def is_missing(error: BaseException) -> bool:
    """Whether a connector knows that there is no file, rather than that it could not ask."""
    return isinstance(_cause_of(error), FileNotFoundError)


def _cause_of(error: BaseException) -> BaseException:
    """Return the error behind a connector's FileNotFoundError, which may be a failed connection."""
    cause = error.__cause__
    while isinstance(error, FileNotFoundError) and isinstance(cause, Exception):
        if getattr(cause, "status", None) in _GONE:
            return error
        error, cause = cause, cause.__cause__
    return error


def _reason(error: BaseException) -> tuple[str, str]:
    """Return what is wrong, and what to do."""
    if isinstance(error, FileNotFoundError):
        return "no such file", "check the name"
    if type(error).__name__ == "TooManyRedirects":
        return "redirected from place to place", "check the address"
    if type(error).__name__ in ("ClientPayloadError", "ServerDisconnectedError"):
        return "the connection was lost before all had come", "try again"
    if isinstance(error, OSError) and hasattr(error, "host") and hasattr(error, "port"):
        return f"cannot connect to {error.host}:{error.port}", "check the address, or try again"
    return shown(" ".join(str(error).split()) or type(error).__name__, 80), _FIX
