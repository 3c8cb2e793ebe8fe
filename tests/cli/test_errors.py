# ruff: noqa: E501 - a message is easier to compare with what is printed on one line
"""Every fault a person can make: one line, the right exit code, nothing written."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import Command, process


CASES = [
    ("pool max x.npy --pool-size 29 -o y.npy", 2, "axis 1 has 28 cells, fewer than the window of 29; give --pool-size 28 or less, or --padding same"),
    ("pool max x.npy --strides 0 -o y.npy", 2, "--strides must be positive, not '0'; give 1 or more"),
    ("pool max x.npy --pool-size -2 -o y.npy", 2, "--pool-size must be positive"),
    ("pool max x.npy --pool-size 2,2,2 -o y.npy", 2, "--pool-size 2,2,2 has 3 sizes, the input has 2 spatial axes"),
    ("pool max x.npy --pool-size two -o y.npy", 2, "'--pool-size': 'two' is not 2, 2,3 or 2x3; type poolnorm pool max --help"),
    ("pool max x.npy --padding full -o y.npy", 2, "'--padding': 'full' is not one of 'valid', 'same'"),
    ("pool max x.npy --data-format nchx -o y.npy", 2, "'nchx' is not one of 'channels_last', 'channels_first'"),
    ("pool max x.npy --pool-sise 2", 2, "no such flag --pool-sise of pool max; did you mean --pool-size?"),
    ("pool max", 2, "missing argument 'INPUT...'"),
    ("pool", 2, "pool lacks its kind; give max, average, min or lp"),
    ("pool mid x.npy", 2, "no such kind 'mid' of pool; did you mean pool min?"),
    ("pole max x.npy", 2, "no such verb 'pole'; did you mean pool?"),
    ("pool max rows.npy -o y.npy", 2, "rows.npy: the input has rank 2, shape (5,2); pooling takes rank 3, 4 or 5"),
    ("gpool max rows.npy -o y.npy", 2, "rows.npy: the input has rank 2"),
    ("gpool average hollow.npy -o y.npy", 2, "hollow.npy: axis 1 has no cells: there is nothing to pool"),
    ("pool max hollow.npy -o y.npy", 2, "axis 1 has 0 cells, fewer than the window of 2; give --padding same"),
    ("ln x.npy --axis 4 -o y.npy", 2, "x.npy: --axis 4 is out of range for an input of rank 4; give an axis from -4 to 3"),
    ("ln x.npy --axis 1,1 -o y.npy", 2, "--axis 1,1 names an axis twice"),
    ("ln x.npy --epsilon -1 -o y.npy", 2, "--epsilon must not be negative, and is -1.0"),
    ("bn x.npy --momentum nan -o y.npy", 2, "--momentum is nan; give a number, such as 0.99"),
    ("bn vector.npy -o y.npy", 2, "vector.npy: the input has rank 1, shape (3); batch normalization takes rank 2 or more"),
    ("bn rows.npy --axis 0,1 -o y.npy", 2, "--axis names every axis"),
    ("ln single.npy -o y.npy", 2, "single.npy: the input has rank 0; give a tensor of rank 1 or more"),
    ("bn x.npy --weights short.npz -o y.npy", 2, "weight 'gamma' has shape (2); this input and --axis need (3)"),
    ("bn x.npy --weights some.npz -o y.npy", 2, "weight 'beta' is missing from gamma; give gamma, beta, moving_mean, moving_variance"),
    ("ln x.npy --weights short.npz --no-scale -o y.npy", 2, "weight 'gamma' is not one of the layer's"),
    ("bn x.npy --weights nan.npz -o y.npy", 4, "weight 'moving_mean' has a NaN or an infinity"),
    ("bn x.npy --weights negative.npz -o y.npy", 4, "weight 'moving_variance' has a negative value"),
    ("bn x.npy --weights x.npy -o y.npy", 2, "--weights 'x.npy' is not a file of weights by its name"),
    ("bn x.npy --weights ints.npz -o y.npy", 4, "ints.npz::gamma: int64 of shape (3,) is not a weight"),
    ("bn x.npy --save-weights w.txt -o y.npy", 2, "--save-weights 'w.txt' is not an .npz file"),
    ("bn x.npy --save-weights nan.npz -o y.npy", 2, "nan.npz: exists; give --overwrite, or another name"),
    ("bn x.npy --training --skip-existing -O out", 2, "--skip-existing with --training"),
    ("pool max truncated.npy -o y.npy", 4, "truncated.npy: "),
    ("pool max pickled.npy -o y.npy", 4, "pickled.npy: "),
    ("pool max objects.npy -o y.npy", 4, "objects.npy: dtype |O (Python objects) is not supported"),
    ("pool max void -o y.npy", 4, "void: a directory without .npy, .npz or .safetensors files, pictures or tables; -r looks into its sub-directories"),
    ("pool max nothing.npy -o y.npy", 4, "nothing.npy: no such file; check the name"),
    ("pool max x.npy --key a -o y.npy", 2, "--key names an array in a .npz"),
    ("pool max x.npy -o there.npy", 2, "there.npy: exists; give --overwrite, or another name"),
    ("pool max x.npy -o x.npy --overwrite", 2, "x.npy: the output is the input"),
    ("pool max x.npy -o link.npy --overwrite", 2, "link.npy: the output is the input"),
    ("pool max x.npy -o y.txt", 2, "y.txt: neither .npy nor .npz"),
    ("pool max x.npy -o missing/y.npy", 3, "missing/y.npy: "),
    ("pool max x.npy rows.npy -o y.npy", 2, "--output y.npy with 2 inputs; give --output-dir DIR for many"),
    ("pool max x.npy -o y.npy -O out", 2, "both --output and --output-dir; give one of them"),
    ("pool max x.npy --output-name a.npy", 2, "--output-name without --output-dir"),
    ("pool max x.npy -O out --output-name {what}", 2, "{what}"),
    ("pool max x.npy -O out --overwrite --skip-existing", 2, "both --overwrite and --skip-existing"),
    ("pool max x.npy folder/x.npy -O out", 2, "the output of x.npy and of folder/x.npy"),
    ("pool max x.npy -O x.npy", 3, "x.npy: "),
    ("shape pool max 4,28", 2, "the input has rank 2, shape (4,28)"),
    ("shape pool max 4;28", 2, "shape '4;28' has a part '4;28'"),
    ("shape ln N,C", 2, "axis 1 of (N,C) has no known size; give that axis a number"),
    ("shape pool max two.npz", 2, "two.npz: holds a, b; name one of them, as two.npz::a"),
    ("shape nothing 4,28", 2, "no such layer 'nothing' of shape; give pool, "),
    ("info nothing.npy", 4, "nothing.npy: no such file"),
    ("generate normal N,3 -o y.npy", 2, "shape 'N,3' has a size that is not a number"),
    ("generate normal 3 -o there.npy", 2, "there.npy: exists"),
    ("generate strange 3 -o y.npy", 2, "'strange' is none of normal, uniform, arange, zeros, ones, values; did you mean arange?"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _files(x: NDArray[Any]) -> None:
    ones = np.ones(3, np.float32)
    full: dict[str, Any] = {
        "gamma": ones,
        "beta": ones,
        "moving_mean": ones,
        "moving_variance": ones,
    }
    np.save("rows.npy", np.ones((5, 2)))
    np.save("vector.npy", ones)
    np.save("single.npy", np.float32(1))
    np.save("hollow.npy", np.ones((1, 0, 3)))
    np.save("there.npy", ones)
    np.savez("two.npz", a=x, b=x)
    np.savez("short.npz", **{name: weight[:2] for name, weight in full.items()})
    np.savez("some.npz", gamma=ones)
    np.savez("nan.npz", **full | {"moving_mean": ones * np.nan})
    np.savez("negative.npz", **full | {"moving_variance": -ones})
    np.savez("ints.npz", **full | {"gamma": np.arange(3)})
    Path("truncated.npy").write_bytes(Path("x.npy").read_bytes()[:-9])
    Path("pickled.npy").write_bytes(pickle.dumps([1, 2]))  # what np.save never writes
    np.save("objects.npy", np.array([None, 1]), allow_pickle=True)
    Path("folder").mkdir()
    Path("void").mkdir()
    np.save("folder/x.npy", x)
    os.link("x.npy", "link.npy")


def everything() -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in Path().rglob("*") if p.is_file()}


@pytest.mark.parametrize(("words", "code", "told"), CASES, ids=[case[0] for case in CASES])
def test_a_fault_is_one_line(poolnorm: Command, words: str, code: int, told: str) -> None:
    before = everything()
    result = poolnorm(words)

    assert result.code == code
    assert result.err.startswith("error: ")
    assert told in result.err
    assert result.err.count("\n") == 1
    assert len(result.err) <= 240
    assert result.out == ""
    assert everything() == before


def test_a_traceback_is_shown_on_request(poolnorm: Command) -> None:
    result = poolnorm("pool max nothing.npy -vv")

    assert "Traceback" in result.err
    assert result.err.endswith("error: nothing.npy: no such file; check the name\n")


def test_a_reader_that_goes_away_is_no_fault() -> None:
    line = (
        f"{sys.executable} -m poolnorm_cli info {'x.npy ' * 2000} | true; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)

    assert done.stdout == "141\n"
    assert done.stderr == ""


def test_a_full_disk_is_an_output_that_cannot_be_written() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "poolnorm_cli", "pool", "max", "x.npy"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert done.returncode == 3
    assert b"error: standard output: No space left on device" in done.stderr


def test_the_module_is_the_command() -> None:
    assert process("--version").stdout.startswith(b"poolnorm ")


@pytest.mark.parametrize("words", ["shape pool max 4,8,8,3", "generate ones 1,4,4,1 -o -"])
def test_a_closed_standard_output_is_told(words: str) -> None:
    command = f"{sys.executable} -m poolnorm_cli {words} >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert "standard output is closed; redirect it" in done.stderr
    assert done.stderr.count("\n") == 1


def test_with_standard_error_closed_errors_are_no_data() -> None:
    command = f"{sys.executable} -m poolnorm_cli nope 2>&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
