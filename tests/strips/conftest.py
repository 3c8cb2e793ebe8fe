"""Small samples that are taken apart as large ones are."""

import threading
from typing import Any

import pytest

from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine import blocks
from poolnorm_cli.engine.in_memory import run_array


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NUMPY, "block_bytes", 1 << 18, raising=False)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 18)
    monkeypatch.setattr(blocks, "WHOLE_SAMPLE_BYTES", 1 << 19)
    # Workers have these sizes only as copies of this process, which they are while it has one
    # thread; tests before may have left others.
    monkeypatch.setattr(threading, "active_count", lambda: 1)


@pytest.fixture
def whole_samples(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a layer with blocks that hold any sample."""

    def run(*given: Any, **more: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(blocks, "WHOLE_SAMPLE_BYTES", 1 << 40)
            return run_array(*given, **more)

    return run
