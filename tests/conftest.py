"""What all tests share: a directory of their own, and the command as a person runs it."""

import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.backends.installed import disable_telemetry
from poolnorm_cli.cli.main import run


disable_telemetry()  # before any test imports onnxruntime
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "_POOLNORM_COMPLETE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def poolnorm(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command in this process; its words are given in one string, split at spaces."""

    def call(words: str, *more: str, stdin: bytes | None = None) -> Result:
        if stdin is not None:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = run([*words.split(), *more])
        seen = capsys.readouterr()
        return Result(code, seen.out, seen.err)

    return call


def process(*words: str, **options: Any) -> "subprocess.CompletedProcess[bytes]":
    """Run the command as a process of its own."""
    command = [sys.executable, "-m", "poolnorm_cli", *words]
    return subprocess.run(command, capture_output=True, check=False, **options)


@pytest.fixture
def x() -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Give the tutorial's tensor, which is also in x.npy."""
    tensor = np.random.default_rng(1).standard_normal((4, 28, 28, 3)).astype(np.float32)
    np.save("x.npy", tensor)
    return tensor
