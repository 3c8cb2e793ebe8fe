"""Local response normalization, against its formula and against torch."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolnorm_cli.layers.local_response_norm import LocalResponseNormalization
from tests.conftest import Command


Array = NDArray[Any]
BACKENDS = ("numpy", "onnx")


def by_formula(x: Array, layer: LocalResponseNormalization) -> Array:
    """Add the squares channel by channel, the channels last."""
    wide, channels = x.astype("float64"), x.shape[-1]
    y = np.empty_like(wide)
    for c in range(channels):
        first, end = max(c - layer.size // 2, 0), c + (layer.size - 1) // 2 + 1
        squares = (wide[..., first:end] ** 2).sum(-1)
        y[..., c] = wide[..., c] / (layer.bias + layer.alpha / layer.size * squares) ** layer.beta
    return y


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 30])
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_the_squares_of_the_channels_around_divide(
    poolnorm: Command, backend: str, size: int, layout: str
) -> None:
    x = np.random.default_rng(size).normal(0, 30, (2, 3, 4, 7)).astype("float32")
    layer = LocalResponseNormalization(size=size, alpha=0.01, beta=0.6, bias=2.0)
    first = layout == "channels_first"
    np.save("x.npy", np.moveaxis(x, -1, 1) if first else x)

    poolnorm(
        f"lrn x.npy -o y.npy --size {size} --alpha 0.01 --beta 0.6 --bias 2 "
        f"--data-format {layout} --backend {backend}"
    )

    y = np.load("y.npy")
    y = np.moveaxis(y, 1, -1) if first else y
    np.testing.assert_allclose(y, by_formula(x, layer), rtol=3e-7)


@pytest.mark.parametrize("backend", BACKENDS)
def test_squares_may_leave_the_range_where_the_result_does_not(
    poolnorm: Command, backend: str
) -> None:
    np.save("x.npy", np.array([[1e200, 1.0, 3.0], [1e308, -1e308, 1e300], [np.inf, 1, 2]]))

    poolnorm(f"lrn x.npy -o y.npy --size 3 --backend {backend}")

    y = np.load("y.npy")
    power = (1e-4 / 3) ** -0.75
    np.testing.assert_allclose(y[0, :2], [power * 1e-100, power * 1e-300], rtol=1e-12)
    np.testing.assert_allclose(y[1, :2], [1e-154 * power * 2**-0.75] * np.array([1, -1]), rtol=1e-9)
    assert np.isnan(y[2, 0])
    assert y[2, 1] == 0


def test_an_odd_size_is_exported_as_the_operator(poolnorm: Command) -> None:
    onnx = pytest.importorskip("onnx")
    poolnorm("lrn 2,3,4,5 --export odd.onnx")
    poolnorm("lrn 2,3,4,5 --size 4 --export even.onnx")

    odd, even = (
        {node.op_type for node in onnx.load(f"{name}.onnx").graph.node} for name in ("odd", "even")
    )

    assert "LRN" in odd
    assert "LRN" not in even


@pytest.mark.oracle
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(20))
def test_torch_gives_the_same(poolnorm: Command, backend: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(seed)
    x = random.normal(0, 10, random.integers(1, 9, random.integers(3, 6))).astype("float32")
    size, (alpha, beta, bias) = int(random.integers(1, 12)), random.uniform(0.1, 2, 3)
    np.save("x.npy", x)

    poolnorm(
        f"lrn x.npy -o y.npy --size {size} --alpha {alpha} --beta {beta} --bias {bias} "
        f"--data-format channels_first --backend {backend}"
    )

    expected = torch.nn.LocalResponseNorm(size, alpha, beta, bias)(torch.from_numpy(x))
    np.testing.assert_allclose(np.load("y.npy"), expected.numpy(), rtol=3e-6, atol=1e-6)
