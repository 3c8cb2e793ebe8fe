"""Whatever goes wrong, as an error that can be told in one line."""

import errno

from poolnorm_cli.errors import (
    DirectoryGoneError,
    OutputError,
    PoolnormError,
    UnavailableError,
    UsageError,
)
from poolnorm_cli.report.errors import GONE, RETURN, is_directory_gone


_FEW_FILES = {errno.EMFILE, errno.ENFILE}
_FEW_PROCESSES = {errno.EAGAIN, errno.ENOMEM}


def fault_of(error: Exception, verb: str) -> PoolnormError:
    """Return the error to tell.

    Args:
        error: Whatever was raised.
        verb: The first word of the command line.
    """
    fault = _fault(error)
    if verb != "compare":
        return fault
    # Its 1 says that two files differ, as that of cmp does.
    return fault.of_kind(UsageError)


def _fault(error: Exception) -> PoolnormError:
    if isinstance(error, PoolnormError):
        return error
    if isinstance(error, MemoryError):
        return PoolnormError("out of memory", "give a smaller input, or free some memory")
    if isinstance(error, UnicodeEncodeError):  # printing escapes: it is the name of a file
        told = f"a name that this locale's encoding, {error.encoding}, has not"
        return UsageError.at(error.object, told, "set LC_ALL=C.UTF-8")
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, ImportError) and error.name:
        return _of_import(error)
    return PoolnormError(f"{type(error).__name__}: {error}", "this is a bug: -vv shows where")


def _of_system(error: OSError) -> PoolnormError:
    reason = error.strerror or str(error)
    if error.errno in _FEW_FILES:
        return UnavailableError(f"{reason.lower()}", "raise the limit (ulimit -n)")
    if error.filename:
        return OutputError.at(error.filename, reason)
    if error.errno == errno.ENOENT and is_directory_gone():
        return DirectoryGoneError(GONE, RETURN)
    if error.errno in _FEW_PROCESSES:
        return UnavailableError(reason, "free some memory, or end other processes")
    return OutputError(f"standard output: {reason}")


def _of_import(error: ImportError) -> PoolnormError:
    """Tell of a package that is not there, or does not load: the first cause, on one line."""
    package = str(error.name).partition(".")[0]
    if package == "poolnorm_cli":
        package = "poolnorm-cli"
    cause: BaseException = error
    while isinstance(cause.__cause__ or cause.__context__, ImportError | OSError):
        cause = cause.__cause__ or cause.__context__ or cause
    lines = str(cause).strip().splitlines() or ["no reason given"]
    told = f"{package} cannot be imported: {lines[0]}"
    return UnavailableError(told, f"pip install --force-reinstall {package}")
