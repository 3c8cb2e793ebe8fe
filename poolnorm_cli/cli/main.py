"""The command `poolnorm`: which verbs there are, and what becomes of an error."""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

from poolnorm_cli import __version__
from poolnorm_cli.errors import OutputError, PoolnormError, UsageError


PROGRAM = "poolnorm"
GARBAGE = 100_000
"""Objects that may be made before garbage is looked for; Python's own number is 700."""
COMPLETE = "_POOLNORM_COMPLETE"
LAYER_VERBS = ("pool", "gpool", "apool", "bn", "ln", "gn", "in", "rms", "unit")
OTHER_VERBS = ("shape", "info", "generate", "compare", "doctor")


def _version(value: bool) -> None:  # noqa: FBT001 - Typer calls it with the flag's value
    if value:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Apply Keras' pooling and normalization layers to .npy and .npz tensors."""


def build(args: Sequence[str]) -> typer.Typer:
    """Make the application with the one verb that `args` name, or with all of them.

    A verb's module is imported only when its verb is asked for, which is what keeps the start
    short; help and completion need them all.
    """
    app = typer.Typer(
        name=PROGRAM,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    verbs = [*LAYER_VERBS, *OTHER_VERBS]
    asked = [] if COMPLETE in os.environ else [arg for arg in args[:1] if arg in verbs]
    words = list(args[1:3]) if asked else []
    for verb in asked or verbs:
        module = "layer" if verb in LAYER_VERBS else verb
        import_module(f"poolnorm_cli.cli.verb_{module}").add(app, verb, words)
    return app


def run(args: Sequence[str]) -> int:
    """Run the command and return its exit code; an error is told in one line."""
    try:
        code = build(args)(list(args) or ["--help"], prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as end:
        # Typer turns a broken pipe into exit code 1; a signal's own exit goes on.
        if isinstance(end, SystemExit) and not isinstance(end.__context__, BrokenPipeError):
            raise
        _silence_stdout()
        return 128 + signal.SIGPIPE
    except (KeyboardInterrupt, typer.Abort):
        return 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - a person is never shown a traceback unasked
        return _fail(_fault(error), as_json="--json" in args, verbose="-vv" in args)
    return code if isinstance(code, int) else 0


def _fault(error: Exception) -> PoolnormError:
    """Turn whatever went wrong into an error that can be told in one line."""
    if isinstance(error, PoolnormError):
        return error
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if isinstance(error, MemoryError):
        return PoolnormError("out of memory", "give a smaller input, or free some memory")
    if isinstance(error, OSError):
        return OutputError(f"{error.filename or 'standard output'}: {error.strerror or error}")
    return PoolnormError(f"{type(error).__name__}: {error}", "this is a bug: -vv shows where")


def _usage(error: typer.TyperException) -> UsageError:
    """Put what Typer says of the command line into one line with the way to the help."""
    context: Any = getattr(error, "ctx", None)
    path = context.command_path if context else PROGRAM
    text = " ".join(error.format_message().split()).rstrip(".")
    text = text.removeprefix("Invalid value for ").removeprefix("Invalid value: ")
    return UsageError(text[:1].lower() + text[1:], f"type {path} --help")


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
    # A short command makes no garbage worth looking for, at its start or when the process ends.
    gc.set_threshold(GARBAGE)
    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)
