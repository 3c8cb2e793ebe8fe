"""The names of output files, made from those of their inputs."""

from __future__ import annotations

import re
from pathlib import Path

from poolnorm_cli.errors import UsageError, shown
from poolnorm_cli.tensors.formats import NPY


DEFAULT_TEMPLATE = "{name}"
_FIELDS = ("stem", "ext", "name", "parent", "index", "key", "op")
_FIELD = r"\{([^{}]*)\}"
_PLAIN = "a file name in which these may stand: " + " ".join(f"{{{field}}}" for field in _FIELDS)


def output_path(
    directory: Path,
    template: str,
    source: Path | None,
    *,
    op: str,
    index: int,
    key: str | None = None,
) -> Path:
    """Return the file in `directory` that the result for an input goes to.

    Args:
        directory: Where outputs go; the path returned is inside it.
        template: The name, with fields in braces: `{stem}` and `{ext}` and both as `{name}`,
            `{parent}` (the name of the input's directory), `{index}`, `{key}` and `{op}`.
        source: The input file, or None for an array on standard input, which is called
            `stdin_INDEX.npy`.
        op: The layer, such as `maxpool`.
        index: The position of the input among all.
        key: The array inside a `.npz`, which is no path: what could make one of it, or cannot be
            printed, becomes an underscore; empty without.

    Returns:
        The path.

    Raises:
        UsageError: The template has an unknown field or leads out of the directory.
    """
    given = Path(f"stdin_{index}{NPY.suffix}") if source is None else source
    values = {
        "stem": given.stem,
        "ext": given.suffix,
        "name": given.name,
        "parent": given.absolute().parent.name if source is not None else "",
        "index": str(index),
        "key": _no_path(key or ""),
        "op": op,
    }
    literals = re.sub(_FIELD, lambda match: _known(match, values) and "", template)
    if "{" in literals or "}" in literals:
        raise UsageError.at(shown(template), "a brace without its partner", f"give {_PLAIN}")
    return directory / _inside(re.sub(_FIELD, lambda match: values[match[1]], template), template)


def _no_path(key: str) -> str:
    """Return a key as a part of a file's name."""
    word = "".join("_" if char in "/\\" or not char.isprintable() else char for char in key)
    return word if word.strip(".") else "_" * len(word)


def _known(match: re.Match[str], values: dict[str, str]) -> str:
    if match[1] not in values:
        what = f"no field {{{shown(match[1], 20)}}} in names of outputs"
        raise UsageError.at(shown(match.string, 40), what, f"there are {' '.join(_FIELDS)}")
    return values[match[1]]


def _inside(name: str, template: str) -> str:
    parts = name.split("/")
    if ".." in parts or name.startswith("/") or parts[-1] in ("", "."):
        what = f"{shown(name, 40)!r} is not a name inside the output directory"
        raise UsageError.at(shown(template, 40), what, "leave out `..` and a leading `/`")
    return name
