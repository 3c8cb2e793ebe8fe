"""What to type so that pip installs an extra, in the form that works for how this was installed.

From an index that is `pip install 'poolnorm-cli[cpu]'`. What was installed from a clone, a file or
a repository need not be on any index: then pip is told that place again. Nothing here is imported
before somebody lacks a package.
"""

import os
from functools import cache
from typing import Any


DISTRIBUTION = "poolnorm-cli"


def pip_install(extra: str) -> str:
    """Return the command that installs an extra of this program.

    Args:
        extra: Its name, as `cpu`.

    Returns:
        The command, for a shell.
    """
    return f"pip install {_word(extra)}"


def pip_reinstall() -> str:
    """Return the command that installs this program once more, and nothing that it needs."""
    return f"pip install --force-reinstall --no-deps {_word('')}"


def _word(extra: str) -> str:
    """Return what pip is to install, quoted."""
    from shlex import quote

    brackets = f"[{extra}]" if extra else ""
    url, editable = origin()
    path = _local(url)
    if path is None:
        name = f"{DISTRIBUTION}{brackets}"
        return f"'{name} @ {url}'" if url else f"'{name}'" if extra else name
    return f"{'-e ' if editable else ''}{quote(f'{path}{brackets}')}"


def _local(url: str) -> str | None:
    """Return the directory or file here that a URL names; None for any other."""
    from urllib.parse import unquote

    return unquote(url.removeprefix("file://")) if url.startswith("file://") else None


@cache
def origin() -> tuple[str, bool]:
    """Return where this program was installed from, and whether it is used in place.

    Returns:
        The URL of a directory, a file or a repository, empty for an index; as PEP 610 has it.
    """
    from importlib import metadata

    try:
        told = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        above = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
        return f"file://{above}", True
    return _read(told) if told else ("", False)


def _read(told: str) -> tuple[str, bool]:
    import json

    try:
        document: dict[str, Any] = json.loads(told)
        url = str(document["url"])
        if vcs := document.get("vcs_info"):
            return f"{vcs['vcs']}+{url}@{vcs['commit_id']}", False
        path = _local(url)
        if path is not None and not os.path.exists(path):  # noqa: PTH110 - a text
            return "", False
        return url, bool(document.get("dir_info", {}).get("editable"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", False
