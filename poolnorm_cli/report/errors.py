"""An error as the one line that is printed, and as a document."""

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


def print_error(error: PoolnormError) -> None:
    """Print the one line of an error on standard error."""
    print(line(error), file=sys.stderr)


def document_of(error: PoolnormError) -> dict[str, object]:
    """Return the document of an error: `schema`, `error`, `fix` and the exit code."""
    error = _explained(error)
    return {"schema": 1, "error": error.message, "fix": error.fix, "code": error.code}
