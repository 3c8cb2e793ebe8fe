"""`shape`, `info`, `generate`, help and completion."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import Command, process


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ("pool max 4,28,28,3 --pool-size 2 --strides 1 --padding same", "4,28,28,3"),
        ("pool max None,28,28,3 --pool-size 2", "None,14,14,3"),
        ("pool average N,H,W,3 --strides 1 --padding same", "N,H,W,3"),
        ("pool max 2,3,9,9 --data-format channels_first --pool-size 3", "2,3,3,3"),
        ("gpool max N,H,W,3", "N,3"),
        ("gpool average 2,5,6,7,3 --keepdims", "2,1,1,1,3"),
        ("bn N,H,W,3", "N,H,W,3"),
        ("ln None,5,2 --axis 1,2", "None,5,2"),
        ("pool max x.npy", "4,14,14,3"),
    ],
)
def test_shape_prints_the_output_shape(
    poolnorm: Command, x: NDArray[Any], words: str, shape: str
) -> None:
    assert poolnorm(f"shape {words} -q").out == f"{shape}\n"


def test_shape_says_more_when_not_quiet(poolnorm: Command) -> None:
    told = poolnorm("shape pool max None,28,28,3").out
    document = json.loads(poolnorm("shape pool max None,28,28,3 --json").out)

    assert told == "(None, 28, 28, 3)\t(None, 14, 14, 3)\tMaxPooling2D(pool_size=2)\n"
    assert document["output_shape"] == [None, 14, 14, 3]
    assert document["layer"]["strides"] == [2, 2]


def test_info_reads_headers_alone(poolnorm: Command) -> None:
    np.savez("two.npz", a=np.ones((2, 3)), b=np.arange(4, dtype=">i2"))
    np.save("turned.npy", np.asfortranarray(np.ones((2, 3), np.float16)))
    lines = poolnorm("info two.npz turned.npy").out.splitlines()

    assert lines == [
        "two.npz::a\t(2, 3)\tfloat64\tC\t48",
        "two.npz::b\t(4,)\tint16\tC big-endian\t8",
        "turned.npy\t(2, 3)\tfloat16\tF\t12",
    ]
    assert poolnorm("info turned.npy -q").out == "2,3\n"


def test_info_reads_the_data_on_request(poolnorm: Command) -> None:
    x = np.array([[1, np.nan, 3], [-np.inf, 2, np.nan]], np.float32)
    np.save("x.npy", x)
    fields = poolnorm("info x.npy --stats").out.rstrip("\n").split("\t")
    stats = json.loads(poolnorm("info x.npy --stats --json").out)["arrays"][0]["stats"]

    assert fields[5:] == ["2", "1", "-inf @ 1,0", "3 @ 0,2", "2", "0.8164966"]
    assert stats["minimum"] == {"value": "-Infinity", "index": [1, 0]}
    assert stats["std"] == pytest.approx(np.std([1, 2, 3]))


def test_info_of_integers_and_of_nothing(poolnorm: Command) -> None:
    np.save("i.npy", np.array([[5, 2**62], [-7, 2**62]]))
    np.save("e.npy", np.empty((0, 3)))
    np.save("nan.npy", np.full((2, 2), np.nan))

    told = poolnorm("info i.npy --stats").out
    assert f"-7 @ 1,0\t{2**62} @ 0,1" in told
    assert poolnorm("info e.npy --stats").out.endswith("\t0\t0\t-\t-\t-\t-\n")
    assert poolnorm("info nan.npy --stats").out.endswith("\t4\t0\t-\t-\t-\t-\n")


def test_info_goes_on_after_a_bad_file(poolnorm: Command, x: NDArray[Any]) -> None:
    result = poolnorm("info nothing.npy x.npy")

    assert result.code == 1
    assert result.out.startswith("x.npy\t")


def test_generated_tensors_are_the_same_on_every_machine(poolnorm: Command) -> None:
    poolnorm("generate normal 4,28,28,3 --seed 1 -o x.npy")
    expected = np.random.Generator(np.random.PCG64(1)).standard_normal((4, 28, 28, 3))

    np.testing.assert_array_equal(np.load("x.npy"), expected.astype(np.float32))


@pytest.mark.parametrize(
    ("kind", "values"), [("arange", range(6)), ("zeros", [0] * 6), ("ones", [1] * 6)]
)
@pytest.mark.parametrize("dtype", ["float16", "int64", "uint8"])
def test_regular_tensors(poolnorm: Command, kind: str, values: Any, dtype: str) -> None:
    assert poolnorm(f"generate {kind} 2,3 -o x.npy --dtype {dtype}").out == (
        f"x.npy\t(2, 3)\t{dtype}\n"
    )
    found = np.load("x.npy")

    assert found.dtype == dtype
    assert found.ravel().tolist() == list(values)


def test_uniform_values_lie_between_0_and_1(poolnorm: Command) -> None:
    assert poolnorm("generate uniform 500000 --dtype float64 -o x.npy -q").out == ""
    found = np.load("x.npy")

    assert 0 <= found.min() < 0.001
    assert 0.999 < found.max() < 1


def test_a_generated_tensor_can_be_piped(x: NDArray[Any]) -> None:
    made = process("generate", "ones", "1,4,1", "-o", "-")
    listed = process("info", "-", "-q", input=made.stdout)

    assert listed.stdout == b"1,4,1\n"


def test_help_of_every_command_has_an_example(poolnorm: Command) -> None:
    for words in ("pool max", "pool average", "gpool max", "bn", "ln", "info", "generate"):
        told = poolnorm(f"{words} --help")

        assert told.code == 0
        assert "Example: poolnorm" in told.out
    assert "\nPooling:\n  pool max|average|min|lp " in poolnorm("").out


def test_completion_knows_verbs_and_flags() -> None:
    def completed(line: str) -> str:
        variables = {"_POOLNORM_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "2"}
        return process(env=os.environ | variables).stdout.decode()

    assert "max" in completed("poolnorm pool ")


def test_a_verb_imports_no_more_than_it_needs(x: NDArray[Any]) -> None:
    heavy = {"numpy", "rich", "onnx", "onnxruntime", "zipfile", "tempfile", "json"}
    unwanted = {
        "shape pool max 4,28,28,3": heavy,
        "--version": heavy,
        "info x.npy": heavy - {"json"},
        "pool max x.npy -q -o y.npy": heavy - {"numpy"},
    }
    for words, modules in unwanted.items():
        done = process_imports(words)

        assert not modules & done, words


def process_imports(words: str) -> set[str]:
    code = (
        "import sys; from poolnorm_cli.cli.main import run; run(sys.argv[1:]);"
        "print('\\n', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words.split()], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_an_outcome_is_written_with_the_mask_of_the_process(
    poolnorm: Command, x: NDArray[Any]
) -> None:
    old = os.umask(0o027)
    try:
        poolnorm("gpool max x.npy -o y.npy")
    finally:
        os.umask(old)

    assert Path("y.npy").stat().st_mode & 0o777 == 0o640
