"""A command imports what it uses, and nothing else: the start is most of a small run."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.engine.threads import default_threads
from poolnorm_cli.kernels import native
from poolnorm_cli.layers import LAYERS


_TELL = """
import sys
from poolnorm_cli.cli.main import run
code = run(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


SLOW = {"dataclasses", "inspect", "getopt", "threading", "tempfile", "zipfile"}
"""Modules of Python whose import is a tenth of a short run, or more."""


def modules_of(*words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _TELL, *words], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "words",
    [
        ["shape", "pool", "max", "4,28,28,3", "-q"],
        ["shape", "bn", "None,28,28,3", "-q"],
        ["shape", "ln", "N,H,W,3", "-q"],
        ["shape", "pool", "max", "1,9,9,1", "--draw", "--save-svg", "a.svg"],
        ["shape", "gn", "2,4,6", "--groups", "3", "--draw"],
        ["shape", "pipe", "1,9,9,1", "--draw", "!", "pool", "max", "!", "bn"],
        ["shape", "pool", "average", "4,28,28,3", "--padding", "same", "--explain", "--json"],
        ["shape", "gn", "N,H,W,32", "--explain"],
        ["shape", "bn", "N,H,W,32", "--conventions"],
        ["shape", "pool", "max", "4,28,28,3", "--conventions", "--json"],
        ["shape", "pool", "max", "4,28,28,3", "--field", "out.h"],
        ["shape", "pipe", "4,28,28,3", "!", "pool", "max", "!", "bn", "!", "gpool", "max"],
        ["shape", "solve", "28,28", "14,14"],
        ["shape", "solve", "--input", "14,14"],
    ],
    ids=" ".join,
)
def test_a_shape_needs_no_array(words: list[str]) -> None:
    found = modules_of(*words)

    assert not {"numpy", "typer", "rich", "onnx", "onnxruntime", *SLOW} & found


def test_a_plain_shape_needs_no_explanation() -> None:
    found = modules_of("shape", "pool", "max", "4,28,28,3", "-q")

    assert not [name for name in found if name.startswith("poolnorm_cli.calculator")]
    assert not {"poolnorm_cli.formulas", "poolnorm_cli.layers.axis_rules"} & found


