"""One name for a file, however it is called: by its real directory, or by its normalised URL."""

from __future__ import annotations

import os
import posixpath
from contextlib import suppress
from typing import TYPE_CHECKING

from poolnorm_cli.tensors.atomic import PREFIX, SUFFIX
from poolnorm_cli.urls import is_url, local_path


if TYPE_CHECKING:
    from collections.abc import Iterable


_SCHEMES = {"gcs": "gs", "s3a": "s3", "s3n": "s3"}
_PORTS = {"http": ":80", "https": ":443"}
_MOST_ENTRIES = 64
"""Entries of a directory among which one with letters in its name is looked for."""


class RealNames:
    """Real names of many files, each directory among them looked up once."""

    def __init__(self) -> None:
        """Begin with no directory."""
        self._directories: dict[str, str] = {}

    def of_all(self, words: Iterable[str]) -> list[str]:
        """Return the names of many files, as `of`."""
        known, names = self._directories, list[str]()
        for word in words:
            place = word.rfind("/") + 1
            real = known.get(word[:place])  # where it is one of a URL, it is not known
            if real is None or word[place : place + 1] in ("", "."):
                names.append(self.of(word))
            else:
                names.append(real + word[place:])
        return names

    def of(self, word: str) -> str:
        """Return the name from the root, links among its directories followed.

        A link at the end is not followed: it is what a new file of this name would replace.
        """
        if is_url(word):
            path = local_path(word)
            return _url_name(word) if path is None else self.of(path)
        place = word.rfind("/") + 1
        name, directory = word[place:], word[:place]
        if name in ("", ".", ".."):
            return _real(word)
        real = self._directories.get(directory)
        if real is None:
            real = self._directories[directory] = f"{_real(directory or '.').rstrip('/')}/"
        return real + name


def differing_in_case(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of names that are one file on a case-insensitive file system.

    Args:
        names: Real names, all of them different.

    Returns:
        Pairs that differ in nothing else, and name one file in the directory where they do.
    """
    known = list(names)
    joined = "\0".join(known)
    if joined.isascii() and joined == joined.lower():
        return []
    folded = joined.casefold().split("\0")
    if len(folded) != len(known) or not all(map(str.isascii, folded)):
        from unicodedata import normalize

        folded = [normalize("NFC", name).casefold() for name in known]
    if len(set(folded)) == len(folded):
        return []
    first: dict[str, str] = {}
    pairs = []
    for name, fold in zip(known, folded, strict=True):
        other = first.setdefault(fold, name)
        if other == name or is_url(name):
            continue
        if _is_case_insensitive(os.path.commonpath([other, name])):
            pairs.append((other, name))
    return pairs


def _is_case_insensitive(directory: str) -> bool:
    """Whether a directory, or its first existing parent, is case-insensitive."""
    while not os.path.isdir(directory):  # noqa: PTH112 - text, as everywhere here
        directory = os.path.dirname(directory.rstrip("/")) or "/"  # noqa: PTH120 - as above
    with suppress(OSError), os.scandir(directory) as entries:
        for entry, _ in zip(entries, range(_MOST_ENTRIES), strict=False):
            if entry.name != entry.name.swapcase():
                return _same(entry.path, f"{directory}/{entry.name.swapcase()}")
    probe = f"{directory}/{PREFIX}{os.getpid()}-{os.urandom(8).hex()}{SUFFIX}"
    with suppress(OSError):
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            return _same(probe, probe.upper().replace(directory.upper(), directory, 1))
        finally:
            os.unlink(probe)  # noqa: PTH108 - as above
    return False


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except OSError:
        return False


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # a name with a NUL in it, which opening it will tell
        return path


def _url_name(url: str) -> str:
    """Return a URL with scheme and host in lower case, and its path normalized."""
    from urllib.parse import unquote

    scheme, _, rest = url.partition("://")
    scheme = _SCHEMES.get(scheme.lower(), scheme.lower())
    host, _, path = rest.partition("/")
    host = host.rpartition("@")[2].lower().removesuffix(_PORTS.get(scheme, "\0"))
    return f"{scheme}://{host}{posixpath.normpath('/' + unquote(path).lstrip('/'))}"
