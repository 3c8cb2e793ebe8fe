"""Random shapes and parameters through all compiled loops: `python -m tests.kernels.sweep COUNT`.

For loops that were built with `POOLNORM_BUILD=sanitized`, which end the process where they read or
write out of bounds, or where arithmetic leaves its range. What comes out is held against NumPy.
"""

from __future__ import annotations

import sys
from itertools import product
from math import prod
from struct import pack
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.engine.converting import converted_call
from poolnorm_cli.errors import UsageError
from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.gathering import whole_moments
from poolnorm_cli.kernels.halves import (
    narrow_bfloat16,
    narrow_float16,
    widen_bfloat16,
    widen_float16,
)
from poolnorm_cli.kernels.moments import moments_of
from poolnorm_cli.kernels.reductions import max_over, mean_over
from poolnorm_cli.kernels.scaling import center_and_scale
from poolnorm_cli.layers.adaptive_pooling import AdaptiveAveragePooling, AdaptiveMaxPooling
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from poolnorm_cli.layers.global_pooling import GlobalAveragePooling, GlobalMaxPooling
from poolnorm_cli.layers.group_norm import GroupNormalization
from poolnorm_cli.layers.layer_norm import LayerNormalization
from poolnorm_cli.layers.local_response_norm import LocalResponseNormalization
from poolnorm_cli.layers.max_indices import indices_of
from poolnorm_cli.layers.min_pooling import GlobalMinPooling, MinPooling
from poolnorm_cli.layers.pads import Pads
from poolnorm_cli.layers.pooling import AveragePooling, MaxPooling
from poolnorm_cli.layers.power_pooling import GlobalLpPooling, LpPooling
from poolnorm_cli.layers.rms_norm import RMSNormalization
from poolnorm_cli.layers.unit_norm import UnitNormalization
from poolnorm_cli.windows import Placing


if TYPE_CHECKING:
    from collections.abc import Callable

    Random = np.random.Generator
    from numpy.typing import NDArray

    from poolnorm_cli.layers.base import Layer

    Array = NDArray[Any]

REFUSALS = ValueError, OverflowError, MemoryError
MOST = 2**63 - 1


def number(random: Random) -> int:
    """Draw a size: most are small, some are at a power of two, up to the largest."""
    if random.random() < 0.6:
        return int(random.integers(1, 12))
    near = (1 << int(random.integers(1, 64))) + int(random.integers(-2, 3))
    return min(max(near, 1), MOST)


def some(random: Random, shape: tuple[int, ...]) -> Array:
    """Draw numbers of either type, among them large ones, subnormals and no numbers."""
    x: Array = random.standard_normal(shape)
    odd = random.random(shape) < 0.02
    x[odd] = random.choice([3e38, -3e38, 1e-40, np.inf, np.nan], odd.sum())
    return x.astype(random.choice(["float32", "float64"]))


def sizes(random: Random, rank: int) -> tuple[int, ...]:
    """Draw the sizes of a tensor of so many axes; of some of them no item."""
    least = 0 if random.random() < 0.02 else 1
    found = tuple(int(size) for size in random.integers(least, [40, 14, 9, 6, 5][rank - 1], rank))
    if rank > 2 and random.random() < 0.2:  # many small images go beside each other
        return int(random.integers(16, 140)), *found[1:]
    return found


def placings_of(random: Random, spatial: tuple[int, ...]) -> list[Placing]:
    """Draw a window on each axis: valid, same, or with pads, dilation and a ceil of its own."""
    padding: Any = random.choice(["valid", "same", "same", "same_lower"])
    valid, ceil, padded = padding == "valid", random.random() < 0.5, random.random() < 0.5
    found = []
    for n in spatial:
        size = min(number(random), n) if valid else number(random)
        dilation = int(random.integers(1, 4)) if random.random() < 0.5 and size < n else 1
        extent = (size - 1) * dilation + 1
        low, high = (int(cells) for cells in random.integers(0, min(extent, 50), 2))
        pads = (low + max(extent - n, 0), high) if valid and padded else None
        stride = number(random)
        found.append(Placing(size, stride, padding, dilation, pads, ceil and valid))
    return found


