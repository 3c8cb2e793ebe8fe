"""What the calculator's page asks this package, in the browser: command lines in, answers out.

The page runs the program itself, so that it cannot answer anything but what the program answers.
All that goes in and out is text or JSON: the page and Python share no objects.
"""

import contextlib
import io
import json
import os
import shutil
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from poolnorm_cli.cli import shape_pictures
from poolnorm_cli.cli.main import run
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.values import MISSING


if not hasattr(os, "link"):  # a browser has no hard links; for one file that is read, a copy does
    os.link = shutil.copyfile  # type: ignore[assignment, unused-ignore]
PICTURE = Path("/tmp/windows.svg")  # noqa: S108 - a file system of the page's own
_MAIN = {
    "pool_size",
    "strides",
    "padding",
    "data_format",
    "keepdims",
    "output_size",
    "axis",
    "groups",
    "epsilon",
    "center",
    "scale",
}
"""Parameters that the page shows at once; those of training and weights come after."""


_STEPS = {
    "name": "steps",
    "flag": "!",
    "help": "A layer with its flags in each line, or a ! before each.",
    "main": True,
    "needed": True,
    "choices": [],
    "switch": False,
    "lines": True,
    "default": "pool max --pool-size 2",
}


def layers() -> str:
    """Describe the layers and their parameters, from which the page makes its form."""
    found = {name: _layer(name) for name in LAYERS}
    return json.dumps(found | {"pipe": {"keras": "several layers", "parameters": [_STEPS]}})


def _layer(name: str) -> dict[str, Any]:
    kind = find(*name.split())
    return {
        "keras": kind.keras_name,
        "parameters": [
            _parameter(p) | {"first": _first(p, kind.example)}
            for p in kind.parameters()
            if p.name != "name"
        ],
    }


def _parameter(parameter: Any) -> dict[str, Any]:
    kinds = [k for k in get_args(parameter.type) or (parameter.type,) if k is not NoneType]
    choices = list(get_args(parameter.type)) if get_origin(parameter.type) is Literal else []
    needed = parameter.default is MISSING
    return {
        "name": parameter.name,
        "flag": parameter.flag,
        "help": parameter.help,
        "main": parameter.name in _MAIN,
        "needed": needed,
        "choices": choices,
        "switch": kinds == [bool],
        "default": "" if needed else _spelled(parameter.default),
    }


def _first(parameter: Any, example: str) -> str:
    """Return what a field that must not be empty begins with: what the example of the help has."""
    words = example.split()
    if parameter.default is not MISSING or parameter.flag not in words:
        return ""
    return words[words.index(parameter.flag) + 1]


def _spelled(value: Any) -> Any:
    """Write a default as it is typed; a switch stays one, and none is empty."""
    if value is None or isinstance(value, bool):
        return value
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def ask(words: str) -> str:
    """Run a command line.

    Args:
        words: The words after `poolnorm`, as a JSON list.

    Returns:
        JSON: the exit code, and what is printed on both streams.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run(json.loads(words))
        except SystemExit as end:
            code = end.code
    return json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()})


def draw(words: str, columns: int) -> str:
    """Run a command line that saves a picture, and add it to the answer as `svg`.

    Args:
        words: The words after `poolnorm`, without the flag that says where, as a JSON list.
        columns: How wide the picture may be, in characters.

    Returns:
        JSON, as of `ask`.
    """
    PICTURE.unlink(missing_ok=True)
    shape_pictures.FILE_SIZE = columns, shape_pictures.FILE_SIZE[1]
    answer = json.loads(ask(words))
    if PICTURE.exists():
        answer["svg"] = PICTURE.read_text(encoding="utf-8")
    return json.dumps(answer)
