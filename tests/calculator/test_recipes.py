"""`shape pipe --recipe`: the steps of a file, before those that are typed."""

import json
from pathlib import Path

import pytest

from tests.conftest import Command


RECIPE = """schema = 1

[[step]]
layer = "pool max"
pool_size = 3
strides = 2

[[step]]
layer = "bn"
weights = "they_are_not_read.npz"
"""


def model(rank: str) -> str:
    config = {"layers": [{"class_name": f"MaxPooling{rank}", "config": {"pool_size": [2, 2]}}]}
    return json.dumps({"class_name": "Sequential", "config": config})


@pytest.fixture(autouse=True)
def _files() -> None:
    Path("f.toml").write_text(RECIPE)
    Path("m.json").write_text(model("2D"))


def test_steps_of_a_recipe_come_before_typed_ones(poolnorm: Command) -> None:
    assert poolnorm("shape pipe N,29,29,3 --recipe f.toml -q").out == "N,14,14,3\n"
    document = json.loads(poolnorm("shape pipe N,29,29,3 --recipe f.toml ! gpool max --json").out)

    assert [step["layer"] for step in document["steps"]] == ["pool max", "bn", "gpool max"]
    assert [step["step"] for step in document["steps"]] == [1, 2, 3]
    assert document["output_shape"] == ["N", 3]
    assert document["steps"][2]["axes"][0]["receptive_field"] == 29


def test_a_keras_sequential_is_a_recipe_too(poolnorm: Command) -> None:
    assert poolnorm("shape pipe N,28,28,3 --recipe m.json --field out.h").out == "14\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("N,28,28,3 --recipe g.toml", 4, "g.toml: no such file"),
        ("N,28,28,3 --recipe g.txt", 2, "--recipe 'g.txt' is not a recipe by its name"),
        ("N,28,3 --recipe m.json", 2, "the model of the recipe takes rank 4"),
        ("N,2,2,3 --recipe f.toml", 2, "step 1 (pool max): axis 1 has 2 cells"),
        ("N,28,28,3 --recipe f.toml ! ln --axis 9", 2, "step 3 (ln): --axis 9"),
    ],
)
def test_what_is_wrong_is_told(poolnorm: Command, words: str, code: int, said: str) -> None:
    result = poolnorm(f"shape pipe {words}")

    assert (result.code, result.out) == (code, "")
    assert said in result.err
