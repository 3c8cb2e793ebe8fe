"""`generate values` writes what was typed."""

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Command


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[1,2],[3,4]]", [[1, 2], [3, 4]]),
        ("[[1, 2.5], [-3, 4e2]]", [[1, 2.5], [-3, 400]]),
        ("((1,2),(3,4),)", [[1, 2], [3, 4]]),
        ("[nan, -inf, .5, 1., +7, 007]", [np.nan, -np.inf, 0.5, 1, 7, 7]),
        ("[[], []]", np.zeros((2, 0))),
        ("5", 5),
        ("[True, false]", [1, 0]),
        ("[0.1, 16777217]", [0.1, 16777217]),
    ],
)
def test_what_was_typed(poolnorm: Command, text: str, expected: object) -> None:
    assert poolnorm("generate values", text, "-o", "x.npy").code == 0

    found = np.load("x.npy")
    np.testing.assert_array_equal(found, np.array(expected, np.float32), strict=True)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "uint8", "int8"])
def test_dtypes(poolnorm: Command, dtype: str) -> None:
    assert poolnorm(f"generate values [[1],[127]] --dtype {dtype} -o x.safetensors").code == 0
    assert poolnorm("info x.safetensors").out.split("\t")[1:3] == ["(2, 1)", dtype]


def test_large_integers_are_kept(poolnorm: Command) -> None:
    assert poolnorm("generate values [9007199254740993] --dtype int64 -o x.npy").code == 0
    assert np.load("x.npy")[0] == 9007199254740993


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[1,2],[3]]", "the lists are ragged: [1, 2] has 2, and [3] has 1"),
        ("[1,[2]]", "the lists are ragged: 1 is one number, and [2] has 1"),
        ("[a]", "'[a]' are not numbers in brackets"),
        ('["1"]', 'the value "1" is not a number'),
        ("[1 2]", "are not numbers in brackets"),
        ("[[", "are not numbers in brackets"),
        ("__import__('os')", "are not numbers in brackets"),
        ("[" * 5000, "are not numbers in brackets"),
        ("[" * 50 + "]" * 50, "lists nested more than 32 deep"),
    ],
)
def test_what_is_no_tensor(poolnorm: Command, text: str, what: str) -> None:
    result = poolnorm("generate values", text, "-o", "x.npy")

    assert (result.code, result.err.count("\n")) == (2, 1)
    assert what in result.err
    assert not Path("x.npy").exists()


@pytest.mark.parametrize("value", ["300", "-1", "2.5", "nan", "inf"])
def test_a_value_that_does_not_fit(poolnorm: Command, value: str) -> None:
    result = poolnorm(f"generate values [1,{value}] --dtype uint8 -o x.npy")

    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "give whole numbers from 0 to 255" in result.err
