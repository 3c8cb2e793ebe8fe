"""What all tests share: a directory of their own, and the command as a person runs it."""

import io
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from poolnorm_cli import packages
from poolnorm_cli.backends import Backend, open_backend
from poolnorm_cli.backends.installed import disable_telemetry
from poolnorm_cli.cli.main import run
from poolnorm_cli.errors import UnavailableError


disable_telemetry()  # before any test imports onnxruntime
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell's script
    signal.signal(signal.SIGINT, signal.default_int_handler)
ROOT = Path(__file__).parent.parent

with suppress(ImportError):  # the tests of a device run where it is not installed
    from hypothesis import HealthCheck, settings

    # How long an example takes tells of the machine and of what else it does.
    settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any")


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Result]


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter") -> None:
    """Say why tests were skipped, a line a reason, most first."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        reasons[str(reason).removeprefix("Skipped: ")] += 1
    if reasons:
        terminalreporter.section("skipped, by reason")
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:6} {reason}")


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "_POOLNORM_COMPLETE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _from_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have messages say what they say to one who installed the program from an index."""
    monkeypatch.setattr(packages, "origin", lambda: ("", False))


@pytest.fixture
def threads_of_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have NumPy work in threads from the size on from which compiled loops do."""
    monkeypatch.setattr("poolnorm_cli.engine.threads.THREADED_ARRAYS_BYTES", 0)


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


class Measured(NamedTuple):
    """What a command left behind, and the most memory that it had, in MiB."""

    code: int
    err: str
    megabytes: int


_MEASURED = """
import sys
from poolnorm_cli.cli.main import run
code = run(sys.argv[1:])
# What getrusage tells begins with the peak of the process that this one came from.
peak = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
print()
print(code, int(peak) >> 10)
"""


def measured(*words: str) -> Measured:
    """Run the command as a process of its own, without this one's environment."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no account of memory")
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *words],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        timeout=120,
    )
    code, megabytes = map(int, done.stdout.splitlines()[-1].split())
    return Measured(code, done.stderr, megabytes)


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


@cache
def opened(name: str) -> Backend | str:
    """Open a backend, or return why it is not there."""
    try:
        if name == "numpy":
            return open_backend()
        return open_backend("onnx", "cuda" if name == "cuda" else "cpu")
    except UnavailableError as error:
        return str(error)


@pytest.fixture(params=["numpy", "onnx", pytest.param("cuda", marks=pytest.mark.cuda)])
def every_backend(request: pytest.FixtureRequest) -> Backend:
    """Give each backend in turn; those that are not there are skipped."""
    found = opened(request.param)
    if isinstance(found, str):
        pytest.skip(found)
    return found
