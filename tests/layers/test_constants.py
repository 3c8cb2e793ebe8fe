"""Keras' `Constant` of an array, from flags, configs and JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.keras.initializers import Initializer
from tests.conftest import Command


ARRAY = {"class_name": "__numpy__", "config": {"value": [1.0, 2.0, 4.0], "dtype": "float32"}}
WORDS = [
    "constant([1,2,4])",
    "constant(value=(1, 2, 4))",
    "Constant(value=[[1, 2, 4]])",
    json.dumps({"class_name": "Constant", "config": {"value": [1, 2, 4]}}),
    json.dumps({"class_name": "Constant", "config": {"value": ARRAY}}),
]


@pytest.fixture(autouse=True)
def _input() -> None:
    np.save("x.npy", np.random.default_rng(1).standard_normal((2, 5, 3)).astype(np.float32))


@pytest.mark.parametrize("word", WORDS)
def test_a_constant_may_be_an_array(poolnorm: Command, word: str) -> None:
    np.savez("w.npz", gamma=np.array([1, 2, 4], "f4"), beta=np.zeros(3, "f4"))
    assert poolnorm("ln x.npy --weights w.npz -o expected.npy -q").code == 0
    assert poolnorm("ln x.npy -o y.npy -q --gamma-initializer", word).code == 0
    config = {"gamma_initializer": json.loads(word) if word.startswith("{") else word}
    Path("c.json").write_text(json.dumps(config))
    assert poolnorm("ln x.npy --config c.json -o z.npy -q --save-config d.json").code == 0
    assert poolnorm("ln x.npy --config d.json -o again.npy -q").code == 0

    for name in ("y", "z", "again"):
        np.testing.assert_array_equal(np.load(f"{name}.npy"), np.load("expected.npy"))
    saved = json.loads(Path("d.json").read_text())["gamma_initializer"]
    assert np.ravel(saved["config"]["value"]).tolist() == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("value", "shape", "expected"),
    [
        ([1, 2, 3], (3,), [1, 2, 3]),
        ([[1], [2]], (2, 3), [[1, 1, 1], [2, 2, 2]]),
        ([1, 2, 3], (2, 3), [[1, 2, 3], [1, 2, 3]]),
        ([5], (3,), [5, 5, 5]),
        ([1, 2, 3, 4], (2, 2), [[1, 2], [3, 4]]),
    ],
)
def test_arrays_take_the_shape_of_the_weight(
    value: Any, shape: tuple[int, ...], expected: Any
) -> None:
    made = Initializer.of({"class_name": "Constant", "config": {"value": value}})
    assert made.values(shape).tolist() == expected
    assert Initializer.of(str(made)) == made


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(UsageError, match=r"constant of shape \(3\) cannot start a weight of.*\(4"):
        Initializer.of("constant([1,2,3])").values((4,))


@pytest.mark.parametrize(
    "value", ["[1, [2]]", "[]", "[[]]", "None", "'a'", "[None]", "[1e999]", "[" * 40 + "]" * 40]
)
def test_what_is_no_array_of_numbers_is_refused(poolnorm: Command, value: str) -> None:
    result = poolnorm("ln x.npy --gamma-initializer", f"constant({value})")

    assert result.code == 2
    assert "give a finite number, or an array of them, as [1, 2]" in result.err


NULLS = {
    "ln x.npy": (
        ["axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer"],
        ["beta_regularizer", "gamma_constraint", "name"],
    ),
    "bn x.npy": (
        ["momentum", "renorm", "renorm_momentum", "synchronized", "moving_mean_initializer"],
        ["renorm_clipping", "fused", "virtual_batch_size", "adjustment"],
    ),
    "gn x.npy": (["groups", "trainable"], []),
    "pool max x.npy": (["pool_size", "padding"], ["strides", "data_format", "name"]),
    "gpool max x.npy": (["keepdims"], ["data_format"]),
    "apool max x.npy --output-size 1": (["output_size"], []),
}


@pytest.mark.parametrize("line", NULLS)
def test_null_is_taken_only_where_keras_has_it(poolnorm: Command, line: str) -> None:
    refused, taken = NULLS[line]
    for name in refused:
        Path("c.json").write_text(json.dumps({name: None}))
        result = poolnorm(f"{line} --config c.json -q")
        assert result.code == 4, name
        assert result.err == (f"error: c.json: {name} is null; give what Keras' get_config() has\n")
    for name in taken:
        Path("c.json").write_text(
            json.dumps({name: None, **({"groups": 3} if "gn" in line else {})})
        )
        assert poolnorm(f"{line} --config c.json -q").code == 0, name