def given_by(placings: list[Placing]) -> dict[str, Any]:
    """Return the parameters of layers whose windows lie so."""
    return {
        "pool_size": tuple(p.size for p in placings),
        "strides": tuple(p.stride for p in placings),
        "dilation_rate": tuple(p.dilation for p in placings),
        "padding": placings[0].padding,
        "pads": Pads(tuple(p.pads for p in placings if p.pads)) if placings[0].pads else None,
        "ceil_mode": placings[0].ceil,
    }


def windows_on(random: Random, shape: tuple[int, ...]) -> list[Layer]:
    """Return layers with windows of any kind; none where these do not fit."""
    given = given_by(placings_of(random, shape[1:-1]))
    layers: list[Layer] = [kind(**given) for kind in (MaxPooling, MinPooling, AveragePooling)]
    try:
        layers[0].output_shape(shape)
    except UsageError:  # a place of it has no cell
        return []
    return layers


def found_at(x: Array, most: Array, layer: MaxPooling | AdaptiveMaxPooling) -> None:
    """Find the maxima, and look whether they are there."""
    finder = indices_of(layer)
    assert finder is not None
    at = finder.apply(x, {})
    if layer.data_format == "channels_last":
        x, at, most = (np.moveaxis(each, -1, 1) for each in (x, at, most))
    planes, places = x.reshape(*x.shape[:2], -1), at.reshape(*x.shape[:2], -1)
    np.testing.assert_array_equal(np.take_along_axis(planes, places, 2), most.reshape(places.shape))


def pooling(random: Random) -> None:
    """Pool with windows of any size, and take each of them by itself."""
    shape = sizes(random, int(random.integers(3, 6)))
    if 0 in shape:
        return
    x, spatial = some(random, shape), shape[1:-1]
    placings = placings_of(random, spatial)
    placed = [p.on(n) for p, n in zip(placings, spatial, strict=True)]
    given = given_by(placings)
    layers = [kind(**given) for kind in (MaxPooling, AveragePooling)]
    try:
        layers[0].output_shape(shape)
    except UsageError:  # a place of it has no cell
        return
    most, mean = (layer.apply(x, {}) for layer in layers)
    found_at(x, most, MaxPooling(**given))
    least = MinPooling(**given).apply(x, {})
    p = float(random.choice([1, 2, 3, 2.5, 9, np.inf]))
    norms = LpPooling(**given, p=p).apply(x, {})
    for place in product(*(range(min(w.count, 2)) for w in placed)):
        starts = [at * w.stride - w.low for at, w in zip(place, placed, strict=True)]
        cut = [
            slice(s if s >= 0 else s % w.dilation, s + w.extent, w.dilation)
            for s, w in zip(starts, placed, strict=True)
        ]
        whole: Any = (slice(None), *cut)
        here: Any = (slice(None), *place)
        below = x[whole].reshape(shape[0], -1, shape[-1])
        np.testing.assert_array_equal(most[here], below.max(axis=1))
        np.testing.assert_array_equal(least[here], below.min(axis=1))
        check_norms(norms[here], below, p)
        found, wide = mean[here], below.astype(np.longdouble)
        exact, size = wide.mean(axis=1), np.abs(wide).mean(axis=1)
        np.testing.assert_array_equal(np.isfinite(found), np.isfinite(exact))
        assert (np.abs(found - exact) <= 1e-6 * size)[np.isfinite(size)].all()


def check_norms(found: Array, below: Array, p: float) -> None:
    """Hold p-norms of the middle axis against shares of the largest magnitude."""
    wide = np.abs(below.astype(np.longdouble))
    most = wide.max(axis=1)
    shares = wide / np.where((most > 0) & (most < np.inf), most, 1)[:, None]
    sums = 1.0 if np.isinf(p) else (shares**p).sum(axis=1) ** (1 / np.longdouble(p))
    exact = np.where((most > 0) & (most < np.inf), most * sums, most).astype(found.dtype)
    np.testing.assert_allclose(found, exact, rtol=3e-7, atol=1e-44)


