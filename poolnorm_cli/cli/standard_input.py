"""Standard input that is there, and that nobody asked for."""

import os
import stat
import sys

from poolnorm_cli.cli import PROGRAM
from poolnorm_cli.errors import UsageError


def has_data() -> bool:
    """Whether something is sent to standard input: a pipe, a file or a socket, no terminal."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # closed, or no file
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def missing_input(command: str) -> UsageError:
    """Return the error of a command without an input.

    Args:
        command: Its words, as `pool max`.

    Returns:
        The error, which asks for `-` where something is sent to standard input.
    """
    fix = f"type {PROGRAM} {command} --help"
    if has_data():
        fix = f"standard input is read as -: type {PROGRAM} {command} -"
    return UsageError("missing argument 'INPUT...'", fix)
