"""Batch normalization on numbers that can be checked on paper: epsilon 0, whole means."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization


Array = NDArray[Any]

X: Array = np.array([[1.0], [3.0], [5.0], [7.0]])
"""Mean 4, biased variance 5."""


def trained(x: Array = X, weights: dict[str, Array] | None = None, **parameters: Any) -> Any:
    given = {"epsilon": 0.0, "momentum": 0.5, **parameters}
    y, after = run_array(BatchNormalization(**given), x, weights, training=True)
    return y, {name: float(weight.ravel()[0]) for name, weight in after.items()}


def test_the_batch_has_mean_0_and_variance_1_and_moves_the_averages_half_way() -> None:
    y, after = trained()

    np.testing.assert_allclose(y.ravel(), np.array([-3, -1, 1, 3]) / np.sqrt(5), rtol=1e-15)
    assert (after["moving_mean"], after["moving_variance"]) == (2.0, 3.0)


def test_fused_moves_the_variance_by_n_over_n_minus_1() -> None:
    x = X.astype(np.float32).reshape(4, 1, 1, 1)
    y, after = trained(x, fused=True)
    plain, unfused = trained(x, fused=False)

    assert y.tobytes() == plain.tobytes()
    assert after["moving_variance"] == pytest.approx((1 + 5 * 4 / 3) / 2, rel=1e-7)
    assert unfused["moving_variance"] == 3.0


def test_fused_with_one_cell_divides_by_one() -> None:
    _, after = trained(np.full((1, 1, 1, 1), 9, np.float32), fused=True)

    assert (after["moving_mean"], after["moving_variance"]) == (4.5, 0.5)


def test_renorm_brings_the_batch_over_to_the_moving_statistics() -> None:
    weights = {
        "moving_mean": np.array([2.0]),
        "moving_variance": np.array([4.0]),
        "moving_stddev": np.array([2.0]),
        "renorm_mean": np.array([2.0]),
        "renorm_stddev": np.array([2.0]),
    }
    x = np.array([[1.0], [7.0]])  # mean 4, deviation 3: r = 3 / 2, d = (4 - 2) / 2
    alone = {"renorm": True, "renorm_momentum": 0.75, "center": False, "scale": False}
    y, after = trained(x, weights, **alone)
    clipped, _ = trained(x, weights, **alone, renorm_clipping="rmax=1.25,dmax=0.5")

    assert y.ravel().tolist() == [-0.5, 2.5]  # as (x - renorm_mean) / renorm_stddev
    assert clipped.ravel().tolist() == [-0.75, 1.75]
    assert after == {
        "moving_mean": 3.0,
        "moving_variance": 6.25,  # the square of the moving deviation
        "moving_stddev": 2.5,
        "renorm_mean": 2.5,
        "renorm_stddev": 2.25,
    }


def test_ghost_batches_are_interleaved() -> None:
    y, after = trained(virtual_batch_size=2)  # ghosts 1, 5 and 3, 7: variances 4 and 4

    assert y.ravel().tolist() == [-1, -1, 1, 1]
    assert (after["moving_mean"], after["moving_variance"]) == (2.0, 2.5)


def test_an_adjustment_comes_before_gamma_and_beta() -> None:
    weights = {"gamma": [2.0], "beta": [1.0], "moving_mean": [0.0], "moving_variance": [1.0]}
    held = {name: np.array(value) for name, value in weights.items()}
    terms = {"scale": np.array([3.0]), "bias": np.array([[0.5], [0.0]])}
    layer = BatchNormalization(epsilon=0.0, adjustment=terms)  # type: ignore[arg-type]
    x = np.array([[-1.0], [1.0]])

    assert run_array(layer, x, held, training=True)[0].ravel().tolist() == [-4, 7]
    assert run_array(layer, x, held)[0].ravel().tolist() == [-1, 3]


def test_several_axes_have_a_statistic_for_each_of_their_cells() -> None:
    x = np.array([[[1.0, 2.0], [3.0, 4.0]], [[3.0, 6.0], [5.0, 4.0]]])
    layer = BatchNormalization(axis=(1, 2), momentum=0.0)
    _, after = run_array(layer, x, training=True)

    assert after["moving_mean"].tolist() == [[2, 4], [4, 4]]
    assert after["moving_variance"].tolist() == [[1, 4], [1, 0]]


def test_what_is_not_trainable_uses_and_keeps_the_moving_statistics() -> None:
    y, after = trained(trainable=False)

    assert y.tolist() == X.tolist()
    assert (after["moving_mean"], after["moving_variance"]) == (0.0, 1.0)


def test_torch_counts_momentum_from_the_other_end() -> None:
    layer = BatchNormalization(momentum=0.25, momentum_convention="torch")

    assert layer.momentum == 0.75
    assert layer == BatchNormalization(momentum=0.75)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"renorm": True},
        {"renorm": True, "renorm_clipping": "rmin=0.5,rmax=2,dmax=3"},
        {"virtual_batch_size": 16},
        {"axis": 1},
        {"adjustment": {"scale": np.full(3, 1.25), "bias": np.full((256, 1, 1), 0.5)}},
    ],
)
def test_a_large_mean_costs_nothing_in_training(parameters: dict[str, Any]) -> None:
    x = (1e6 + np.random.default_rng(7).standard_normal((256, 6, 3))).astype(np.float32)
    layer = BatchNormalization(**parameters)
    weights = {
        name: np.full(
            size, {"moving_mean": 1e6, "renorm_mean": 1e6}.get(name, 1.0 * (name != "beta"))
        )
        for name, size in layer.weight_shapes(x.shape).items()
    }
    y, after = run_array(layer, x, weights, training=True)
    exact, exactly = run_array(layer, x.astype(np.float64), weights, training=True)

    np.testing.assert_allclose(y, exact, rtol=1e-5, atol=1e-5)
    for name, value in exactly.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-6)
