"""ONNX Runtime is kept from reporting on its use: no file at home, no connection to anybody."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from poolnorm_cli.backends.installed import TELEMETRY, disable_telemetry, import_runtime
from tests.cli.test_doctor import findings
from tests.conftest import Command


pytest.importorskip("onnxruntime")
TRACE = ["strace", "-f", "-qq", "-e", "trace=connect,socket", "-o", "calls"]
WAYS = {
    "a run": "pool max x.npy --backend onnx -q -o y.npy",
    "an export": "ln x.npy --export y.onnx -q",
    "the doctor": "doctor -q",
    "a comparison": "compare --backends numpy,onnx:cpu -q -- bn x.npy",
    "worker processes": "pool max x.npy x2.npy --backend onnx -j 2 -O out -q",
    "a cluster": "pool max x.npy x2.npy --backend onnx --dask local -j 1 -O out -q",
}


def home() -> dict[str, str]:
    """Return the environment of somebody whose home is empty and who has set nothing."""
    Path("home").mkdir()
    unset = (TELEMETRY, "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return kept | {"HOME": str(Path("home").resolve())}


def tracer() -> list[str]:
    """Return the command that writes to `calls` what sockets are opened, where there is one."""
    if shutil.which("strace") is None:
        return []
    tried = subprocess.run([*TRACE, "true"], capture_output=True, check=False)
    return [] if tried.returncode else TRACE


def outward(calls: str) -> list[str]:
    """List the calls that leave this machine: sockets of the internet, less the loopback's."""
    own = ('"127.', '"::1"')
    return [
        line
        for line in calls.splitlines()
        if re.search(r"connect\(.*AF_INET", line) and not any(part in line for part in own)
    ]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_at_home_and_nobody_is_called(
    poolnorm: Command, x: object, way: str
) -> None:
    if "dask" in WAYS[way]:
        pytest.importorskip("distributed")
    shutil.copy("x.npy", "x2.npy")
    command = [*tracer(), sys.executable, "-m", "poolnorm_cli", *WAYS[way].split()]
    done = subprocess.run(command, env=home(), capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    assert list(Path("home").rglob("*")) == []
    if command[0] == "strace":
        calls = Path("calls").read_text()
        assert outward(calls) == []
        assert "dask" in WAYS[way] or "socket(AF_INET" not in calls


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, "1"),
        ("", "1"),
        ("on", "1"),
        ("2", "1"),
        ("1", "1"),
        ("0", "0"),
        ("FALSE", "FALSE"),
        ("no", "no"),
    ],
)
def test_only_a_person_turns_it_on(
    monkeypatch: pytest.MonkeyPatch, given: str | None, kept: str
) -> None:
    monkeypatch.setenv(TELEMETRY, given or "")
    if given is None:
        monkeypatch.delenv(TELEMETRY)
    disable_telemetry()
    assert os.environ[TELEMETRY] == kept


def test_every_import_of_the_runtime_comes_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TELEMETRY)
    import_runtime()
    assert os.environ[TELEMETRY] == "1"


def test_doctor_says_which_it_is(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TELEMETRY)
    found = findings(poolnorm("doctor --json"))["telemetry"]
    assert (found["state"], found["detail"].split(":")[0]) == ("ok", "off")
    monkeypatch.setenv(TELEMETRY, "0")
    found = findings(poolnorm("doctor --json"))["telemetry"]
    assert (found["state"], found["detail"].split(":")[0]) == ("ok", "on")