def adaptive(random: Random) -> None:
    """Cover the axes of a tensor with windows of differing sizes."""
    shape = sizes(random, int(random.integers(3, 6)))
    if 0 in shape:
        return
    x, layout = some(random, shape), ("channels_last", "channels_first")[int(random.integers(2))]
    counts = tuple(int(n) for n in random.integers(1, 20, len(shape) - 2))
    given: dict[str, Any] = {"output_size": counts, "data_format": layout}
    layers = AdaptiveMaxPooling(**given), AdaptiveAveragePooling(**given)
    most, mean = (layer.apply(x, {}) for layer in layers)
    found_at(x, most, layers[0])
    loops, native._LOOPS = native._LOOPS, None
    try:
        most_in_numpy, mean_in_numpy = (layer.apply(x, {}) for layer in layers)
        size = layers[1].apply(np.abs(x), {})
    finally:
        native._LOOPS = loops
    np.testing.assert_array_equal(most, most_in_numpy)
    finite = np.isfinite(size)
    np.testing.assert_array_equal(mean[~finite], mean_in_numpy[~finite])
    assert (np.abs(mean - mean_in_numpy)[finite] <= (1e-6 * size + 1e-44)[finite]).all()


def others(random: Random) -> None:
    """Reduce, normalize and scale; what comes out is known from the tests beside this file."""
    x = some(random, sizes(random, 3))
    if not x.size:
        return
    axes = (1,) if random.random() < 0.5 else (0, 1)
    max_over(x, axes, keepdims=False)
    mean_over(x, axes, keepdims=True)
    np.testing.assert_array_equal(GlobalMinPooling().apply(x, {}), x.min(axis=1))
    p = float(random.choice([1, 2, 3, 2.5, 9, np.inf]))
    check_norms(GlobalLpPooling(p=p).apply(x, {}), x, p)
    moments_of(x, axes)
    vectors = [random.standard_normal((1, *x.shape[1:])) for _ in range(3)]
    center_and_scale(x, vectors[0], vectors[1], vectors[2])


def normalizations(random: Random) -> None:
    """Normalize over any axes, and groups of channels; results are those of float64."""
    x = some(random, sizes(random, int(random.integers(2, 5))))
    if not x.size:
        return
    axis = (int(random.integers(1, x.ndim)),)
    channel = (1,) if random.random() < 0.5 else (x.ndim - 1,)
    groups = int(random.choice([n for n in range(1, 41) if x.shape[channel[0]] % n == 0]))
    epsilon = float(random.choice([0, 1e-3, 1e30]))
    layers = [
        LayerNormalization(axis=axis, epsilon=epsilon),
        RMSNormalization(axis=tuple(range(axis[0], x.ndim)), epsilon=epsilon),
        UnitNormalization(axis=axis),
        GroupNormalization(axis=channel, groups=groups, epsilon=epsilon),
        BatchNormalization(axis=axis, epsilon=epsilon),
    ]
    for layer in layers:
        shapes = layer.weight_shapes(x.shape)
        weights = {name: np.abs(some(random, size)) for name, size in shapes.items()}
        assert layer.apply(x, weights).shape == x.shape
        if x.dtype == np.float32 and epsilon == 1e-3:
            plain: Any = {name: np.ones(size) for name, size in shapes.items()}
            wide = layer.apply(x.astype(np.float64), plain).astype(np.float32)
            np.testing.assert_allclose(layer.apply(x, plain), wide, rtol=1e-4, atol=1e-4)


