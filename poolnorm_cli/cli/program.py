"""What the program calls itself."""

from poolnorm_cli import __version__


PROGRAM = "poolnorm"
VERSION = f"{PROGRAM} {__version__}"
