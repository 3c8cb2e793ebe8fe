"""`--synchronized`: the inputs of one command are one batch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from tests.conftest import Command


FILES = ("a", "b", "c")


@pytest.fixture
def parts() -> list[NDArray[Any]]:
    random = np.random.default_rng(4)
    made = [random.normal(k, 2, (3 + k, 4, 2)).astype(np.float32) for k in range(3)]
    for name, part in zip(FILES, made, strict=True):
        np.save(f"{name}.npy", part)
    return made


@pytest.mark.parametrize(
    ("flags", "parameters"),
    [("", {}), ("--renorm", {"renorm": True}), ("--no-trainable", {"trainable": False})],
)
def test_outputs_and_state_are_those_of_one_batch(
    poolnorm: Command, parts: list[NDArray[Any]], flags: str, parameters: dict[str, Any]
) -> None:
    words = f"bn a.npy b.npy c.npy --training --synchronized {flags} -O out --save-weights s.npz -q"
    assert poolnorm(words).code == 0

    y, weights = run_array(BatchNormalization(**parameters), np.concatenate(parts), training=True)
    written = np.concatenate([np.load(f"out/{name}.npy") for name in FILES])
    np.testing.assert_allclose(written, y, rtol=1e-6, atol=1e-6)
    saved = np.load("s.npz")
    for name, weight in weights.items():
        np.testing.assert_allclose(saved[name], weight, rtol=1e-6)


def test_a_mask_counts_over_all_inputs(poolnorm: Command, parts: list[NDArray[Any]]) -> None:
    part = parts[0]
    mask = np.arange(12).reshape(3, 4) % 3 > 0
    np.save("mask.npy", mask)
    words = "bn a.npy a.npy --training --synchronized --mask mask.npy --save-weights s.npz -q"
    assert poolnorm(words).code == 0

    twice = np.concatenate([part, part])
    both = np.concatenate([mask, mask])
    _, weights = run_array(BatchNormalization(), twice, training=True, mask=both)
    np.testing.assert_allclose(np.load("s.npz")["moving_mean"], weights["moving_mean"], rtol=1e-6)


def test_a_bad_input_is_named_before_any_output(
    poolnorm: Command, parts: list[NDArray[Any]]
) -> None:
    parts[1][0, 0, 1] = np.inf
    np.save("b.npy", parts[1])
    result = poolnorm("bn a.npy b.npy c.npy --training --synchronized -O out --save-weights s.npz")

    assert result.code == 1
    assert "error: b.npy: channel 1 of the batch has a NaN or an infinity" in result.err
    assert not Path("out").exists()
    assert not Path("s.npz").exists()


def test_inputs_that_do_not_join_are_refused(poolnorm: Command, parts: list[NDArray[Any]]) -> None:
    np.save("flat.npy", parts[0][:, 0])
    result = poolnorm("bn a.npy flat.npy --training --synchronized -O out")

    assert result.code == 2
    assert result.err.splitlines()[0] == (
        "error: flat.npy: statistics of shape (1,2) cannot be merged "
        "with those of the inputs before, (1,1,2); give inputs of one rank with the same channels"
    )


def test_standard_input_cannot_be_read_twice(poolnorm: Command) -> None:
    result = poolnorm("bn - --training --synchronized")

    assert result.code == 2
    assert result.err == ("error: --synchronized with a standard stream; give files\n")


def test_the_explanation_says_that_all_inputs_count(
    poolnorm: Command, parts: list[NDArray[Any]]
) -> None:
    count = sum(part.size // 2 for part in parts)
    words = "bn a.npy b.npy c.npy --training --synchronized --explain --json"
    results = json.loads(poolnorm(words).out)["results"]

    for result in results:
        assert "synchronized: the batch is that of all inputs together" in result["explanation"]
        assert any(line.startswith(f"N = {count} cells") for line in result["explanation"])
