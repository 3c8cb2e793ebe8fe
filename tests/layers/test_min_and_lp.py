"""The smallest value and p-norms, against their definitions, torch and ONNX Runtime."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolnorm_cli.kernels import native
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.call import Call
from tests.conftest import Command


Array = NDArray[Any]
BACKENDS = ("numpy", "onnx")
WAYS: list[dict[str, Any]] = [
    {"pool_size": (2, 3)},
    {"pool_size": (3,), "strides": (1, 2), "padding": "same"},
    {"pool_size": (3,), "strides": (2,), "padding": "same_lower"},
    {"pool_size": (3,), "strides": (2,), "pads": "1", "ceil_mode": True},
    {"pool_size": (2,), "strides": (1,), "dilation_rate": (3, 2), "pads": "0:2,1"},
]


def made(words: str, **parameters: Any) -> Any:
    return find(*words.split())(**parameters)


def flags(parameters: dict[str, Any]) -> str:
    words = []
    for name, value in parameters.items():
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        words.append(f"--{name.replace('_', '-')}" + ("" if value is True else f" {text}"))
    return " ".join(words)


def by_definition(x: Array, words: str, parameters: dict[str, Any], p: float) -> Array:
    """Reduce the real cells under each place, one by one."""
    layer = find(*words.split())(**parameters)
    windows: Any = layer.windows(x.shape)  # type: ignore[attr-defined] # of pooling
    taps = {}
    for axis, w in windows.items():
        starts = [place * w.stride - w.low for place in range(w.count)]
        places = [[s + k * w.dilation for k in range(w.size)] for s in starts]
        taps[axis] = [[c for c in some if 0 <= c < x.shape[axis]] for some in places]
    y = np.empty((x.shape[0], len(taps[1]), len(taps[2]), x.shape[3]), np.float64)
    for (i, rows), (j, columns) in product(enumerate(taps[1]), enumerate(taps[2])):
        cells = x[:, rows][:, :, columns]
        y[:, i, j] = cells.min((1, 2)) if "min" in words else norm(cells, p)
    return y


def norm(cells: Array, p: float) -> Array:
    wide = np.abs(cells.astype(np.longdouble))
    most = wide.max()
    if math.isinf(p):
        return np.asarray(wide.max((1, 2)))
    return np.asarray(((wide / most) ** p).sum((1, 2)) ** (1 / np.longdouble(p)) * most)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(("words", "p"), [("min", 2.0), *(("lp", p) for p in (1, 2, 3, 0.5, 7.5))])
def test_windows_are_reduced_as_they_are_defined(
    poolnorm: Command, words: str, p: float, way: dict[str, Any], backend: str
) -> None:
    x = np.random.default_rng(0).normal(0, 30, (2, 8, 7, 3))
    np.save("x.npy", x)
    power = f" --p {p}" if words == "lp" else ""

    poolnorm(f"pool {words} x.npy -o y.npy {flags(way)}{power} --backend {backend}")

    expected = by_definition(x, f"pool {words}", way, p)
    np.testing.assert_allclose(np.load("y.npy"), expected, rtol=1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("words", ["pool min --pool-size 3", "gpool min --keepdims"])
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64", "uint64", "float32"])
def test_minima_keep_the_type_and_its_ends(
    poolnorm: Command, words: str, dtype: str, backend: str
) -> None:
    ends: Any = (False, True) if dtype == "bool" else (-np.inf, np.inf)
    if dtype[0] in "ui":
        ends = np.iinfo(dtype).min, np.iinfo(dtype).max
    x = np.full((1, 3, 3, 3), ends[1], dtype)
    x[0, 1, 1, 0], x[0, 2, 2, 1] = ends[0], 0
    np.save("x.npy", x)

    poolnorm(f"{words} x.npy -o y.npy --backend {backend}")

    y = np.load("y.npy")
    assert y.dtype == dtype
    assert y.ravel().tolist() == x.min((1, 2)).ravel().tolist()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("words", ["pool min", "pool lp", "pool lp --p 9", "gpool lp", "gpool min"])
def test_a_nan_under_the_window_wins(poolnorm: Command, words: str, backend: str) -> None:
    x = np.ones((1, 2, 2, 2), np.float32)
    x[0, 0, 1, 0], x[0, 1, 1, 0] = np.nan, np.inf
    np.save("x.npy", x)

    poolnorm(f"{words} x.npy -o y.npy --backend {backend}")

    y = np.load("y.npy").ravel()
    assert np.isnan(y[0])
    assert np.isfinite(y[1])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("words", ["pool lp", "gpool lp"])
@pytest.mark.parametrize("p", [1, 2, 3.5, 40])
@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e-310])
def test_powers_may_leave_the_range_where_norms_do_not(
    poolnorm: Command, words: str, p: float, scale: float, backend: str
) -> None:
    x = np.array([[3.0, -4.0], [0.0, 1e-3]]).reshape(1, 2, 2, 1) * scale
    np.save("x.npy", x)

    poolnorm(f"{words} x.npy -o y.npy --p {p} --backend {backend}")

    expected = norm(x, p).astype(np.float64)
    np.testing.assert_allclose(np.load("y.npy").ravel(), expected.ravel(), rtol=1e-12)


@pytest.mark.parametrize("words", ["pool lp", "gpool lp"])
@pytest.mark.parametrize("p", [2.0, 9.0])
def test_what_leaves_the_range_changes_no_other_norm(words: str, p: float) -> None:
    layer = made(words, p=p)
    x = np.random.default_rng(5).standard_normal((4, 6, 6, 3))
    alone = [layer.apply(x[i : i + 1], {}) for i in range(4)]
    x[1] *= 1e200
    x[3] *= 1e-250
    together = layer.apply(x, {})

    np.testing.assert_array_equal(together[0], alone[0][0])
    np.testing.assert_array_equal(together[2], alone[2][0])
    np.testing.assert_allclose(together[1], alone[1][0] * 1e200, rtol=1e-13)
    np.testing.assert_allclose(together[3], alone[3][0] * 1e-250, rtol=1e-13)


@pytest.mark.parametrize("words", ["pool min", "pool lp", "gpool min", "gpool lp"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numpy_alone_gives_the_same(
    words: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(6).standard_normal((2, 30, 41, 5)).astype(dtype)
    x[0, 3, 3, 1], x[1, 2, 2, 2] = np.nan, -np.inf
    layers = [made(words, **({"p": p} if "lp" in words else {})) for p in (1, 2, 3.5)]
    close = 2e-7 if dtype == "float32" else 1e-14
    compiled = [layer.apply(x, {}) for layer in layers]
    monkeypatch.setattr(native, "_LOOPS", None)

    for layer, y in zip(layers, compiled, strict=True):
        np.testing.assert_allclose(layer.apply(x, {}), y, rtol=close)


def test_infinite_and_zero_windows_stay(poolnorm: Command) -> None:
    x = np.array([0.0, 0, -np.inf, 1, np.inf, np.inf, 1e308, 1e308]).reshape(1, 8, 1)
    np.save("x.npy", x)

    poolnorm("pool lp x.npy -o y.npy --p 3")

    assert np.load("y.npy").ravel()[:3].tolist() == [0, np.inf, np.inf]
    assert np.load("y.npy").ravel()[3] == pytest.approx(2 ** (1 / 3) * 1e308, rel=1e-12)


@pytest.mark.parametrize("words", ["pool min", "pool lp", "gpool min", "gpool lp"])
def test_parts_of_a_window_are_combined(words: str) -> None:
    x = np.random.default_rng(1).normal(0, 3, (1, 40, 6, 2)).astype(np.float32)
    given: dict[str, Any] = {"pool_size": (40, 6)} if words.startswith("pool") else {}
    layer: Any = find(*words.split())(**given)
    strips = layer.row_strips(x.shape, 7)
    calls = [Call(strip=strip) for strip in strips]

    parts = [
        layer.apply(np.ascontiguousarray(x[:, s.start + s.first : s.start + s.end]), {}, call)
        for s, call in zip(strips, calls, strict=True)
    ]

    assert len(parts) > 3
    y = layer.combine(zip(calls, parts, strict=True))
    np.testing.assert_allclose(y, layer.apply(x, {}), rtol=2e-7)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_mask_leaves_places_out_of_the_minimum(poolnorm: Command, backend: str) -> None:
    np.save("x.npy", np.arange(12, dtype=np.int16).reshape(2, 3, 2))
    np.save("m.npy", np.array([[0, 1, 1], [0, 0, 0]], bool))

    poolnorm(f"gpool min x.npy -o y.npy --mask m.npy --backend {backend}")

    assert np.load("y.npy").tolist() == [[2, 3], [32767, 32767]]


@pytest.mark.parametrize("words", [words for words in LAYERS if words.split()[-1] in ("min", "lp")])
def test_keras_has_none(poolnorm: Command, words: str) -> None:
    refused = poolnorm(f"{words} 2,4,4,3 --keras")

    assert refused.code == 2
    assert f"Keras has no {find(*words.split()).keras_name}; use --torch" in refused.err


@pytest.mark.parametrize("p", ["0", "-2", "nan"])
def test_a_power_is_above_zero(poolnorm: Command, p: str) -> None:
    refused = poolnorm(f"pool lp 2,4,4,3 --p {p}")

    assert refused.code == 2
    assert f"--p is {p}; give a number above 0" in refused.err


@pytest.mark.parametrize("p", [1, 2, 3])
def test_whole_powers_are_exported_as_the_operator(poolnorm: Command, p: int) -> None:
    onnx = pytest.importorskip("onnx")
    poolnorm(f"pool lp 2,4,4,3 --p {p} --export whole.onnx")
    poolnorm("pool lp 2,4,4,3 --p 2.5 --export other.onnx")

    whole, other = (
        {node.op_type for node in onnx.load(f"{name}.onnx").graph.node}
        for name in ("whole", "other")
    )

    assert "LpPool" in whole
    assert "LpPool" not in other


@pytest.mark.oracle
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(30))
def test_torch_gives_the_same(poolnorm: Command, backend: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(seed)
    rank = int(random.integers(1, 4))
    x = random.normal(0, 10, (2, 3, *random.integers(4, 9, rank))).astype("float32")
    p = float(random.choice([1, 2, 3, 4, 2.5, math.inf]))
    x = x if p in (2, 4, math.inf) else np.abs(x)
    size, stride = (tuple(map(int, random.integers(1, 5, rank))) for _ in range(2))
    np.save("x.npy", x)

    sizes = f"--pool-size {','.join(map(str, size))} --strides {','.join(map(str, stride))}"
    given = f"{sizes} --data-format channels_first --backend {backend}"
    poolnorm(f"pool lp x.npy -o lp.npy --p {p} {given}")
    poolnorm(f"pool min x.npy -o min.npy {given}")

    one = (size[0], stride[0]) if rank == 1 else (size, stride)
    expected = getattr(torch.nn, f"LPPool{rank}d")(p, *one)(torch.from_numpy(x))
    np.testing.assert_allclose(np.load("lp.npy"), expected.numpy(), rtol=3e-6, atol=1e-6)
    least = -getattr(torch.nn, f"MaxPool{rank}d")(*one)(-torch.from_numpy(x))
    np.testing.assert_array_equal(np.load("min.npy"), least.numpy())


def test_indices_are_those_of_maxima_alone(poolnorm: Command) -> None:
    np.save("x.npy", np.ones((1, 4, 4, 1), np.float32))

    refused = poolnorm("pool min x.npy -o y.npy --indices i.npy")

    assert refused.code == 2
