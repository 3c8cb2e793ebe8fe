"""Code of the current directory is never run: it may be a download, or anyone's.

The directory has a file for every module of the standard library, for every package that is
installed, and for some that are looked for and are not; each leaves a mark when it is run.
"""

import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import poolnorm_cli
from tests.batch.places import make_tensors


LOOKED_FOR = {"_distributor_init_local", "cupy", "numba", "tblib", "uvloop", "zmq", "crick"}
RUN_BY_PYTHON = {"sitecustomize", "usercustomize"}
MARK = """
import os
with open({mark!r}, "a") as mark:
    mark.write(f"{{__name__}}\\n")
"""
# As the script that is installed with the package.
SCRIPT = """
from poolnorm_cli.__main__ import main
if __name__ == "__main__":
    main()
"""
COMMANDS = [
    "pool max x.npy -q",
    "gpool average x.npy -o y.npy",
    "ln in -O out -q -j 2",
    "bn x.npy --training --save-weights w.npz -q",
    "bn in -O out -q --backend onnx -j 2 --journal j",
    "rms x.npy --backend onnx -o y.npy",
    "unit x.npy --export y.onnx",
    "in x.npy --weights none.h5",
    "info x.npy --stats",
    "compare x.npy x.npy --json",
    "compare --backends numpy,onnx:cpu -- pool max x.npy",
    "generate normal 3 -o y.npy",
    "shape pool max 4,28,28,3 --explain",
    "pool max s3://nowhere/x.npy",
    "doctor",
    "--help",
    "nothing",
]


INSTALLED = {name for name in packages_distributions() if name.isidentifier()}


def hostile(*without: str) -> Path:
    """Make a directory full of modules; the script and what leaves marks are beside it."""
    place = Path("here").resolve()
    place.mkdir()
    code = MARK.format(mark=str(place.parent / "mark"))
    names = sys.stdlib_module_names | INSTALLED | LOOKED_FOR | RUN_BY_PYTHON
    for name in names - set(without):
        (place / f"{name}.py").write_text(code)
    Path("poolnorm").write_text(SCRIPT)
    make_tensors("here/in", 3)
    (place / "x.npy").write_bytes((place / "in" / "0000.npy").read_bytes())
    return place


def run(place: Path, words: list[str], **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=place,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in range(5), done.stderr
    assert "Traceback" not in done.stderr
    assert "this is a bug" not in done.stderr
    return done.stdout


def marks() -> set[str]:
    mark = Path("mark")
    return set(mark.read_text().split()) if mark.exists() else set()


def by_python(code: str) -> set[str]:
    """Return what Python imports before the first line of a program, as that of `code`."""
    told = run(Path.cwd(), ["-P", "-c", f"import sys{code}; print(*sys.modules)"])
    return {*told.split(), *RUN_BY_PYTHON}


@pytest.mark.parametrize("words", COMMANDS)
def test_nothing_of_the_current_directory_is_run(words: str) -> None:
    run(hostile(), ["../poolnorm", *words.split()])

    assert marks() == set()


@pytest.mark.parametrize("words", COMMANDS[2:6])
def test_nor_where_python_puts_it_first(words: str) -> None:
    """What Python imports to find the program it looks for there all the same."""
    place = hostile("poolnorm_cli", *by_python(", runpy"))
    run(place, ["-m", "poolnorm_cli", *words.split()])

    assert marks() == set()


@pytest.mark.parametrize("path", ["", ".", ":/nowhere", "/nowhere::", "./", "../here"])
def test_nor_where_the_path_has_an_empty_word(path: str) -> None:
    place = hostile("poolnorm_cli", *by_python(""))
    run(place, ["../poolnorm", *COMMANDS[4].split()], PYTHONPATH=path)

    assert marks() == set()


@pytest.mark.parametrize("start", ["../poolnorm", "-m poolnorm_cli", "-I ../poolnorm"])
def test_nor_by_the_workers_of_a_local_cluster(start: str) -> None:
    pytest.importorskip("distributed")
    place = hostile("poolnorm_cli", *by_python(", runpy")) if "-m" in start else hostile()
    words = ["pool", "max", "in", "-O", "out", "-q", "--dask", "local"]
    run(place, [*start.split(), *words])

    assert marks() == set()
    assert len(list((place / "out").iterdir())) == 3


def test_a_directory_that_the_path_names_from_the_root_is_a_persons_will() -> None:
    Path("here").mkdir()
    Path("here/wanted.py").write_text(MARK.format(mark="../mark"))
    lines = "from poolnorm_cli import __main__ as m", "m.leave_out_current_directory()"
    Path("script").write_text("\n".join([*lines, "import wanted"]))
    run(Path("here"), ["../script"], PYTHONPATH=str(Path("here").resolve()))

    assert marks() == {"wanted"}


def test_a_package_that_is_found_nowhere_else_is_found_by_workers() -> None:
    """A checkout, with nothing installed but what the command needs."""
    package = Path(poolnorm_cli.__file__).parent
    Path("here").mkdir()
    Path("here/poolnorm_cli").symlink_to(package)
    make_tensors("here/in", 3)
    words = ["ln", "in", "-O", "out", "-q", "-j", "2", "--backend", "onnx"]
    run(Path("here"), ["-m", "poolnorm_cli", *words])

    assert len(list(Path("here/out").iterdir())) == 3
