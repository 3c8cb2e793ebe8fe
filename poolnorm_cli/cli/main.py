"""The command `poolnorm`: where it starts, and what becomes of an error.

Typer is imported where it is used: for help, completion, and a command line that is wrong.
"""

import atexit
import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, TextIO

from poolnorm_cli.cli import VERSION, signals


if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

OUTPUT = 3
"""The exit code where the system gives no more of something."""


def run(args: Sequence[str]) -> int:
    """Run the command and return its exit code; an error is printed on one line."""
    try:
        code = _run(list(args))
        if sys.stdout is not None:
            sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as end:
        # Typer turns a broken pipe into exit code 1; a signal's own exit goes on.
        if isinstance(end, SystemExit) and not isinstance(end.__context__, BrokenPipeError):
            raise
        _silence_stdout()
        return 128 + signals.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signals.SIGINT
    except Exception as error:  # noqa: BLE001 - a person is never shown a traceback unasked
        # A library may have turned the exception of a signal into one of its own.
        return signals.exit_code() or _fail(error, args)
    return code


def _run(args: list[str]) -> int:
    if args in (["--version"], ["-V"]):
        print(VERSION)
        return 0
    from poolnorm_cli.cli.fast_parser import execute
    from poolnorm_cli.cli.verbs import ROOT

    if "!" not in args and "\\!" not in args:
        return execute(args, ROOT)
    from poolnorm_cli.cli.pipe_steps import with_steps

    return execute(*with_steps(args, ROOT))


def _fail(error: Exception, args: Sequence[str]) -> int:
    try:
        from poolnorm_cli.errors import UsageError
        from poolnorm_cli.report.colors import color_of
        from poolnorm_cli.report.emit import emit_error
        from poolnorm_cli.report.errors import error_of
        from poolnorm_cli.report.rows import Style
    except OSError as hindrance:  # where no file can be opened any more
        print(f"error: {str(hindrance.strerror).lower()}; see ulimit -a", file=sys.stderr)
        return OUTPUT
    if "-vv" in args:
        import traceback

        from poolnorm_cli.urls import redact

        print(redact(traceback.format_exc()), end="", file=sys.stderr)
    reported = error_of(error)
    if args[:1] == ["compare"]:  # its 1 says that two files differ, as that of cmp does
        reported = reported.of_kind(UsageError)
    emit_error(reported, Style(json="--json" in args, color=color_of(args)))
    return reported.code


def _silence_stdout() -> None:
    """Keep Python from complaining, at exit, about a reader that went away."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run `poolnorm` with the arguments of the process."""
    signals.heed()
    # NumPy's linear algebra is not used here, and its threads take time to start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.stderr = _open_stderr()
    if isinstance(sys.stdout, io.TextIOWrapper):  # that of errors does so by itself
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = run(sys.argv[1:])
    except SystemExit:
        ended = signals.exit_code()
        if ended is None:
            raise
        code = ended
    finally:
        signals.end_at_once()
    _leave(code)


class _Lenient(io.FileIO):
    """Drops what cannot be written."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _open_stderr() -> TextIO:
    """Return a stream to standard error that never fails: it may be closed, full or gone."""
    stream = sys.stderr
    if stream is None:  # closed; what is printed to no stream would go to standard output
        return open(os.devnull, "w")  # noqa: PTH123 - open to the end
    raw = _Lenient(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, "backslashreplace", line_buffering=True
    )


def _leave(code: int) -> NoReturn:
    """End the process, at once if nothing is left to do, or a signal says so.

    Python would take every module apart first, which is some hundredths of a small run.
    """
    callbacks = getattr(atexit, "_ncallbacks", None)  # private, so perhaps one day not there
    threading = sys.modules.get("threading")  # nobody has begun a thread without it
    alone = threading is None or threading.active_count() == 1
    idle = callbacks is not None and not callbacks() and alone
    if idle or signals.exit_code() is not None:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with suppress(OSError, ValueError):  # `run` has reported it, or nobody can
                    stream.flush()
        os._exit(code)
    gc.freeze()
    sys.exit(code)
