"""Files on web servers: read from beginning to end, with a time limit on every wait.

One request is made for each pass over a file, and no other: a presigned URL is good for `GET`
alone, and parts of a file are not asked for. The time that a server takes is counted only while it
is waited for.
"""

from __future__ import annotations

import asyncio
import re
import time
from html import unescape
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

from poolnorm_cli.errors import InputError
from poolnorm_cli.sizes import LARGEST_PAGE_BYTES, LEAST_BYTES_A_MINUTE, PIECE_BYTES
from poolnorm_cli.tensors.connectors import connector_errors, system_of
from poolnorm_cli.urls import is_hidden


if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


SILENCE = 30.0
"""Seconds that a server may say nothing, before its answer or in the middle of it."""
PATIENCE = 60.0
"""Seconds in which at least `LEAST_BYTES_A_MINUTE` bytes have to come."""
_AGAIN = "try again, or fetch it with a program that can wait and give the file"
_WHOLE = {"Accept-Encoding": "identity"}
_RESERVED = "%!#$&'()*+,/:;=?@[]~"
_GONE = (404, 410)
_MOST_LINKS = 1_000_000
_HREF = r"<a\s[^>]*?href\s*=\s*[\"']([^\"'>]+)"


class WebFile:
    """The answer to a request for what is at a URL.

    Attributes:
        size: Bytes that the server says will come; None where it does not say.
        version: The size, or 0, and a number that changes with what the server says of it.
        has_version: Whether it says anything of it, so that a change would be noticed.
    """

    def __init__(self, url: str) -> None:
        """Ask for what is there.

        Raises:
            InputError: The server refuses, or does not answer in time.
            FileNotFoundError: It says that there is nothing.
        """
        self._url, self._waited, self._came, self._counted = url, 0.0, 0, 0.0
        with connector_errors(InputError, url):
            system, _ = system_of(url)
            self._loop = system.loop
            self._answer = self._within(_asked(system, url))
        if self._answer.status in _GONE:
            self.close()
            raise FileNotFoundError(url)
        with connector_errors(InputError, url):
            self._answer.raise_for_status()
        headers = self._answer.headers
        length = headers.get("Content-Length", "")
        self.size = int(length) if length.isdecimal() else None
        said = [headers.get(name) for name in ("ETag", "Last-Modified")]
        self.has_version = any(said)
        self.version = self.size or 0, _number(said)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def readinto(self, view: memoryview) -> int:
        """Read the next bytes into a view, and return how many; 0 at the end.

        Raises:
            InputError: The connection is lost, or the server is silent or too slow.
        """
        with connector_errors(InputError, self._url):
            piece = self._within(self._answer.content.read(min(len(view), PIECE_BYTES)))
        view[: len(piece)] = piece
        self._came += len(piece)
        seconds = self._waited - self._counted
        if seconds >= PATIENCE:
            if self._came < LEAST_BYTES_A_MINUTE:
                reason = f"only {self._came} bytes came in {seconds:.0f} seconds"
                raise InputError.at(self._url, reason, _AGAIN)
            self._came, self._counted = 0, self._waited
        return len(piece)

    def close(self) -> None:
        """Close the connection."""
        self._loop.call_soon_threadsafe(self._answer.close)

    def _within(self, awaited: Any) -> Any:
        """Wait for a coroutine in the event loop of the connections, with a time limit."""
        asyn: Any = import_module("fsspec.asyn")
        began = time.monotonic()
        try:
            return asyn.sync(self._loop, asyncio.wait_for, awaited, SILENCE)
        except TimeoutError:
            reason = f"the server sent nothing for {SILENCE:.0f} seconds"
            raise InputError.at(self._url, reason, _AGAIN) from None
        finally:
            self._waited += time.monotonic() - began


def open_web(url: str) -> WebFile:
    """Ask for what is at a URL.

    Raises:
        InputError: There is nothing, or the server refuses, or does not answer in time.
    """
    try:
        return WebFile(url)
    except FileNotFoundError:
        raise InputError.at(url, "no such file", "check the name") from None


def list_web(url: str, *, recursive: bool) -> list[str]:
    """Return the URLs of what the page of a directory has links to, below it, sorted.

    Args:
        url: The page, with a slash at its end.
        recursive: Follow links to the pages of directories below.

    Returns:
        The URLs.

    Raises:
        InputError: A page cannot be read, is endless, or there is no end of pages.
    """
    found: set[str] = set()
    pages, known = [url], {url}
    while pages:
        page = pages.pop()
        for link in _links(page):
            if not link.startswith(url) or link in known or is_hidden(link.removeprefix(url)):
                continue
            known.add(link)
            if not link.endswith("/"):
                found.add(link)
            elif recursive:
                pages.append(link)
        if len(known) > _MOST_LINKS:
            what = f"links to more than {_MOST_LINKS} files"
            raise InputError.at(url, what, "name a directory below")
    return sorted(found)


def _links(page: str) -> list[str]:
    """Return the links of a page as absolute URLs without queries."""
    data = bytearray(LARGEST_PAGE_BYTES + 1)
    count = 0
    with open_web(page) as file:
        while count <= LARGEST_PAGE_BYTES and (more := file.readinto(memoryview(data)[count:])):
            count += more
    if count > LARGEST_PAGE_BYTES:
        what = f"more than {LARGEST_PAGE_BYTES} bytes, too many for the page of a directory"
        raise InputError.at(page, what, "name the files")
    text = data[:count].decode(errors="replace")
    hrefs = re.findall(_HREF, text, re.IGNORECASE)
    return [urljoin(page, unescape(href)).partition("#")[0].partition("?")[0] for href in hrefs]


async def _asked(system: Any, url: str) -> Any:
    session = await system.set_session()
    address = import_module("yarl").URL(quote(url, safe=_RESERVED), encoded=True)
    limit = import_module("aiohttp").ClientTimeout(total=None)
    return await session.get(address, headers=_WHOLE, timeout=limit)


def _number(version: list[str | None]) -> int:
    """Return a number that changes with the version."""
    import zlib

    return zlib.crc32(repr(version).encode())
