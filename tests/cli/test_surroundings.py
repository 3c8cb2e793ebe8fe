"""What a process may find itself in: standard error full, its directory gone, no more files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Command, process


@pytest.fixture
def _gone(poolnorm: Command, tmp_path: Path) -> None:
    """Stand in a directory that was removed; x.npy is beside it."""
    poolnorm("generate ones 2,4,4,1 -o x.npy")
    Path("gone").mkdir()
    os.chdir("gone")
    (tmp_path / "gone").rmdir()


GONE = "the current directory was removed; change to one that is there"
OF_RELATIVE_NAMES = [
    ("pool max x.npy -q", 4),
    ("pool max {x} -q -o y.npy", 3),
    ("pool max x.npy {x} -q -j 2", 1),
    ("pool max -r . -q -O out", 4),
    ("pool max {x} -q -O out", 4),
    ("pool max --files-from list -q", 4),
    ("pool max {x} -q --journal j", 3),
    ("pool max {x} --save-config l.json", 3),
    ("bn {x} --weights w.npz", 4),
    ("bn {x} -q --training --save-weights w.npz", 3),
    ("bn {x} --training --mask m.npy", 4),
    ("ln {x} --export y.onnx", 3),
    ("compare x.npy {x}", 2),
    ("info x.npy", 4),
    ("shape pool max x.npy", 4),
    ("generate ones 3 -o y.npy", 3),
]


@pytest.mark.usefixtures("_gone")
@pytest.mark.parametrize(("words", "code"), OF_RELATIVE_NAMES)
def test_a_directory_that_was_removed_is_told_as_such(
    poolnorm: Command, tmp_path: Path, words: str, code: int
) -> None:
    result = poolnorm(words.format(x=tmp_path / "x.npy"))

    assert result.code == code
    assert GONE in result.err
    assert result.err.count("error: ") == 1


@pytest.mark.usefixtures("_gone")
def test_a_directory_that_was_removed_is_told_in_json(poolnorm: Command) -> None:
    told = json.loads(poolnorm("info x.npy --json").out)

    assert told["error"].endswith(": the current directory was removed")
    assert told["fix"] == "change to one that is there (cd)"


@pytest.mark.usefixtures("_gone")
@pytest.mark.parametrize(
    "words",
    [
        "pool max {x} -q -o {y}",
        "pool max {x} -q -O {y} -j 2",
        "ln {x} -q -o {y} --backend onnx",
        "shape pool max 4,28,28,3",
        "info {x}",
        "compare {x} {x}",
        "doctor",
        "--version",
    ],
)
def test_whole_names_need_no_directory(poolnorm: Command, tmp_path: Path, words: str) -> None:
    result = poolnorm(words.format(x=tmp_path / "x.npy", y=tmp_path / "y.npy"))

    assert (result.code, result.err) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("pool max z.npy", 4),
        ("pool max x.npy z.npy -q", 1),
        ("pool max x.npy z.npy -q -j 2", 1),
        ("pool", 2),
        ("nothing", 2),
        ("pool max x.npy -q --profile", 0),
        ("compare x.npy z.npy", 2),
        ("info z.npy --json", 4),
    ],
)
def test_what_cannot_be_told_changes_no_exit_code(poolnorm: Command, words: str, code: int) -> None:
    poolnorm("generate ones 2,4,4,1 -o x.npy")
    assert poolnorm(words).code == code
    for target in ("/dev/full", "/dev/null"):
        command = [sys.executable, "-m", "poolnorm_cli", *words.split()]
        with Path(target).open("w") as err, Path("out").open("w") as out:
            done = subprocess.run(command, stdout=out, stderr=err, check=False)
        assert done.returncode == code


def test_a_reader_of_standard_error_that_went_away_changes_no_exit_code() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "poolnorm_cli", "pool", "max", "z.npy"]
    done = subprocess.run(command, stderr=write, check=False)
    os.close(write)

    assert done.returncode == 4


@pytest.mark.parametrize(
    ("words", "files"), [("x.npy -o y.npy", 3), ("x.npy -O out --journal j", 4)]
)
def test_too_few_open_files_are_told(words: str, files: int) -> None:
    process("generate", "ones", "2,4,4,1", "-o", "x.npy")
    # Python itself may need more to start, by how it was installed.
    code = (
        "import resource, sys\n"
        "from poolnorm_cli.cli.main import main\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))\n"
        f"sys.argv = 'poolnorm pool max {words}'.split()\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert done.returncode == 3
    assert done.stderr.startswith(b"error: too many open files; ")
    assert done.stderr.count(b"\n") == 1
    assert [path.name for path in Path().iterdir()] == ["x.npy"]
