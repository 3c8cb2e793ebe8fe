"""How a fault is told."""

import os
import sys

from poolnorm_cli.errors import DirectoryGoneError, InputError, OutputError, PoolnormError
from poolnorm_cli.report.text import brief, printable


GONE = "the current directory was removed"
RETURN = "change to one that is there (cd)"
_OF_FILES = (InputError, OutputError, OSError)


def line(error: PoolnormError) -> str:
    """Return the one line of an error."""
    return f"error: {printable(str(_explained(error)))}"


def is_directory_gone() -> bool:
    """Whether the current directory was removed, so that nothing is found but by a whole name."""
    try:
        os.getcwd()  # noqa: PTH109 - a short command has no use for pathlib
    except FileNotFoundError:
        return True
    return False


def _explained(error: PoolnormError) -> PoolnormError:
    """Cut an error to a line, and say of one about a file that the current directory is gone."""
    error = _cut(error)
    gone = isinstance(error, DirectoryGoneError) or isinstance(error.__cause__, DirectoryGoneError)
    about_files = any(isinstance(each, _OF_FILES) for each in (error, error.__cause__))
    if about_files and not gone and is_directory_gone():
        return error.saying(f"{error.what}: {GONE}", RETURN)
    return error


def _cut(error: PoolnormError) -> PoolnormError:
    return error.saying(brief(error.what), brief(error.fix))


def tell(error: PoolnormError, *, as_json: bool) -> None:
    """Print one line on standard error, and with `--json` the same as a document on output."""
    print(line(error), file=sys.stderr)
    if as_json:
        import json

        print(json.dumps(document(error)))


def document(error: PoolnormError) -> dict[str, object]:
    """Return the document of an error: `schema`, `error`, `fix` and the exit code."""
    told = _explained(error)
    return {"schema": 1, "error": told.message, "fix": told.fix, "code": told.code}
