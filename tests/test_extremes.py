"""Numbers at the edge of their range: results are finite where the exact ones are."""

from fractions import Fraction
from math import isqrt, prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.backends import open_backend
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.kernels.moments import masked_moments, merge, moments_of, tree_reduce
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from tests.conftest import Command


def layer(words: str, **parameters: Any) -> Layer:
    return find(*words.split())(**parameters)


def root(value: Fraction) -> Fraction:
    """Return the square root, to the digits of a float64 and more."""
    scale = 1 << 1300
    return Fraction(isqrt(value.numerator * scale * scale // value.denominator), scale)


def exact(
    x: Any, axes: tuple[int, ...], epsilon: float, *, centered: bool = True, unit: bool = False
) -> Any:
    """Normalize in fractions, which have no range."""
    last = range(x.ndim - len(axes), x.ndim)
    moved = np.moveaxis(x, axes, last)
    rows = moved.reshape(-1, prod(x.shape[axis] for axis in axes))
    out = np.empty(rows.shape)
    for row, to in zip(rows, out, strict=True):
        cells = [Fraction(float(cell)) for cell in row]
        mean = sum(cells, Fraction(0)) / len(cells) if centered else Fraction(0)
        square = sum(((cell - mean) ** 2 for cell in cells), Fraction(0))
        size = root(square if unit else square / len(cells) + Fraction(epsilon))
        to[:] = [float((cell - mean) / max(size, Fraction(1e-12) if unit else 0)) for cell in cells]
    return np.moveaxis(out.reshape(moved.shape), last, axes)


HAS_WIDE = np.finfo(np.longdouble).maxexp > 1024
"""Whether this machine has numbers whose range is wider than float64's."""
KINDS = {
    "near the end": ("float32", [3e38, -3e38, -3e38, -3e38]),
    "all at the end": ("float32", [3.4028235e38, 3.4028235e38, -3.4028235e38, 3.4e38]),
    "a large mean": ("float32", [3.4e38, 3.3e38, 3.2e38, 3.1e38]),
    "subnormal": ("float32", [1e-45, 3e-45, 1e-40, 0.0]),
    "all magnitudes": ("float32", [3e38, 1e-45, 1.0, -1e20]),
    "small": ("float32", [1e-30, -2e-30, 3e-30, 1e-30]),
    "1e154": ("float64", [1e154, -2e154, 1e153, 3e154]),
    "1e200": ("float64", [1e200, -1e200, 0.0, 0.0]),
    "1e300": ("float64", [1e300, 1.1e300, 1.2e300, -1e299]),
    "the end": ("float64", [1.7976931348623157e308, -1.7976931348623157e308, 1e308, 1e308]),
    "alike at the end": ("float64", [1.7e308, 1.7e308, 1.6e308, 1.7e308]),
    "1e-160": ("float64", [1e-160, -2e-160, 0.0, 3e-160]),
    "1e-200": ("float64", [1e-200, 2e-200, 4e-200, 1e-201]),
    "subnormal 64": ("float64", [5e-324, 1e-323, 1e-310, 0.0]),
}
KINDS = {kind: given for kind, given in KINDS.items() if HAS_WIDE or given[0] == "float32"}


def tensor(kind: str, axis: int) -> Any:
    """Put the cells along an axis of (2, 4, 5, 4), beside ordinary ones."""
    dtype, cells = KINDS[kind]
    x = np.random.default_rng(5).standard_normal((2, 4, 5, 4))
    x[1] = np.moveaxis(np.broadcast_to(cells, (4, 5, 4) if axis == 3 else (5, 4, 4)), 2, axis - 1)
    return x.astype(dtype)


def close(y: Any, expected: Any, dtype: str) -> None:
    rtol = 1e-5 if dtype == "float32" else 1e-12
    with np.errstate(over="ignore"):
        expected = expected.astype(dtype)
    for sample, wanted in zip(y, expected, strict=True):  # each by its own size
        size = float(np.abs(wanted).max())
        np.testing.assert_allclose(sample, wanted, rtol=rtol, atol=rtol * size)


@pytest.mark.parametrize("epsilon", [0.0, 1e-3])
@pytest.mark.parametrize("axis", [3, 1])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("words", ["ln", "rms", "unit"])
def test_each_row_is_normalized(
    words: str, kind: str, axis: int, epsilon: float, every_backend: Any
) -> None:
    given = {} if words == "unit" else {"epsilon": epsilon}  # it has none
    x = tensor(kind, axis)
    y, _ = run_array(layer(words, axis=axis, **given), x, backend=every_backend)

    expected = exact(x, (axis,), epsilon, centered=words == "ln", unit=words == "unit")
    close(y, expected, x.dtype.name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("words", "given"), [("in", {}), ("gn", {"groups": 2})])
def test_each_group_is_normalized(words: str, given: Any, kind: str, every_backend: Any) -> None:
    x = tensor(kind, 1)
    for epsilon in (0.0, 1e-3):
        y, _ = run_array(layer(words, epsilon=epsilon, **given), x, backend=every_backend)
        parts = x.reshape(2, 4, 5, given.get("groups", 4), -1)
        expected = exact(parts, (1, 2, 4), epsilon).reshape(x.shape)
        close(y, expected, x.dtype.name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axes", [(0,), (0, 1), (1, 2), (1, 2, 3), (1, 3)])
def test_layer_normalization_over_several_axes(
    axes: tuple[int, ...], kind: str, every_backend: Any
) -> None:
    x = tensor(kind, 1)
    for words in ("ln", "rms", "unit"):
        given = {} if words == "unit" else {"epsilon": 0.0}
        y, _ = run_array(layer(words, axis=axes, **given), x, backend=every_backend)
        expected = exact(x, axes, 0.0, centered=words == "ln", unit=words == "unit")
        close(y, expected, x.dtype.name)


def channels(kind: str) -> Any:
    """Put the cells into the first of three channels of (4, 5, 3)."""
    dtype, cells = KINDS[kind]
    x = np.random.default_rng(6).standard_normal((4, 5, 3))
    x[:, :, 0] = np.reshape(cells, (4, 1))
    return x.astype(dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axis", [2, 1])
def test_batch_normalization_by_the_statistics_of_the_batch(
    axis: int, kind: str, every_backend: Any
) -> None:
    x = np.ascontiguousarray(np.moveaxis(channels(kind), 2, axis))
    made = layer("bn", axis=axis, epsilon=0.0, momentum=1.0)
    y, _ = run_array(made, x, training=True, backend=every_backend)

    expected = exact(x, (0, 3 - axis), 0.0)
    for channel in range(3):
        part = np.take(y, channel, axis)[None], np.take(expected, channel, axis)[None]
        close(*part, x.dtype.name)


@pytest.mark.parametrize(
    ("dtype", "x", "mean", "variance", "gamma", "beta"),
    [
        ("float32", 3e38, -3e38, 1e38, 1.0, 0.0),
        ("float32", -3.4e38, 3.4e38, 3e38, 1e-19, 1e30),
        ("float32", 3e38, 0.0, 1.0, 1.2, -1e38),
        ("float32", 1e-40, 0.0, 1e-45, 1e-10, 0.0),
        ("float32", 3e38, 3e38, 1e-38, 1e5, 7.0),
        ("float64", 1.7e308, -1.7e308, 1e308, 1.0, 0.0),
        ("float64", 1e308, 0.0, 1.0, 1.5, -1e308),
        ("float64", 5e-324, 0.0, 5e-324, 1e10, 1e-10),
        ("float64", 1e-310, -2e-310, 1e-300, 1.0, 0.0),
    ],
)
def test_batch_normalization_by_extreme_moving_statistics(
    dtype: str,
    x: float,
    mean: float,
    variance: float,
    gamma: float,
    beta: float,
    every_backend: Any,
) -> None:
    names = {"moving_mean": mean, "moving_variance": variance, "gamma": gamma, "beta": beta}
    weights = {name: np.array([value, 1.0], dtype) for name, value in names.items()}
    cells = np.array([[x, 2.0], [x / 2, -1.0]], dtype)
    y, _ = run_array(layer("bn", epsilon=0.0), cells, weights, backend=every_backend)

    m, v, g, b = (Fraction(float(np.array(value, dtype))) for value in names.values())
    expected = [float((Fraction(float(cell)) - m) / root(v) * g + b) for cell in cells[:, 0]]
    with np.errstate(over="ignore"):  # one of them is infinite
        rounded = np.array(expected).astype(dtype)
    np.testing.assert_allclose(y[:, 0], rounded, rtol=1e-6)
    np.testing.assert_allclose(y[:, 1], [2, -1], atol=1e-6)


@pytest.mark.parametrize("words", ["ln", "bn"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_weights_bring_back_into_the_range_is_finite(
    words: str, dtype: str, every_backend: Any
) -> None:
    large = {"float32": 3e38, "float64": 1.7e308}[dtype]
    x = np.tile(np.array([1, -1, 1, -1], dtype), (2, 3, 1))
    weights = {"gamma": np.full(4, large, dtype), "beta": np.full(4, -large / 2, dtype)}
    if words == "bn":
        weights |= {"moving_mean": np.zeros(4, dtype), "moving_variance": np.ones(4, dtype)}
    y, _ = run_array(layer(words, epsilon=0.0), x, weights, backend=every_backend)

    with np.errstate(over="ignore"):  # -1 gives minus infinity
        expected = (x.astype(np.longdouble) * large - large / 2).astype(dtype)
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    assert np.isfinite(y).sum() == 12


@pytest.mark.parametrize("kind", [kind for kind, (dtype, _) in KINDS.items() if dtype == "float64"])
@pytest.mark.parametrize("masked", [False, True])
def test_statistics_of_parts_are_those_of_the_whole(kind: str, masked: bool) -> None:
    x = np.concatenate([channels(kind), np.zeros((2, 5, 3)), channels("1e200")[::-1] * 1e-200])
    mask = np.ones(x.shape[:-1], bool)
    mask[5:, 2:] = not masked
    (y, _), axes = run_array(layer("ln", axis=(0, 1), epsilon=0.0), x), (0, 1)
    parts = [
        masked_moments(x[i : i + 1], mask[i : i + 1], axes)
        if masked
        else moments_of(x[i : i + 1], axes)
        for i in range(len(x))
    ]
    found = tree_reduce(merge, parts, moments_of(np.empty((0, 5, 3)), axes))
    cells = np.where(mask[..., None], x, np.nan)[:, :, 0].ravel()
    kept = [Fraction(float(cell)) for cell in cells[~np.isnan(cells)]]
    mean = sum(kept, Fraction(0)) / len(kept)
    deviation = root(sum(((cell - mean) ** 2 for cell in kept), Fraction(0)) / len(kept))

    got = np.sqrt(np.asarray(found.variance).ravel()[0])
    np.testing.assert_allclose(float(got), float(deviation), rtol=1e-12)
    assert np.isfinite(y).all()


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
@pytest.mark.parametrize(
    ("command", "dtype", "cells", "expected"),
    [
        ("ln --axis 0", "float64", [1e200, -1e200, 0, 0], [2**0.5, -(2**0.5), 0, 0]),
        ("ln --axis 0", "float32", [3e38, -3e38, -3e38, -3e38], [3**0.5, *[-(3**-0.5)] * 3]),
        ("bn --training", "float32", [3e38, -3e38, -3e38, -3e38], [3**0.5, *[-(3**-0.5)] * 3]),
        ("bn --training", "float64", [1e200, -1e200, 0, 0], [2**0.5, -(2**0.5), 0, 0]),
        ("bn --training --synchronized", "float64", [1e200, -1e200], [1, -1]),
        ("bn --training --virtual-batch-size 2", "float64", [1e200, 5, -1e200, 5], [1, 0, -1, 0]),
        ("bn --training --renorm", "float32", [3e38, -3e38, 0, 0], [3e38, -3e38, 0, 0]),
        ("bn --training --epsilon 0", "float64", [1e-200, -1e-200], [1, -1]),
    ],
)
def test_the_command_gives_numbers(
    command: str, dtype: str, cells: Any, expected: Any, backend: str, poolnorm: Command
) -> None:
    if backend == "onnx":
        pytest.importorskip("onnxruntime")
    if dtype == "float64" and not HAS_WIDE:
        pytest.skip("numbers wider than float64 are not to be had here")
    np.save("x.npy", np.array(cells, dtype)[:, None])
    verb, *flags = command.split()
    done = poolnorm(f"{verb} x.npy -o y.npy -q --backend {backend}", *flags)

    assert done.code == 0, done.err
    close(np.load("y.npy"), np.array(expected)[:, None], dtype)


def test_statistics_that_do_not_fit_are_never_saved(poolnorm: Command) -> None:
    np.save("x.npy", np.array([[3e38], [-3e38]], np.float32))
    done = poolnorm("bn x.npy --training -o y.npy --save-weights w.npz")

    assert done.code == 4
    assert "moving_variance would leave the range of float32" in done.err
    assert not Path("y.npy").exists()
    assert not Path("w.npz").exists()
    done = poolnorm("bn x.npy --training -o y.npy")
    assert done.code == 0
    assert "moving_variance would leave the range of float32, and was left as it is" in done.err


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("words", ["ln", "rms", "unit", "in"])
def test_only_a_block_with_such_numbers_takes_another_graph(words: str, dtype: str) -> None:
    pytest.importorskip("onnxruntime")
    if dtype == "float64" and not HAS_WIDE:
        pytest.skip("numbers wider than float64 are not to be had here")
    shape = (64, 300, 2) if words == "in" else (64, 600)
    for rows in (64, 1):  # what a graph was scaled by is looked at, or the block if it is small
        backend: Any = open_backend("onnx", "cpu")
        x = np.random.default_rng(8).standard_normal(shape).astype(dtype)[:rows]
        run_array(layer(words), x, backend=backend)
        assert [key[-1] for key in backend._sessions] == [False]
        x[-1] *= {"float32": 3e37, "float64": 1e300}[dtype]
        y, _ = run_array(layer(words), x, backend=backend)
        assert [key[-1] for key in backend._sessions] == [False, True]
        np.testing.assert_allclose(y, run_array(layer(words), x)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cell", [1e200, 1e308, -1.7e308, 1e-200])
@pytest.mark.parametrize(
    ("words", "given", "shape"),
    [
        ("ln", {}, (2, 4)),
        ("ln", {}, (4, 1)),
        ("ln", {"axis": 1}, (2, 3, 2)),
        ("in", {}, (1, 4)),
        ("in", {}, (2, 5, 3)),
        ("gn", {"groups": 2}, (2, 4)),
        ("bn", {}, (4, 3)),
    ],
)
def test_cells_that_are_all_alike_become_zero(
    words: str, given: Any, shape: tuple[int, ...], cell: float, every_backend: Any
) -> None:
    """Epsilon is all that there is to divide by, however large the mean."""
    x, training = np.full(shape, cell), words == "bn"
    y, _ = run_array(layer(words, **given), x, training=training, backend=every_backend)

    np.testing.assert_array_equal(y, np.zeros(shape))
