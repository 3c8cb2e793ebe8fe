"""Packages that only some files need, asked for when such a file comes."""

from importlib import import_module
from typing import Any

from poolnorm_cli.errors import UnavailableError


def needed(module: str, extra: str, file: str) -> Any:
    """Return a package that is not always installed.

    Raises:
        UnavailableError: It is not; the message says what to type.
    """
    try:
        return import_module(module)
    except ImportError:
        told = f"{file}: reading it needs {module}, which is not installed"
        raise UnavailableError(told, f"pip install 'poolnorm-cli[{extra}]'") from None
