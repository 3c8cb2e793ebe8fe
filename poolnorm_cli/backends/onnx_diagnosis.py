"""What `doctor` says of ONNX Runtime: its packages, its providers, and what CUDA needs."""

import os
from collections.abc import Iterator
from types import ModuleType

from poolnorm_cli.backends import installed, providers
from poolnorm_cli.backends.driver import DRIVER
from poolnorm_cli.backends.installed import Finding, package_finding
from poolnorm_cli.backends.providers import CPU, CUDA, lacking, loading
from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.packages import pip_install


def diagnose() -> Iterator[Finding]:
    """Look at the packages, then at what the runtime loads if there is one, then at CUDA."""
    builds = installed.builds()
    yield package_finding("onnx", pip_install("check"))
    yield from _builds(builds)
    try:
        runtime = installed.import_runtime()
    except UnavailableError as error:
        if builds:
            yield Finding("import onnxruntime", "broken", error.message, error.fix)
        runtime = None
    if runtime is not None:
        yield _telemetry()
        yield from _providers(runtime)
    yield from _cuda(runtime)


def _builds(builds: dict[str, str]) -> Iterator[Finding]:
    """List the builds of ONNX Runtime, of which there may be one."""
    for name, number in builds.items():
        if len(builds) == 1:
            yield Finding(name, "ok", number)
        else:
            what = f"{number}, installed beside the other build: they overwrite each other's files"
            fix = installed.install_anew("cuda" if name == installed.GPU_BUILD else "cpu")
            yield Finding(name, "broken", what, fix)
    if not builds:
        yield Finding("onnxruntime", "missing", "not installed", pip_install("cpu"))


def _telemetry() -> Finding:
    """Say whether ONNX Runtime may report on its use; its import has read the variable."""
    name = installed.TELEMETRY
    if installed.telemetry_wanted():
        what = (
            f"on: {name}={os.environ[name]} lets onnxruntime send telemetry to Microsoft; unset it"
        )
    else:
        what = f"off: {name}=1 keeps onnxruntime from sending telemetry to Microsoft"
    return Finding("telemetry", "ok", what)


def _providers(runtime: ModuleType) -> Iterator[Finding]:
    """Open a session of one node on every provider that the build names."""
    names = list(runtime.get_available_providers())
    providers.preload(runtime)
    for name, reason in loading(runtime, names).items():
        yield _unloaded(runtime, name, reason) if reason else Finding(name, "ok", "loads")
    if CUDA not in names:
        yield Finding(CUDA, "missing", "this build has no CUDA", installed.install_anew("cuda"))


def _unloaded(runtime: ModuleType, name: str, reason: str) -> Finding:
    if name not in (CPU, CUDA):
        return Finding(name, "missing", "does not load; poolnorm has no use for it")
    if name == CPU:
        return Finding(name, "broken", reason, installed.install_anew("cpu"))
    lacks = lacking(runtime)
    if lacks is None:
        return Finding(name, "broken", reason, installed.install_anew("cuda"))
    return Finding(name, "broken", lacks.reason("cuda"), lacks.fix)


def _loaded(name: str) -> str:
    version = providers.driver_version() if name == DRIVER else None
    return f"loads, for CUDA up to {version[0]}.{version[1]}" if version else "loads"


def _cuda(runtime: ModuleType | None) -> Iterator[Finding]:
    """List the driver, its devices, and the libraries that the build wants."""
    wanted = providers.major(runtime)
    fix = pip_install(providers.extra_of(wanted))
    for library in providers.libraries(wanted):
        if library.loads:
            yield Finding(library.name, "ok", _loaded(library.name))
        elif library.name == DRIVER:
            yield Finding(library.name, "missing", "no NVIDIA driver", "install the NVIDIA driver")
        else:
            yield Finding(library.name, "missing", f"CUDA {wanted}: does not load", fix)
    count = providers.devices()
    if count:
        yield Finding("devices", "ok", str(count))
    else:
        yield Finding("devices", "missing", "no NVIDIA device")
