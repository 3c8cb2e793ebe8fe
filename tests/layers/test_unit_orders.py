"""Unit normalization by other norms than the Euclidean one, and above another floor."""

import numpy as np
import pytest

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.layers.unit_norm import UnitNormalization
from tests.conftest import Command


BACKENDS = ("numpy", "onnx")
X = np.array([[3.0, -4.0, 0.0], [0.0, 0.0, 0.0], [1e308, 1e308, -1e308], [np.nan, 1.0, 2.0]])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("order", "first", "third"),
    [
        ("2", 5.0, 3**0.5),
        ("1", 7.0, 3.0),
        ("inf", 4.0, 1.0),
        ("3", 91 ** (1 / 3), 3 ** (1 / 3)),
        ("0.5", (3**0.5 + 2) ** 2, 9.0),
    ],
)
def test_rows_are_divided_by_the_norm(
    poolnorm: Command, backend: str, order: str, first: float, third: float
) -> None:
    np.save("x.npy", X)

    assert poolnorm(f"unit x.npy -o y.npy --order {order} --backend {backend}").code == 0

    y = np.load("y.npy")
    np.testing.assert_allclose(y[0], X[0] / first, rtol=1e-12)
    assert y[1].tolist() == [0, 0, 0]
    np.testing.assert_allclose(y[2], np.sign(X[2]) / third, rtol=1e-12)
    assert np.isnan(y[3]).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("order", ["2", "1", "inf", "4.5"])
def test_norms_below_the_floor_count_as_it(poolnorm: Command, backend: str, order: str) -> None:
    np.save("x.npy", np.array([[0.25, 0, 0], [8, 0, 0]], "float32"))

    poolnorm(f"unit x.npy -o y.npy --order {order} --epsilon 2 --backend {backend}")

    assert np.load("y.npy").tolist() == [[0.125, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sample_beyond_a_block_has_one_norm(poolnorm: Command, backend: str) -> None:
    x = np.random.default_rng(0).normal(size=(1, 2500, 2500)).astype("float32")
    np.save("x.npy", x)

    for order, norm in (("1", np.abs(x).sum(dtype="float64")), ("inf", np.abs(x).max())):
        poolnorm(f"unit x.npy -o y.npy --overwrite --axis 1,2 --order {order} --backend {backend}")
        np.testing.assert_allclose(np.load("y.npy"), x / norm, rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ["0", "-1", "-2.5", "-inf", "0.5", "1.2", "9", "1e-3"])
def test_any_order_is_that_of_numpy(
    poolnorm: Command, order: str, dtype: str, backend: str
) -> None:
    x = np.random.default_rng(3).normal(size=(5, 4, 6)).astype(dtype)
    x[1, 2, 3] = 0
    np.save("x.npy", x)

    result = poolnorm(f"unit x.npy -o y.npy --axis 2 --order={order} --backend {backend}")
    assert result.code == 0

    with np.errstate(all="ignore"):
        norm = np.linalg.norm(x.astype(np.float64), float(order), axis=2, keepdims=True)
        expected = x / np.maximum(norm, 1e-12)
    np.testing.assert_allclose(
        np.load("y.npy"), expected, rtol=1e-6 if dtype == "float32" else 1e-9
    )


def test_an_order_is_a_number(poolnorm: Command) -> None:
    np.save("x.npy", X)

    for order in ("nan", "two"):
        result = poolnorm(f"unit x.npy --order {order}")
        assert result.code == 2
        assert "--order" in result.err
    assert "sum(|x|**1.5)**(1/1.5)" in poolnorm("shape unit 4,3 --order 1.5 --explain").out


def test_samples_are_not_mixed_by_another_order(poolnorm: Command) -> None:
    np.save("x.npy", np.array([3.0, 1.0]))

    result = poolnorm("unit x.npy -o y.npy --order 1")
    assert result.code == 2
    assert "--order 1 along axis 0" in result.err

    assert poolnorm("unit x.npy -o y.npy --order 1 --unbatched").code == 0
    assert np.load("y.npy").tolist() == [0.75, 0.25]


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("axes", [(1, 3), (1, 4), (2, 4), (1, 2), (2, 3), (1, 3, 4), (3,)])
@pytest.mark.parametrize("middle", [1, 6])
def test_axes_with_others_between_them_are_one_image(
    order: float, axes: tuple[int, ...], middle: int
) -> None:
    x = np.random.default_rng(1).standard_normal((4, 5, middle, 3, 2))
    y, _ = run_array(UnitNormalization(axis=axes, order=order), x)

    powers = np.abs(x) ** (1 if order == np.inf else order)
    norms = powers.max(axes, keepdims=True) if order == np.inf else powers.sum(axes, keepdims=True)
    np.testing.assert_allclose(y, x / norms ** (1 if order == np.inf else 1 / order), rtol=1e-12)


def test_keras_has_the_euclidean_norm_alone(poolnorm: Command) -> None:
    np.save("x.npy", X)

    for flag in ("--order 1", "--epsilon 0.5"):
        result = poolnorm(f"unit x.npy --keras {flag}")
        assert result.code == 2
        assert result.err.startswith(f"error: Keras has no {flag}")
    kept = poolnorm("unit x.npy --save-config - --no-values -q").out
    assert "order" not in kept
    assert "epsilon" not in kept


@pytest.mark.oracle
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("order", ["1", "2", "inf", "0.5", "3", "0", "-1", "-inf"])
def test_torch_gives_the_same(poolnorm: Command, backend: str, order: str) -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(1)
    for axis, epsilon in ((1, 1e-12), (2, 0.5), (3, 20.0)):
        x = random.normal(size=(3, 4, 5, 6)).astype("float32")
        np.save("x.npy", x)
        more = f"--axis {axis} --epsilon {epsilon} --backend {backend} --overwrite"
        poolnorm(f"unit x.npy -o y.npy --order={order} {more}")
        expected = torch.nn.functional.normalize(
            torch.from_numpy(x), p=float(order), dim=axis, eps=epsilon
        )
        np.testing.assert_allclose(np.load("y.npy"), expected.numpy(), rtol=1e-5)
