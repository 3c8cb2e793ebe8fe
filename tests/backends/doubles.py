"""Stand-ins for builds of ONNX Runtime that cannot be installed here."""

import ctypes
import sys
import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolnorm_cli.backends import installed, providers
from poolnorm_cli.backends.device_memory import RingError


CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class Options:
    """Session options that remember what was set."""

    def __init__(self) -> None:
        self.entries: dict[str, str] = {}
        self.log_severity_level = 2
        self.intra_op_num_threads = 0

    def add_session_config_entry(self, key: str, value: str) -> None:
        self.entries[key] = value


class Session:
    """A session that took the providers it was given, or the CPU where CUDA does not load."""

    def __init__(self, providers: list[str]) -> None:
        self._providers = providers

    def get_providers(self) -> list[str]:
        return self._providers


def runtime(
    *,
    loads: bool = True,
    raises: str = "",
    failing: str = CUDA,
    available: tuple[str, ...] = (CUDA, CPU),
) -> Any:
    """Return a module like `onnxruntime`, of the GPU build, one of whose providers may fail."""
    module: Any = ModuleType("onnxruntime")
    module.__version__ = "1.32.0"
    module.cuda_version = "13.0"
    module.SessionOptions = Options
    module.seen = []
    module.severity = []

    def inference_session(
        model: bytes,
        options: Options,
        providers: list[str],
        provider_options: list[Any],
        enable_fallback: int = 1,
    ) -> Session:
        del model
        assert len(provider_options) == len(providers)
        assert not enable_fallback, "the fallback prints, and takes the CPU"
        module.seen.append((options, providers))
        if raises and failing in providers:
            raise RuntimeError(raises)
        return Session(providers if loads else [CPU])

    module.InferenceSession = inference_session
    module.get_available_providers = lambda: list(available)
    module.set_default_logger_severity = module.severity.append
    module.preload_dlls = lambda: sys.stdout.write("Failed to load a library\n")
    return module


def install(
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    *,
    distributions: tuple[str, ...] = ("onnxruntime-gpu",),
    lost: tuple[str, ...] = (),
    devices: int = 1,
    driver: tuple[int, int] | None = (13, 0),
) -> None:
    """Make a double the runtime that is installed, on a machine that lacks some libraries."""
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    monkeypatch.setattr(installed, "builds", lambda: dict.fromkeys(distributions, "1.32.0"))
    monkeypatch.setattr(providers, "_loads", lambda name: name not in lost)
    monkeypatch.setattr(providers, "devices", lambda: devices)
    monkeypatch.setattr(providers, "driver_version", lambda: driver)


class OrdinaryMemory:
    """The processor's memory, as that of a device: what a ring does is the same.

    Attributes:
        sent: Bytes that were copied to it.
        senders: The threads that did.
    """

    device = "cpu"

    def __init__(self, failing: str = "", after: int = 0) -> None:
        self.failing, self.left = failing, after
        self.sent, self.senders = 0, set[int]()
        self._kept: dict[int, NDArray[Any]] = {}

    def _called(self, name: str) -> None:
        if name == self.failing:
            self.left -= 1
            if self.left < 0:
                raise RingError(name)

    def allocate(self, size: int) -> int:
        self._called("allocate")
        block = np.full(size, 255, np.uint8)
        self._kept[block.ctypes.data] = block
        return block.ctypes.data

    def free(self, address: int) -> None:
        del self._kept[address]

    def pinned(self, size: int) -> NDArray[Any]:
        self._called("pinned")
        return np.full(size, 255, np.uint8)

    def stream(self) -> None:
        self._called("stream")

    def send(self, stream: None, target: int, source: int, size: int) -> None:
        del stream
        self._called("send")
        self.sent += size
        self.senders.add(threading.get_ident())
        ctypes.memmove(target, source, size)

    def fetch(self, stream: None, target: int, source: int, size: int) -> None:
        del stream
        self._called("fetch")
        ctypes.memmove(target, source, size)

    def wait(self, stream: None) -> None:
        del stream
        self._called("wait")
