"""The command line: flags, verbs, and the way from an error to an exit code."""

from poolnorm_cli import __version__


PROGRAM = "poolnorm"
VERSION = f"{PROGRAM} {__version__}"
