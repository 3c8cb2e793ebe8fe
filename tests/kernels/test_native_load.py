"""Loops that are there and do not load end the command: what NumPy would give is not theirs."""

import errno
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.kernels import native
from tests.conftest import Command


NAME = "poolnorm_cli.kernels._native"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ImportError("_native.abi3.so: cannot read file data: Input/output error"), "Input/output"),
        (ImportError("_native.abi3.so: file too short", name=NAME), "file too short"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (PermissionError(errno.EACCES, "Permission denied"), "Permission denied"),
        (ModuleNotFoundError("No module named 'other'", name="other"), "No module named 'other'"),
    ],
)
def test_loops_that_do_not_load_are_told(
    monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def fail(_: str) -> ModuleType:
        raise error

    monkeypatch.delenv("POOLNORM_KERNELS", raising=False)
    monkeypatch.setattr(native, "import_module", fail)
    with pytest.raises(UnavailableError, match=f"the compiled loops do not load: .*{told}"):
        native._compiled()
    monkeypatch.setenv("POOLNORM_KERNELS", "numpy")
    assert native._compiled() is None


def test_loops_that_were_not_made_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POOLNORM_KERNELS", raising=False)
    monkeypatch.setattr(native, "_NAME", f"{NAME}_of_nobody")
    assert native._compiled() is None


BROKEN = f"""
import importlib.abc, importlib.machinery, os, sys

os.environ.pop("POOLNORM_KERNELS", None)

class Broken(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == {NAME!r} else None

    def exec_module(self, module):
        raise ImportError("_native.abi3.so: Input/output error")

sys.meta_path.insert(0, Broken())
from poolnorm_cli.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "words",
    ["pool max x.npy -o y.npy", "ln x.npy -o y.npy", "bn x.npy --training --save-weights w.npz"],
)
def test_the_command_ends_without_an_output(poolnorm: Command, words: str) -> None:
    poolnorm("generate normal 2,4,4,1 -o x.npy")
    command = [sys.executable, "-c", BROKEN, *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (3, "")
    told = "the compiled loops do not load: _native.abi3.so: Input/output error; pip install"
    assert told in done.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["x.npy"]


def test_doctor_says_that_they_are_broken() -> None:
    command = [sys.executable, "-c", BROKEN, "doctor", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert done.stdout.startswith("compiled loops\tbroken\tthe compiled loops do not load: ")