_REFUSES_SOURCE = """
import builtins, sys, typing
own = builtins.compile
def compile(source, *rest, **more):
    assert not isinstance(source, str), source
    return own(source, *rest, **more)
builtins.compile = typing.compile = compile
from poolnorm_cli.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def test_a_short_run_compiles_nothing(tmp_path: Path) -> None:
    source, target = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    modules_of("generate", "normal", "2,6,6,3", "-o", source)
    for words in (
        ["shape", "pool", "max", "4,28,28,3"],
        ["info", source],
        ["pool", "max", source, "-o", target],
    ):
        command = [sys.executable, "-c", _REFUSES_SOURCE, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["pool", "max", "--help"]])
def test_help_needs_no_array(words: list[str]) -> None:
    assert not {"numpy", "onnx", "onnxruntime"} & modules_of(*words)


FLAGS = {"apool max": "--output-size 3", "apool average": "--output-size 3", "gn": "--groups 3"}

WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")

WITHOUT_NUMPY = LAYERS if native.compiled() else []


@pytest.mark.parametrize("words", LAYERS)
def test_a_file_needs_neither_tables_nor_runtimes(words: str, tmp_path: Path) -> None:
    source, target = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    modules_of("generate", "normal", "2,6,6,3", "-o", source)
    flags = FLAGS.get(words, "").split()
    found = modules_of(*words.split(), source, *flags, "-q", "-o", target)
    unused = {
        "typer",
        "rich",
        "onnx",
        "onnxruntime",
        "zipfile",
        "tempfile",
        "multiprocessing",
        "h5py",
    }

    assert not unused & found
    assert not [name for name in found if name.startswith("poolnorm_cli.batch")]
    assert ("numpy" in found) == (words not in WITHOUT_NUMPY)
    assert "numpy" in found or not SLOW & found


@pytest.mark.parametrize(
    "words",
    [
        "unit --order 1",
        "unit --order inf --axis 1",
        "rms --axis 1,3",
        "ln --axis 1,3",
        "gn --groups 3 --axis 2",
        "lrn --data-format channels_first",
        "pool max --indices i.npy --overwrite",
        "apool max --output-size 4 --indices i.npy --overwrite",
    ],
)
def test_no_axis_and_no_order_needs_an_array(words: str, tmp_path: Path) -> None:
    source, target = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    words = words.replace("i.npy", str(tmp_path / "i.npy"))
    modules_of("generate", "normal", "2,6,6,3", "-o", source)

    assert ("numpy" in modules_of(*words.split(), source, "-q", "-o", target)) == (
        not native.compiled()
    )


@pytest.mark.parametrize("words", ["bn", "pipe ! pool max ! bn"])
def test_a_limit_of_memory_needs_no_array(words: str, tmp_path: Path) -> None:
    source, target = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    modules_of("generate", "normal", "2,6,6,3", "-o", source)
    verb, *steps = words.split()
    found = modules_of(verb, source, "-q", "-o", target, "--max-memory", "1G", *steps)

    assert ("numpy" in found) == (not native.compiled())


@pytest.mark.parametrize(
    ("jobs", "unused"),
    [("1", SLOW), ("2", {"dataclasses", "inspect", "tempfile", "multiprocessing"})],
)
@pytest.mark.parametrize("words", ["{i} -O {o}", "{x} -O {o}", "{i} -O {o} ! pool max ! bn"])
def test_many_files_need_no_array(words: str, jobs: str, unused: set[str], tmp_path: Path) -> None:
    folder, target = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    names = [str(folder / f"{name}.npy") for name in "abcd"]
    for name in names:
        modules_of("generate", "normal", "2,6,6,3", "-o", name)
    verb = ["pipe"] if "!" in words else ["bn"]
    given = words.format(i=folder, x=" ".join(names), o=target).split()
    found = modules_of(*verb, "-q", "-j", jobs, *given)

    assert ("numpy" in found) == (not native.compiled())
    assert "numpy" in found or not unused & found
    assert len(list(target.iterdir())) == 4


def test_training_needs_no_array(tmp_path: Path) -> None:
    source, target, weights = (str(tmp_path / name) for name in ("x.npy", "y.npy", "w.npz"))
    modules_of("generate", "normal", "2,6,6,3", "-o", source)
    words = ["bn", source, "--training", "--save-weights", weights, "-q", "-o", target]
    first = modules_of(*words)
    again = modules_of(*words, "--weights", weights, "--overwrite")
    folder = ["-O", str(tmp_path / "out")]
    several = modules_of("bn", source, target, "--training", "-q", *folder)

    for found in (first, again, several):
        assert ("numpy" in found) == (not native.compiled())
        assert "numpy" in found or not SLOW & found


@pytest.mark.parametrize(
    "words",
    [
        "pool max",
        "pool average --strides 1",
        "gpool average",
        "in",
        "gn --groups 1",
        "ln --axis 1,2",
    ],
)
def test_a_large_sample_needs_no_array(words: str, tmp_path: Path) -> None:
    source = tmp_path / "x.npy"
    with source.open("wb") as file:
        header: Any = {"descr": "<f4", "fortran_order": False, "shape": (1, 2400, 2400, 1)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 4 * 2400 * 2400)
    found = modules_of(*words.split(), str(source), "-q", "-o", str(tmp_path / "y.npy"))

    assert ("numpy" in found) == (not native.compiled())


@pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")
def test_workers_need_no_array_until_one_comes_that_does(tmp_path: Path) -> None:
    for name, shape in (("a", (2, 6, 6, 3)), ("b", (1, 6, 6, 3)), ("c", (3, 5, 7, 3))):
        np.save(tmp_path / f"{name}.npy", np.ones(shape, np.float32))

    def imports(target: str) -> bool:
        words = [sys.executable, "-X", "importtime", "-m", "poolnorm_cli", "pool", "max"]
        words += [str(tmp_path), "-O", str(tmp_path / target), "-j", "2", "-q"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        return any(line.endswith(" numpy") for line in done.stderr.splitlines())

    assert not imports("one")
    np.save(tmp_path / "d.npy", np.asfortranarray(np.ones((2, 6, 6, 3), np.float32)))
    assert imports("two")


def test_a_pipe_needs_neither_tables_nor_what_is_for_many(tmp_path: Path) -> None:
    source, target = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    modules_of("generate", "normal", "2,6,6,3", "-o", source)
    found = modules_of("pipe", source, "-q", "-o", target, "!", "pool", "max", "!", "bn")
    alone = modules_of("pool", "max", source, "-q", "-o", target, "--overwrite")

    words = [
        "pipe",
        source,
        "-q",
        "-o",
        target,
        "--overwrite",
        "!",
        "pool",
        "max",
        "!",
        "gpool",
        "max",
    ]
    pools = modules_of(*words)

    assert not {"typer", "rich", "onnx", "onnxruntime", "zipfile", "tempfile"} & found
    assert not [name for name in found if name.startswith("poolnorm_cli.batch.")]
    assert ("numpy" in pools) == (not native.compiled())
    assert not [name for name in alone if "pipe" in name or "step_tensor" in name]


@pytest.mark.parametrize(
    "steps",
    [
        "! pool max ! bn",
        "! bn --weights {w}",
        "! ln ! bn --weights {w} ! gpool average",
        "! gn --groups 3 ! in ! rms",
    ],
)
def test_steps_with_weights_need_no_array(steps: str, tmp_path: Path) -> None:
    source, target, weights = (str(tmp_path / name) for name in ("x.npy", "y.npy", "w.npz"))
    modules_of("generate", "normal", "2,6,6,3", "-o", source)
    arrays: dict[str, Any] = dict.fromkeys(WEIGHTS, np.ones(3))
    np.savez(weights, **arrays)
    words = steps.format(w=weights).split()
    found = modules_of("pipe", source, "-q", "-o", target, *words)

    assert ("numpy" in found) == (not native.compiled())
    assert "zipfile" not in found
    assert Path(target).exists()


def test_the_version_needs_no_command_line() -> None:
    assert not {"numpy", "typer", "rich"} & modules_of("--version")


def test_headers_need_no_array_and_statistics_no_table(tmp_path: Path) -> None:
    source = str(tmp_path / "x.npy")
    made = modules_of("generate", "normal", "2,6,6,3", "-o", source)

    assert not {"numpy", "typer", "rich", "zipfile"} & modules_of("info", source)
    assert not {"rich", "onnx", "onnxruntime"} & modules_of("info", source, "--stats")
    assert not {"rich", "onnx", "onnxruntime"} & made


def test_a_picture_needs_no_table(tmp_path: Path) -> None:
    source = str(tmp_path / "x.npy")
    modules_of("generate", "normal", "2,6,6,3", "-o", source)

    assert not {"rich", "typer", "PIL", "onnx", "onnxruntime"} & modules_of("show", source)


def test_there_is_at_least_one_thread() -> None:
    assert default_threads() >= 1


@pytest.mark.parametrize("left", ["atexit.register(print, 'last')", "thread.start()"])
def test_what_is_left_to_do_at_the_end_is_done(left: str) -> None:
    code = f"""
import atexit, sys, threading
from poolnorm_cli.cli.main import main
thread = threading.Thread(target=lambda: (threading.main_thread().join(), print("last")))
{left}
sys.argv = ["poolnorm", "shape", "pool", "max", "4,28,28,3", "-q"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["4,14,14,3", "last"]


def test_at_the_end_nothing_that_was_printed_is_lost(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "poolnorm_cli"]
    written = tmp_path / "out"
    for words, code in ((["shape", "pool", "max", "4,28,28,3", "-q"], 0), (["nope"], 2)):
        with written.open("w") as file:
            done = subprocess.run([*command, *words], stdout=file, stderr=file, check=False)
        assert done.returncode == code
        assert written.read_text().splitlines()[-1].startswith(("4,14,14,3", "error: "))


def test_pooling_needs_none_of_the_objects_of_keras(tmp_path: Path) -> None:
    source, target = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    modules_of("generate", "normal", "2,6,6,3", "-o", source)
    found = modules_of("pool", "max", source, "-o", target)
    room = "poolnorm_cli.layers.keras"

    assert not {f"{room}.identifiers", f"{room}.config", f"{room}.penalties"} & found
