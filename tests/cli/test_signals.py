"""A signal ends the command with 128 and its number, without a word, wherever it comes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Command


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
FINDER = """
import importlib.abc, importlib.machinery, os, signal, sys

class Signalling(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    '''A library that takes a signal that comes while it is imported for a fault of its own.'''

    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == NAME else None

    def exec_module(self, module):
        try:
            signal.raise_signal(NUMBER)
        except BaseException as error:
            raise ImportError("the library is broken") from error

sys.meta_path.insert(0, Signalling())
"""


def run(code: str, *words: str) -> "subprocess.CompletedProcess[str]":
    # Whoever runs the tests may have been told to ignore signals, as by nohup.
    heeded = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    heeded += "for each in (signal.SIGTERM, signal.SIGHUP): signal.signal(each, signal.SIG_DFL)\n"
    command = [sys.executable, "-c", heeded + code, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def importing(name: str, number: int) -> str:
    start = "\nfrom poolnorm_cli.__main__ import main\nmain()\n"
    return f"NAME, NUMBER = {name!r}, {int(number)}\n{FINDER}{start}"


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("name", ["poolnorm_cli.cli.verbs", "numpy", "poolnorm_cli.report.errors"])
def test_a_signal_during_an_import_is_no_fault_of_a_library(
    poolnorm: Command, number: signal.Signals, code: int, name: str
) -> None:
    poolnorm("generate ones 2,4,4,1 -o x.npy")
    words = ["x.npy", "-q", "-o", "y.npy", "--explain"]  # which takes NumPy
    words = words if name != "poolnorm_cli.report.errors" else ["z.npy"]
    done = run(importing(name, number), "pool", "max", *words)

    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
    assert not Path("y.npy").exists()


def test_an_interrupt_of_a_runtime_that_is_imported_is_no_fault_of_it(poolnorm: Command) -> None:
    poolnorm("generate ones 2,4,4,1 -o x.npy")
    words = ["ln", "x.npy", "-q", "-o", "y.npy", "--backend", "onnx"]
    done = run(importing("onnxruntime", signal.SIGINT), *words)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interrupt_before_the_command_is_there() -> None:
    code = importing("poolnorm_cli.cli.signals", signal.SIGINT).replace(
        'raise ImportError("the library is broken") from error', "raise"
    )
    done = run(code, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


SWALLOWED = """
from poolnorm_cli.cli import fast_parser
class Object:
    def __del__(self):
        signal.raise_signal(NUMBER)
def execute(words, root):
    BODY
    return 0
fast_parser.execute = execute
from poolnorm_cli.__main__ import main
main()
"""
BODIES = {
    "turned into another": (
        "try: signal.raise_signal(NUMBER)\n"
        "    except BaseException: raise ValueError('a fault of a library')"
    ),
    "raised where none can be": "Object()",
    "sent twice": (
        "try: signal.raise_signal(NUMBER)\n    finally: signal.raise_signal(NUMBER); print('clean')"
    ),
    "at the very end": "import atexit; atexit.register(signal.raise_signal, NUMBER)",
}


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("body", BODIES)
def test_the_exception_of_a_signal_is_not_lost(
    number: signal.Signals, code: int, body: str
) -> None:
    done = run(SWALLOWED.replace("BODY", BODIES[body]).replace("NUMBER", str(int(number))))

    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout == ("clean\n" if body == "sent twice" else "")
