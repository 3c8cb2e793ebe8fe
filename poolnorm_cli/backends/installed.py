"""Which packages are installed, and what to type where they are not as they should be."""

import os
from importlib import metadata
from types import ModuleType
from typing import Literal

from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.packages import pip_install
from poolnorm_cli.values import frozen


CPU_BUILD = "onnxruntime"
GPU_BUILD = "onnxruntime-gpu"
_UNINSTALL = f"pip uninstall -y {CPU_BUILD} {GPU_BUILD}"
TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""Variable by which ONNX Runtime, from 1.29 on, is told not to report on its use."""
_WANTED = ("0", "false", "no", "off")


def install_anew(extra: str) -> str:
    """Return the command that puts an extra in the place of whichever ONNX Runtime is there."""
    return f"{_UNINSTALL} && {pip_install(extra)}"


def version(distribution: str) -> str | None:
    """Return the version of an installed distribution, None where there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


State = Literal["ok", "missing", "broken"]


@frozen
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        state: `ok`; `missing`, where nothing needs it yet; `broken`, where it is there and fails.
        detail: Its version, or what is wrong.
        fix: The command that fixes it; empty where there is nothing to fix.
    """

    name: str
    state: State
    detail: str
    fix: str = ""


def package_finding(name: str, fix: str) -> Finding:
    """Say whether a distribution is installed, and in which version.

    Args:
        name: Its name, as pip has it.
        fix: The command that installs it.

    Returns:
        The finding: `ok` with the version, or `missing`.
    """
    number = version(name)
    if number is None:
        return Finding(name, "missing", "not installed", fix)
    return Finding(name, "ok", number)


def builds() -> dict[str, str]:
    """Return the installed distributions of ONNX Runtime: name -> version."""
    found = ((name, version(name)) for name in (CPU_BUILD, GPU_BUILD))
    return {name: number for name, number in found if number is not None}


def onnx_if_installed() -> ModuleType | None:
    """Import `onnx`, which checks graphs in files; None where it is not installed.

    Raises:
        UnavailableError: It is installed and cannot be imported.
    """
    try:
        import onnx
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "onnx":
            return None
        raise _broken("onnx", error, pip_install("check")) from error
    return onnx


def telemetry_wanted() -> bool:
    """Whether the person has turned the runtime's reports on, in so many words."""
    return os.environ.get(TELEMETRY, "").lower() in _WANTED


def disable_telemetry() -> None:
    """Keep ONNX Runtime from writing to the home directory and calling its maker's host.

    It reads the variable while it is imported, so this comes before every import of it. A value
    that the runtime would not understand as a yes is taken for one.
    """
    if not telemetry_wanted():
        os.environ[TELEMETRY] = "1"


def import_runtime(absent: str = "") -> ModuleType:
    """Import `onnxruntime`, its telemetry disabled.

    Args:
        absent: What to type where there is none; empty for what installs the one for the CPU.

    Raises:
        UnavailableError: It is not installed, or cannot load what it was built for.
    """
    disable_telemetry()
    try:
        import onnxruntime
    except ImportError as error:
        fix = install_anew("cuda") if GPU_BUILD in builds() else absent or pip_install("cpu")
        raise _broken("onnxruntime", error, fix) from error
    if not hasattr(onnxruntime, "InferenceSession"):
        fix = install_anew("cuda") if GPU_BUILD in builds() else install_anew("cpu")
        raise UnavailableError("onnxruntime is damaged: two builds overwrote it", fix)
    runtime: ModuleType = onnxruntime
    return runtime


def _broken(package: str, error: ImportError, fix: str) -> UnavailableError:
    if isinstance(error, ModuleNotFoundError) and error.name == package:
        return UnavailableError(f"{package} is not installed", fix)
    reason = " ".join(str(error).split())
    return UnavailableError(f"{package} is installed and cannot be imported: {reason}", fix)