def apart(random: Random) -> None:
    """Take what has other axes between, norms of any order, and neighbours along an axis."""
    x = some(random, sizes(random, int(random.integers(3, 6))))
    if not x.size:
        return
    axes = tuple(axis for axis in range(1, x.ndim) if random.random() < 0.5) or (1,)
    middle = (int(random.integers(1, x.ndim)),)
    groups = int(random.choice([n for n in range(1, 41) if x.shape[middle[0]] % n == 0]))
    order = float(random.choice([1, np.inf, -np.inf, 0, 0.5, 3, 9, -2]))
    layers: list[Layer] = [
        LayerNormalization(axis=axes),
        RMSNormalization(axis=axes),
        UnitNormalization(axis=axes, order=order),
        GroupNormalization(axis=middle, groups=groups),
        LocalResponseNormalization(
            size=min(number(random), 1 << 40), beta=float(random.choice([0.75, 0.5, 1, 0.3]))
        ),
    ]
    for layer in layers:
        shapes = layer.weight_shapes(x.shape)
        plain: Any = {name: np.ones(size) for name, size in shapes.items()}
        y = layer.apply(x, plain)
        if x.dtype == np.float32 and order >= 0:
            wide = layer.apply(x.astype(np.float64), plain).astype(np.float32)
            np.testing.assert_allclose(y, wide, rtol=1e-4, atol=1e-4)


