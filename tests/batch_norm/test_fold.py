"""`--fold`: what inference amounts to, and how far that is from the layer."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Command


@pytest.fixture(autouse=True)
def _files() -> None:
    random = np.random.default_rng(9)
    np.save("x.npy", random.standard_normal((4, 5, 3)).astype(np.float32))
    np.save("far.npy", (random.standard_normal((4, 5, 3)) + 1e4).astype(np.float32))
    np.savez(
        "w.npz",
        gamma=np.array([1, 2, 3], np.float32),
        beta=np.array([0, 1, 2], np.float32),
        moving_mean=np.array([1, 2, 4], np.float32),
        moving_variance=np.array([3, 8, 15], np.float32),
    )


def test_scale_and_shift_are_gamma_over_deviation_and_what_is_left(poolnorm: Command) -> None:
    result = poolnorm("bn --weights w.npz --epsilon 1 --fold -o fold.npz")

    assert result.code == 0
    assert result.out.splitlines() == [
        "y = x * scale + shift",
        "scale\t[0.5       0.6666667 0.75     ]",
        "shift\t[-0.5        -0.33333334 -1.        ]",
    ]
    folded = np.load("fold.npz")
    np.testing.assert_allclose(folded["scale"], [0.5, 2 / 3, 0.75], rtol=1e-7)
    np.testing.assert_allclose(folded["shift"], [-0.5, -1 / 3, -1], rtol=1e-7)
    assert folded["scale"].dtype == np.float32


def test_the_largest_error_is_that_against_the_layer(poolnorm: Command) -> None:
    document = json.loads(poolnorm("bn x.npy far.npy --weights w.npz --fold --json").out)
    poolnorm("bn far.npy --weights w.npz -o y.npy")
    scale, shift = np.float32(document["scale"]), np.float32(document["shift"])
    error = np.abs(np.load("far.npy") * scale + shift - np.load("y.npy")).max()

    assert document["largest_error"]["far.npy"] == error
    assert document["largest_error"]["x.npy"] < 1e-6 < error < 1e-2


def test_standard_input_is_compared_too(poolnorm: Command) -> None:
    data = Path("x.npy").read_bytes()
    result = poolnorm("bn - --weights w.npz --fold", stdin=data)

    assert result.out.splitlines()[3].split("\t")[0::2] == ["largest error", "-"]


def test_every_channel_axis_folds(poolnorm: Command) -> None:
    x = np.load("x.npy")
    for axis in (0, 1, 2):
        np.save("turned.npy", np.moveaxis(x, 2, axis))
        words = f"bn turned.npy --axis {axis} --weights w.npz --fold --json"
        assert json.loads(poolnorm(words).out)["largest_error"]["turned.npy"] < 1e-6


def test_quiet_only_writes(poolnorm: Command) -> None:
    assert poolnorm("bn --weights w.npz --fold -o fold.npz -q").out == ""
    assert Path("fold.npz").exists()
    assert poolnorm("bn --weights w.npz --fold -o fold.npz").code == 2


def test_inputs_are_needed_where_nothing_is_folded(poolnorm: Command) -> None:
    result = poolnorm("bn --weights w.npz")

    assert result.code == 2
    assert result.err == "error: missing argument 'INPUT...'; type poolnorm bn --help\n"


def test_other_layers_do_not_fold(poolnorm: Command) -> None:
    assert "no such flag --fold" in poolnorm("ln x.npy --fold").err
