"""URLs, and how they are shown: without passwords and without signatures in a query.

Names in errors, reports, journals and documents go through here. A word without `://` is returned
unchanged.
"""

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    import re


HIDDEN = "..."
"""What stands in place of a query."""
_WEB = ("http://", "https://")
_LOCAL = ("file", "local")
"""Schemes of files on this machine."""
_URL = r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+"
_TAIL = ":;,.)]}"
"""What may follow a URL in a sentence."""


def is_url(word: str) -> bool:
    """Whether a word names something on another machine, as `s3://bucket/x.npy`."""
    return "://" in word


def is_web(word: str) -> bool:
    """Whether a word is read by HTTP."""
    return word[:8].lower().startswith(_WEB)


def is_hidden(name: str) -> bool:
    """Whether a name below a directory is hidden, or in a hidden directory: both are left out."""
    return name.startswith(".") or "/." in name


def local_path(word: str) -> str | None:
    """Return the file on this machine that a word names, as `file:///tmp/x.npy`; None for others.

    Args:
        word: A path or a URL.
    """
    scheme, mark, rest = word.partition("://")
    if not mark:
        return word
    return rest if scheme.lower() in _LOCAL else None


def without_query(word: str) -> str:
    """Return a word without the query of a URL, such as the signature of a presigned one.

    In other places than the web a `?` may be a part of a name: only `?name=value` is a query there.
    """
    if "://" not in word:
        return word
    name, mark, query = word.partition("?")
    if is_web(word):
        return name.partition("#")[0]
    return name if mark and "=" in query else word


def redact_url(word: str) -> str:
    """Return a word as it may be shown: a URL without its user, password and query.

    `https://me:secret@host/x.npz?signature=1::a` is shown as `https://host/x.npz?...::a`.
    """
    if "://" not in word:
        return word
    plain = without_query(word)
    hidden = f"?{HIDDEN}" if plain != word else ""
    key = word.rpartition("::")[2] if hidden and "::" in word[len(plain) :] else None
    scheme, mark, rest = plain.partition("://")
    host, slash, path = rest.partition("/")
    port = host.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    if port and not port.isdecimal() and "@" in word:  # a password with a slash or a mark in it
        return f"{scheme}{mark}{HIDDEN}"
    shown = f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}{hidden}"
    return shown if key is None else f"{shown}::{key}"


def redact(text: str) -> str:
    """Return a text with every URL in it as it may be shown."""
    if "://" not in text:
        return text
    import re  # not worth its time at every start

    return re.sub(_URL, _shown, text)


def _shown(found: "re.Match[str]") -> str:
    word = found[0].rstrip(_TAIL)
    if word.endswith("?") and found[0].startswith(word + HIDDEN):
        word += HIDDEN  # it has been shown before
    return redact_url(word) + found[0][len(word) :]