def halves(random: Random) -> None:
    """Convert, reduce and scale float16, and hold it against float32."""
    x = some(random, sizes(random, 3)).astype(np.float16)
    if random.random() < 0.1:
        x = np.resize(x, (int(random.integers(1, 3)), int(random.integers(1, 30000)), 2))
    wide = widen_float16(x)
    np.testing.assert_array_equal(wide, x.astype(np.float32))
    np.testing.assert_array_equal(narrow_float16(wide), x)
    narrow_bfloat16(wide[..., :1])
    if not x.size:
        return
    found, same = moments_of(x, (0, 1)), moments_of(wide, (0, 1))
    np.testing.assert_array_equal(found.squares, same.squares)
    vectors = [random.standard_normal((1, *x.shape[1:])) for _ in range(3)]
    y = center_and_scale(x, *vectors)
    np.testing.assert_array_equal(y, center_and_scale(wide, *vectors).astype(np.float16))
    layer, shape = AveragePooling(pool_size=(2,), padding="same"), (1, *x.shape)
    dtypes = "float16", "float32", "float16"
    call, per = converted_call(layer, shape, dtypes, {})
    out = np.empty((1, -(-x.shape[0] // 2), -(-x.shape[1] // 2), x.shape[2]), np.float16)
    if call.serves(per) and call.run(x, out, per):
        expected = layer.apply(wide[None], {}).astype(np.float16)
        np.testing.assert_array_equal(out, expected)


def training(random: Random) -> None:
    """Train on all of a tensor in one call, and hold it against a call for each step."""
    shape = sizes(random, int(random.integers(3, 5)))
    if 0 in shape:
        return
    if random.random() < 0.3:  # more channels than there are shares
        shape = (int(random.integers(2, 5)), int(random.integers(20, 50)), *shape[2:])
    kind = ("float32", "float16")[int(random.integers(2))]
    x = some(random, shape).astype(kind)
    layer = BatchNormalization(axis=(int(random.choice([1, len(shape) - 1])),))
    call = layer.batch_call(shape, kind)
    if call is None:
        return
    moments = whole_moments(x, layer.statistics_axes(len(shape), training=True, in_strips=False))
    found, y, expected = np.empty((2, call.sizes[1])), np.empty_like(x), np.empty_like(x)
    weights = {name: np.ones(n) for name, n in layer.weight_shapes(shape).items()}
    before = native.loops().allow_threads(int(random.integers(1, 4)))
    done = call.run(x, y, weights["gamma"], None, found)
    native.loops().allow_threads(before)
    assert done == (moments is not None)
    if moments is None:
        return
    np.testing.assert_array_equal(found[0], moments.mean.reshape(-1))
    np.testing.assert_array_equal(found[1], moments.squares.reshape(-1))
    fixed: Any = layer.weights_of_batch(weights, moments)
    fixed["beta"] = np.zeros(call.sizes[1])
    by_steps = layer.loop_call(shape, kind, {name: weight.data for name, weight in fixed.items()})
    assert by_steps is not None
    by_steps(x, expected)
    np.testing.assert_array_equal(y, expected)


def two_bytes(random: Random) -> None:
    """Give loops items of two bytes, and hold what they make against that of float32."""
    x = some(random, sizes(random, int(random.integers(3, 6))))
    if random.random() < 0.2:  # more than are converted at once
        x = np.resize(x, (int(random.integers(1, 4)), int(random.integers(1, 9000)), 3))
    if x.size and random.random() < 0.4:  # as many as a vector has, or several
        x = np.resize(x, (*x.shape[:-1], int(random.integers(16, 80))))
    if not x.size:
        return
    kind = ("float16", "bfloat16")[int(random.integers(2))]
    narrow: Any = narrow_float16 if kind == "float16" else narrow_bfloat16
    widen: Any = widen_float16 if kind == "float16" else widen_bfloat16
    x = narrow(x.astype(np.float32)).copy()
    wide = widen(x).copy()
    axis = int(random.integers(1, x.ndim))
    counts = tuple(int(n) for n in random.integers(1, 12, x.ndim - 2))
    layout: dict[str, Any] = {
        "data_format": ("channels_last", "channels_first")[int(random.integers(2))]
    }
    layers: list[Layer] = [
        *windows_on(random, x.shape),
        GlobalMaxPooling(**layout),
        GlobalAveragePooling(**layout),
        AdaptiveAveragePooling(output_size=counts, **layout),
        AdaptiveMaxPooling(output_size=counts, **layout),
        MaxPooling(pool_size=counts, strides=counts[::-1], padding="same", **layout),
        AveragePooling(pool_size=counts[:1], strides=(1,), padding="same", **layout),
        LayerNormalization(axis=(axis,)),
        UnitNormalization(axis=(axis,)),
        GroupNormalization(axis=(1,), groups=x.shape[1]),
        BatchNormalization(axis=(axis,)),
    ]
    for layer in layers:
        shapes = layer.weight_shapes(x.shape).items()
        weights = {name: np.abs(random.standard_normal(size)).data for name, size in shapes}
        calls = [layer.loop_call(x.shape, each, weights) for each in (kind, "float32")]
        out = np.zeros([int(size or 0) for size in layer.output_shape(x.shape)], np.float32)
        y = np.zeros(out.shape, np.uint16)
        assert calls[1] is not None
        if calls[0] is None:  # means over many planes and rows
            continue
        right = calls[1](wide, out)
        for bits in (0, 256, 512, 1024):
            native.loops().use_vectors(bits)
            if calls[0](x, y) and right:
                np.testing.assert_array_equal(y, narrow(out).view(np.uint16))


def integers(random: Random) -> None:
    """Take maxima of integers of any type, and hold them against NumPy."""
    shape = sizes(random, int(random.integers(3, 6)))
    if 0 in shape:
        return
    x = random.integers(0, 1 << 62, shape).astype(str(random.choice(list("?bhiqBHIQ"))))
    layout = ("channels_last", "channels_first")[int(random.integers(2))]
    given: dict[str, Any] = {"data_format": layout}
    counts = tuple(int(n) for n in random.integers(1, 12, len(shape) - 2))
    layers = [
        GlobalMaxPooling(**given),
        AdaptiveMaxPooling(output_size=counts, **given),
        MaxPooling(pool_size=counts, strides=counts[::-1], padding="same", **given),
    ]
    found = [layer.apply(x, {}) for layer in layers]
    loops, native._LOOPS = native._LOOPS, None
    try:
        for layer, y in zip(layers, found, strict=True):
            np.testing.assert_array_equal(y, layer.apply(x, {}), strict=True)
    finally:
        native._LOOPS = loops


def few_large_images(random: Random) -> None:
    """Fold large images of any type in several threads, and hold them against one thread."""
    after = int(random.integers(1, 9 if random.random() < 0.7 else 200))
    shape = int(random.integers(1, 4)), int(random.integers(1, 400_000)) // after + 1, after
    kind = str(random.choice(list("fdeE?bhiqBHIQ")))
    x: Any = random.integers(0, 1 << 62, shape)
    if kind in "fdeE":  # with no NaN or one: which of two is kept says the compiler
        x = random.standard_normal(shape)
        x[0, shape[1] // 2, 0] = random.choice([1, np.inf, np.nan])
    x = narrow_bfloat16(x.astype(np.float32)) if kind == "E" else x.astype(kind)
    x = x.view(np.uint16) if kind == "E" else x
    made = [(native.loops().fold_max, x.dtype)]
    if kind in "fdeE":
        made += [(native.loops().fold_min, x.dtype), (native.loops().fold_mean, x.dtype)]
        made += [(native.loops().fold_sum, "d"), (native.loops().fold_squares, "d")]
    for fold, dtype in made:
        found = []
        for threads in (1, int(random.integers(2, 6))):
            y = np.empty((shape[0], after), dtype)
            before = native.loops().allow_threads(threads)
            fold(x, y, shape, kind)
            native.loops().allow_threads(before)
            found.append(y.tobytes())
        assert found[0] == found[1]


def large_columns(random: Random) -> None:
    """Normalize columns of large images in several threads, and hold them against one thread."""
    width = int(random.integers(1, 9 if random.random() < 0.6 else 300))
    shape = int(random.integers(1, 4)), int(random.integers(1, 200_000)) // width + 1, width
    kind = str(random.choice(list("fdeE")))
    x: Any = random.standard_normal(shape) * float(random.choice([1, 1e3, 6e4]))
    x = narrow_bfloat16(x.astype(np.float32)).view(np.uint16) if kind == "E" else x.astype(kind)
    along, centered = (bool(odd) for odd in random.random(2) < 0.5)
    joined = int(random.choice([n for n in range(1, width + 1) if width % n == 0]))
    gamma = random.standard_normal(shape[1 if along else 2])
    division = centered, 1 / shape[1] / joined, float(random.choice([0, 1e-3])), 0.0
    native.loops().use_vectors(int(random.choice([0, 256, 512, 1024])))
    found = []
    for threads in (1, int(random.integers(2, 6))):
        y = np.empty_like(x)
        before = native.loops().allow_threads(threads)
        native.loops().normalize_columns(x, y, gamma, None, kind, division, (*shape, joined), along)
        native.loops().allow_threads(before)
        found.append(y.tobytes())
    assert found[0] == found[1]


def at_the_door(random: Random) -> None:
    """Call a loop with sizes that are none of its arrays', of any size and sign."""
    loops = native._LOOPS
    wild = [number(random) * int(random.choice([1, 1, 1, -1, 0])) for _ in range(30)]
    wild = [n if abs(n) < 1 << 20 or abs(n) > 1 << 45 else 7 for n in wild]
    few = tuple(int(n) for n in random.integers(1, 5, 5))
    shape = few if random.random() < 0.7 else tuple(wild[:5])
    items = prod(shape) if 0 < prod(shape) < 1 << 16 else 24
    x, y = np.ones(items, np.float32), np.empty(int(random.integers(1, 40)), np.float32)
    wide, division = np.ones(items), (True, 1.0, 0.0, 0.0)
    whole = [(*wild[i : i + 4], 1, 0, 0, 0) for i in (5, 9, 13)]
    spans = pack("12n", *wild[:12]) if random.random() < 0.5 else None
    three = tuple(wild[20:23]) if random.random() < 0.5 else (1, 1, items)
    kinds = [str(kind) for kind in random.choice(list("eEfd?bhiqBHIQx"), 2)]
    calls: list[Callable[[], object]] = [
        lambda: loops.convert(x, y, *kinds, wild[24]),
        lambda: loops.windows(x, y, wild[17] % 6, kinds[1], wild[18] % 3, shape, *whole),
        lambda: loops.adaptive(
            x, y, pack("12n", *wild[:12]), wild[17], kinds[0], shape, tuple(wild[24:27])
        ),
        lambda: loops.max_indices(
            x, np.empty(int(random.integers(1, 40))), spans, "f", shape, *whole, wild[25]
        ),
        lambda: loops.fold_sum(x, y, three),
        lambda: loops.fold_max(x, y, three, [4, 8, wild[28] % 100, kinds[0]][wild[29] % 4]),
        lambda: loops.fold_min(x, y, three, [4, 8, wild[28] % 100, kinds[0]][wild[29] % 4]),
        lambda: loops.powers(x, y, wild[24], int(random.choice([4, 8])), wild[25] % 9 - 4.5),
        lambda: loops.powers(x, wide, items, 4, wild[25] % 9 - 4.0),
        lambda: loops.roots(wide, x, items, 4, wild[25] % 9 - 4.0),
        lambda: loops.roots(wide, y, wild[24], int(random.choice([4, 8])), 2.0),
        lambda: loops.fold_moments(x, y, y, three, kinds[0]),
        lambda: loops.fold_moments(x, y, y, three, kinds[0], wild[21] % 9),
        lambda: loops.merge_grains(
            wide, wide, wide[: y.size], wide[-y.size :], (*shape[:2], *wild[23:26])
        ),
        lambda: loops.merge_grains(wide, wide, x, x, (items, shape[0], 1, wild[24], shape[1])),
        lambda: loops.divide(x, y, 2.0, kinds[0]),
        lambda: loops.divide(x[: 2 * y.size], y, 0.0, int(random.choice([4, 8]))),
        lambda: loops.normalize_rows(x, y, None, wide, kinds[0], division, tuple(wild[20:24])),
        lambda: loops.normalize_columns(
            x, y, wide, None, kinds[0], division, tuple(wild[20:24]), 1
        ),
        lambda: loops.normalize_apart(
            x, x.copy(), None, wide, kinds[0], division, (1, *few[:2], 1, items), few, (1, 0)
        ),
        lambda: loops.normalize_apart(
            x, y, None, None, "f", division, tuple(wild[20:25]), few[:3], (2, 0, 1)
        ),
        lambda: loops.divide_by_norms(
            x, x.copy(), 4, wild[25] % 9 - 4.0, 0.0, (1, 1, items, 1), shape, tuple(wild[:5])
        ),
        lambda: loops.divide_by_norms(x, y, 8, 1.0, 0.0, tuple(wild[20:24]), (), ()),
        lambda: loops.respond(x, x.copy(), 4, (1, items, 1), tuple(wild[20:22]), (1.0, 0.3, 1.0)),
        lambda: loops.respond(x, y, 4, three, (1, 2), (1.0, 0.75, 1.0)),
        lambda: loops.center(x, y, wide, wide, None, kinds[0], three),
        lambda: loops.train(
            x, y, None, None, wide[: y.size], kinds[0], 1.0, three, tuple(wild[20:24]), wild[25]
        ),
        lambda: loops.train(
            x, x.copy(), None, wide, np.empty(2 * items), "f", 1.0, three, (*three, wild[24]), 1
        ),
        lambda: loops.fold_weights(None, wide, wide, wide, y, 0.0, wild[20]),
        lambda: loops.read_weights(wide[wild[20] % 9 :], (x, wide[:2]), (0.0, 1.0), kinds[0]),
        lambda: loops.swap(y, wild[19]),
        lambda: loops.swap(y, int(random.choice([4, 8]))),
        lambda: loops.scale(x, y, None, None if random.random() < 0.5 else x, x, kinds[0], three),
    ]
    try:
        calls[int(random.integers(len(calls)))]()
    except (*REFUSALS, TypeError):
        return


def main(count: int, seed: int = 0) -> None:
    """Do each of these so many times."""
    assert native.compiled(), "there are no compiled loops"
    random = np.random.default_rng(seed)
    kinds = (
        pooling,
        adaptive,
        others,
        normalizations,
        apart,
        halves,
        two_bytes,
        training,
        integers,
        at_the_door,
        few_large_images,
        large_columns,
    )
    for _ in range(count):
        for kind in kinds:
            kind(random)
    sys.stdout.write(f"{len(kinds) * count:,} calls with random sizes\n")


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        main(*map(int, sys.argv[1:]))
