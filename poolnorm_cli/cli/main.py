"""The command `poolnorm`: its way in, and what becomes of an error.

Typer is imported where it is used: for help, completion, and a command line that is wrong.
"""

import atexit
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from poolnorm_cli.cli.program import VERSION
from poolnorm_cli.errors import OutputError, PoolnormError, UsageError


GARBAGE = 100_000
"""Objects that may be made before garbage is looked for; Python's own number is 700."""


def run(args: Sequence[str]) -> int:
    """Run the command and return its exit code; an error is told in one line."""
    try:
        code = _run(list(args))
        if sys.stdout is not None:
            sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as end:
        # Typer turns a broken pipe into exit code 1; a signal's own exit goes on.
        if isinstance(end, SystemExit) and not isinstance(end.__context__, BrokenPipeError):
            raise
        _silence_stdout()
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - a person is never shown a traceback unasked
        fault = _fault(error)
        if args[:1] == ["compare"]:  # whose 1 says that two files differ, as that of cmp does
            fault = UsageError(fault.what, fault.fix)
        return _fail(fault, as_json="--json" in args, verbose="-vv" in args)
    return code


def _run(args: list[str]) -> int:
    if args == ["--version"]:
        print(VERSION)
        return 0
    from poolnorm_cli.cli.verbs import execute

    return execute(args)


def _fault(error: Exception) -> PoolnormError:
    """Turn whatever went wrong into an error that can be told in one line."""
    if isinstance(error, PoolnormError):
        return error
    if isinstance(error, MemoryError):
        return PoolnormError("out of memory", "give a smaller input, or free some memory")
    if isinstance(error, UnicodeEncodeError):  # printing escapes: it is the name of a file
        told = f"{error.object}: a name that this locale's encoding, {error.encoding}, has not"
        return UsageError(told, "set LC_ALL=C.UTF-8")
    if isinstance(error, OSError):
        return OutputError(f"{error.filename or 'standard output'}: {error.strerror or error}")
    return PoolnormError(f"{type(error).__name__}: {error}", "this is a bug: -vv shows where")


def _fail(error: PoolnormError, *, as_json: bool, verbose: bool) -> int:
    from poolnorm_cli.report.errors import tell

    if verbose:
        import traceback

        traceback.print_exc()
    tell(error, as_json=as_json)
    return error.code


def _silence_stdout() -> None:
    """Keep Python from complaining, at exit, about a reader that went away."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminated(number: int, frame: Any) -> None:
    """Leave by an exception, so that whatever is half done is cleaned up."""
    del frame
    raise SystemExit(128 + number)


def main() -> None:
    """Run `poolnorm` with the arguments of the process."""
    # NumPy's linear algebra is not used here, and its threads take time to start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # by nohup
            signal.signal(number, _terminated)
    if sys.stderr is None:  # closed; what is printed to no stream would go to standard output
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - open to the end
    if isinstance(sys.stdout, io.TextIOWrapper):  # that of errors does so by itself
        sys.stdout.reconfigure(errors="backslashreplace")
    # A short command makes no garbage worth looking for, at its start or when the process ends.
    gc.set_threshold(GARBAGE)
    _leave(run(sys.argv[1:]))


def _leave(code: int) -> NoReturn:
    """End the process, at once if nothing is left to do.

    Python would take every module apart first, which is some hundredths of a small run.
    """
    callbacks = getattr(atexit, "_ncallbacks", None)  # private, so perhaps one day not there
    if callbacks is not None and not callbacks() and threading.active_count() == 1:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with suppress(OSError, ValueError):  # `run` has told of it, or nobody can
                    stream.flush()
        os._exit(code)
    gc.freeze()
    sys.exit(code)
