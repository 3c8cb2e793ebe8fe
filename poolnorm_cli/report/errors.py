"""Whatever goes wrong, as an error: the one line that is printed, and the document."""

import errno
import os
import sys

from poolnorm_cli.errors import (
    DirectoryGoneError,
    InputError,
    OutputError,
    PoolnormError,
    UnavailableError,
    UsageError,
    printable,
)
from poolnorm_cli.report.text import Color, brief


_GONE = "the current directory was removed"
_RETURN = "change to one that is there (cd)"
_FEW_FILES = {errno.EMFILE, errno.ENFILE}
_FEW_PROCESSES = {errno.EAGAIN, errno.ENOMEM}
_OF_FILES = (InputError, OutputError, OSError)


def line(error: PoolnormError) -> str:
    """Return the one line of an error."""
    return f"error: {_text(error)}"


def _text(error: PoolnormError) -> str:
    return printable(str(_explained(error)))


def _is_directory_gone() -> bool:
    """Whether the current directory was removed, so that nothing is found but by a whole name."""
    try:
        os.getcwd()  # noqa: PTH109 - a short command has no use for pathlib
    except FileNotFoundError:
        return True
    return False


def _explained(error: PoolnormError) -> PoolnormError:
    """Cut an error to a line; where the current directory is gone, add that to one about a file."""
    error = _cut(error)
    gone = isinstance(error, DirectoryGoneError) or isinstance(error.__cause__, DirectoryGoneError)
    about_files = any(isinstance(each, _OF_FILES) for each in (error, error.__cause__))
    if about_files and not gone and _is_directory_gone():
        return error.saying(f"{error.what}: {_GONE}", _RETURN)
    return error


def _cut(error: PoolnormError) -> PoolnormError:
    return error.saying(brief(error.what), brief(error.fix))


def print_error(error: PoolnormError, color: Color = "auto") -> None:
    """Print the one line of an error on standard error.

    Args:
        error: The error.
        color: What --color asks for.
    """
    from poolnorm_cli.report.colors import labelled

    print(labelled("error", _text(error), sys.stderr, color), file=sys.stderr)


def document_of(error: PoolnormError) -> dict[str, object]:
    """Return the document of an error: `schema`, `error`, `fix` and the exit code."""
    error = _explained(error)
    return {"schema": 1, "error": error.message, "fix": error.fix, "code": error.code}


def error_of(error: Exception) -> PoolnormError:
    """Return whatever was raised as an error that can be printed on one line."""
    if isinstance(error, PoolnormError):
        return error
    if isinstance(error, MemoryError):
        return PoolnormError("out of memory", "give a smaller input, or free some memory")
    if isinstance(error, UnicodeEncodeError):  # printing escapes: it is the name of a file
        what = f"a name that this locale's encoding, {error.encoding}, cannot write"
        return UsageError.at(error.object, what, "set LC_ALL=C.UTF-8")
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, ImportError) and error.name:
        return _of_import(error)
    return PoolnormError(f"{type(error).__name__}: {error}", "this is a bug: -vv shows where")


def _of_system(error: OSError) -> PoolnormError:
    reason = error.strerror or str(error)
    if error.errno in _FEW_FILES:
        return UnavailableError(reason.lower(), "raise the limit (ulimit -n)")
    if error.filename:
        return OutputError.at(error.filename, reason)
    if error.errno == errno.ENOENT and _is_directory_gone():
        return DirectoryGoneError(_GONE, _RETURN)
    if error.errno in _FEW_PROCESSES:
        return UnavailableError(reason, "free some memory, or end other processes")
    return OutputError(f"standard output: {reason}")


def _of_import(error: ImportError) -> PoolnormError:
    """Tell of a package that is not there, or does not load: the first cause, on one line."""
    package = str(error.name).partition(".")[0]
    cause: BaseException = error
    while isinstance(cause.__cause__ or cause.__context__, ImportError | OSError):
        cause = cause.__cause__ or cause.__context__ or cause
    lines = str(cause).strip().splitlines() or ["no reason given"]
    fix = f"pip install --force-reinstall {package}"
    if package == "poolnorm_cli":
        from poolnorm_cli.packages import DISTRIBUTION, pip_reinstall

        package, fix = DISTRIBUTION, pip_reinstall()
    return UnavailableError(f"{package} cannot be imported: {lines[0]}", fix)
