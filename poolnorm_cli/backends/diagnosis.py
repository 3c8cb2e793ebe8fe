"""What is installed, which providers really load, and the command that mends what does not."""

import platform
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from poolnorm_cli.backends import BACKENDS, BackendRow
from poolnorm_cli.backends.installed import Finding, package_finding
from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.packages import DISTRIBUTION, pip_reinstall


_PACKAGES = ("numpy", "typer", "rich")


def diagnose() -> Iterator[Finding]:
    """Look at everything a run can need: the program's own parts, then each backend's."""
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    yield package_finding(DISTRIBUTION, pip_reinstall())
    for name in _PACKAGES:
        yield package_finding(name, f"pip install {name}")
    yield _loops()
    for row in BACKENDS.values():
        yield from _backend(row)


def _backend(row: BackendRow) -> Iterator[Finding]:
    if row.diagnosis:
        module: Any = import_module(f"poolnorm_cli.backends.{row.diagnosis}")
        yield from module.diagnose()
    else:
        yield from (package_finding(name, row.install_command) for name in row.packages)


def _loops() -> Finding:
    """Say whether the loops were compiled; NumPy does their work where they were not."""
    try:
        from poolnorm_cli.kernels.native import compiled
    except UnavailableError as error:
        return Finding("compiled loops", "broken", error.message, error.fix)

    if compiled():
        return Finding("compiled loops", "ok", "in use")
    fix = f"unset POOLNORM_KERNELS; {pip_reinstall()}"
    return Finding("compiled loops", "missing", "NumPy does their work, more slowly", fix)
