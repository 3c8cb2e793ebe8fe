"""The table of cases: every layer in every way that changes its arithmetic.

A new layer adds its rows here; `test_cases.py` says what a complete table has.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.windows import window


FLOATS = ("float16", "float32", "float64")
INTEGERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES = (*FLOATS, *INTEGERS)
LAYOUTS = ("channels_last", "channels_first")
RANKS = (1, 2, 3)
WINDOW = 4
STRIDES = {"below": 3, "at": 4, "above": 5}


@dataclass(frozen=True)
class Case:
    """A layer, called on an input of a shape and a dtype."""

    words: str
    shape: tuple[int, ...]
    dtype: str
    parameters: dict[str, Any] = field(default_factory=dict)
    training: bool = False

    @property
    def layer(self) -> Layer:
        return find(*self.words.split())(**self.parameters)

    @property
    def name(self) -> str:
        said = [f"{k}={_said(v)}".replace(" ", "") for k, v in self.parameters.items()]
        shape = "x".join(map(str, self.shape))
        return "-".join([*self.words.split(), *said, shape, self.dtype, "t" * self.training])

    def x(self, seed: int = 0) -> NDArray[Any]:
        random = np.random.default_rng(seed)
        if self.dtype == "bool":
            return random.integers(0, 2, self.shape).astype(bool)
        if self.dtype in FLOATS:
            return (random.standard_normal(self.shape) * 3 + 2).astype(self.dtype)
        range_ = np.iinfo(self.dtype)
        return random.integers(range_.min, range_.max, self.shape, dtype=self.dtype, endpoint=True)

    def weights(self, seed: int = 1) -> dict[str, NDArray[Any]]:
        random = np.random.default_rng(seed)
        kind = "float64" if self.dtype == "float64" else "float32"
        shapes = self.layer.weight_shapes(self.shape)
        return {name: (random.random(size) + 0.5).astype(kind) for name, size in shapes.items()}


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ";".join(f"{name}{list(array.shape)}" for name, array in value.items())
    return str(value)


def total_pad(length: int, stride: int) -> int:
    """Count the cells of padding that 'same' puts on an axis."""
    found = window(length, WINDOW, stride, "same")
    return found.low + found.high


def _length(stride: int, pads: int, least: int) -> int | None:
    lengths = range(least, least + stride)
    return next((length for length in lengths if total_pad(length, stride) == pads), None)


def _shape(lengths: list[int], layout: str, batch: int = 2, channels: int = 3) -> tuple[int, ...]:
    if layout == "channels_last":
        return (batch, *lengths, channels)
    return (batch, channels, *lengths)


def _windows() -> Iterator[Case]:
    kinds = ("pool max", "pool average")
    for words, rank, layout, stride in product(kinds, RANKS, LAYOUTS, STRIDES.values()):
        for padding, pads in (("valid", 0), *(("same", pads) for pads in range(4))):
            # Axes differ, so that no two can be taken for each other.
            found = [_length(stride, pads, least) for least in (6, 5, 8)[:rank]]
            lengths = [length for length in found if length is not None]
            if padding == "valid":
                lengths = [7, 6, 9][:rank]
            if not lengths:
                continue  # under the window, 'same' always pads
            parameters = {
                "pool_size": (WINDOW,),
                "strides": (stride,),
                "padding": padding,
                "data_format": layout,
            }
            for dtype in DTYPES if rank == 2 else (*FLOATS, "int64", "uint8"):
                yield Case(words, _shape(lengths, layout), dtype, parameters)


def _special_windows() -> Iterator[Case]:
    """Windows that differ per axis, are larger than the axis, one cell, or very large."""
    for words, dtype in product(("pool max", "pool average"), FLOATS):
        yield Case(words, (2, 9, 7, 2), dtype, {"pool_size": (2, 3), "strides": (1, 2)})
        yield Case(words, (2, 3, 2, 2), dtype, {"pool_size": (9,), "padding": "same"})
        large = {"pool_size": (10**6,), "strides": (1,), "padding": "same"}
        yield Case(words, (2, 5, 4, 2), dtype, large)
        yield Case(words, (2, 4, 3, 2), dtype, {"pool_size": (2,), "strides": (2**61,)})
        yield Case(words, (2, 70, 1), dtype, {"pool_size": (37,), "strides": (3,)})
        yield Case(words, (2, 5, 5, 1), dtype, {"pool_size": (1,), "strides": (1,)})
        yield Case(words, (2, 9, 3), dtype, {"pool_size": (2,)})
        yield Case(words, (0, 9, 3), dtype, {"pool_size": (2,)})
        yield Case(words, (2, 9, 0), dtype, {"pool_size": (2,)})
        yield Case(words, (2, 0, 3), dtype, {"pool_size": (2,), "padding": "same"})


def _windows_beyond_keras() -> Iterator[Case]:
    """Windows as PyTorch and ONNX have them: pads, a last one that is not whole, dilation."""
    ways: list[dict[str, Any]] = [
        {"pool_size": (3,), "strides": (2,), "pads": "1", "ceil_mode": True},
        {"pool_size": (3,), "strides": (2,), "pads": "0:2", "dilation_rate": (2,)},
        {"pool_size": (2,), "strides": (3,), "dilation_rate": (4,), "ceil_mode": True},
        {"pool_size": (2,), "strides": (1,), "padding": "same_lower"},
        {"pool_size": (3,), "strides": (1,), "padding": "same_lower", "dilation_rate": (2,)},
        {"pool_size": (9,), "strides": (2,), "pads": "4:3", "dilation_rate": (1,)},
    ]
    counting = ({"count_include_pad": True}, {"divisor_override": 3}, {"divisor_override": -2})
    for way, words, rank, layout in product(ways, ("pool max", "pool average"), RANKS, LAYOUTS):
        given = {"padding": "valid", **way, "data_format": layout}
        for dtype in ("float32", "float64", "int64", "int8") if rank == 2 else ("float32",):
            yield Case(words, _shape([9, 7, 8][:rank], layout), dtype, given)
        for own in counting if words == "pool average" and rank < 3 else ():
            yield Case(words, _shape([9, 7, 8][:rank], layout), "float32", {**given, **own})


def _global() -> Iterator[Case]:
    lengths = [7, 6, 5]
    kinds = ("gpool max", "gpool average")
    for words, rank, layout, keepdims in product(kinds, RANKS, LAYOUTS, (False, True)):
        parameters = {"data_format": layout, "keepdims": keepdims}
        for dtype in DTYPES if rank == 2 else (*FLOATS, "int32"):
            yield Case(words, _shape(lengths[:rank], layout), dtype, parameters)
    for words, shape in product(kinds, ((0, 4, 3), (2, 4, 0))):
        yield Case(words, shape, "float32")


def _minima_and_norms() -> Iterator[Case]:
    """Windows and all of space, as maxima and averages have them, with powers of every kind."""
    for case in (*_windows_beyond_keras(), *_special_windows()):
        if case.words != "pool max":
            continue
        yield Case("pool min", case.shape, case.dtype, case.parameters)
        yield Case("pool lp", case.shape, case.dtype, case.parameters)
    for words, p in product(("pool lp", "gpool lp"), (0.5, 1.0, 2.5, 3.0, 9.0, float("inf"))):
        own = {"pool_size": (3,), "padding": "same"} if words == "pool lp" else {}
        for dtype in FLOATS:
            yield Case(words, (2, 7, 6, 3), dtype, {"p": p, **own})
    for words, dtype in product(("pool min", "pool lp"), DTYPES):
        yield Case(words, (2, 7, 6, 3), dtype, {"pool_size": (3,), "padding": "same"})
    for case in _global():
        if case.words == "gpool max":
            yield Case("gpool min", case.shape, case.dtype, case.parameters)
            yield Case("gpool lp", case.shape, case.dtype, case.parameters)


CLIPPED: dict[str, Any] = {"renorm": True, "renorm_clipping": "rmin=0.5,rmax=1.5,dmax=0.5"}
ADJUSTMENTS: tuple[dict[str, Any], ...] = (
    {"adjustment": "scale=random_uniform(minval=0.9,maxval=1.1,seed=1);bias=zeros"},
    {"adjustment": {"scale": np.linspace(0.5, 2, 4).reshape(4, 1, 1, 1)}},
    {
        "adjustment": {
            "scale": np.linspace(1, 2, 6).reshape(6, 1),
            "bias": np.full((1, 5, 1, 3), 0.5),
        }
    },
)
BATCH_NORMS: tuple[dict[str, Any], ...] = (
    {"renorm": True},
    CLIPPED,
    {"virtual_batch_size": 2},
    {"virtual_batch_size": 1, "unbiased": True},
    {"momentum": None, "unbiased": True},
    {"virtual_batch_size": 1, **CLIPPED},
    *ADJUSTMENTS,
    {**CLIPPED, **ADJUSTMENTS[2]},
    {"trainable": False},
)


def _batch_norm() -> Iterator[Case]:
    shapes: tuple[tuple[int, ...], ...] = ((4, 3), (4, 5, 3), (4, 5, 6, 3), (4, 5, 4, 3, 2))
    dtypes = (*FLOATS, "int32", "uint8")
    for shape, dtype, training in product(shapes, dtypes, (False, True)):
        for axis in (-1, 1):
            yield Case("bn", shape, dtype, {"axis": (axis,)}, training)
    for axes, dtype, training in product(((0,), (1, 3), (0, 2)), FLOATS, (False, True)):
        yield Case("bn", (4, 5, 6, 3), dtype, {"axis": axes}, training)
    for center, scale, training in product((False, True), (False, True), (False, True)):
        parameters = {"center": center, "scale": scale, "epsilon": 0.1}
        yield Case("bn", (4, 5, 6, 3), "float32", parameters, training)
    for (parameters, axis), dtype in product(product(BATCH_NORMS, (-1, 1)), FLOATS):
        yield Case("bn", (4, 5, 6, 3), dtype, {"axis": (axis,), **parameters}, training=True)
    for fused, dtype in product((False, True), ("float16", "float32", "uint8")):
        yield Case("bn", (4, 5, 6, 3), dtype, {"fused": fused}, training=True)
    yield Case("bn", (4, 5, 6, 3), "float32", {"axis": (0,), **CLIPPED}, training=True)
    for dtype in FLOATS:  # one ghost batch, whose statistics serve all samples
        yield Case("bn", (4, 3), dtype, {"virtual_batch_size": 4}, training=True)
    yield Case("bn", (4, 5, 6, 3), "float32", {"synchronized": True}, training=True)
    yield Case("bn", (0, 5, 3), "float32")
    yield Case("bn", (4, 5, 0), "float32")


def _layer_norm() -> Iterator[Case]:
    shapes: tuple[tuple[int, ...], ...] = ((6,), (4, 6), (4, 5, 3), (4, 5, 6, 3), (4, 5, 4, 3, 2))
    for shape, dtype in product(shapes, (*FLOATS, "int32", "uint8")):
        yield Case("ln", shape, dtype, {"axis": (-1,)})
    for axes, dtype in product(((1,), (1, 2), (1, 2, 3), (1, 3), (0,), (0, 2), (-1, 1)), FLOATS):
        yield Case("ln", (4, 5, 6, 3), dtype, {"axis": axes})
    yield from _plain_norm("ln", {})


def _adaptive() -> Iterator[Case]:
    sizes = {1: ((3,), (7,), (11,)), 2: ((3, 4), (7, 2), (9, 13)), 3: ((2, 4, 3), (7, 6, 1), (4,))}
    for words, rank, layout in product(("apool max", "apool average"), RANKS, LAYOUTS):
        for size in sizes[rank]:
            parameters = {"output_size": size, "data_format": layout}
            for dtype in DTYPES if rank == 2 else (*FLOATS, "int64"):
                yield Case(words, _shape([7, 6, 5][:rank], layout), dtype, parameters)
    for words, dtype, layout in product(("apool max", "apool average"), FLOATS, LAYOUTS):
        for count in (3, 31):  # fewer windows than cells in one, and more
            parameters = {"output_size": (count,), "data_format": layout}
            yield Case(words, _shape([700], layout), dtype, parameters)
    for words, shape in product(("apool max", "apool average"), ((0, 7, 3), (2, 7, 0))):
        yield Case(words, shape, "float32", {"output_size": (3,)})


def _group_norm() -> Iterator[Case]:
    shapes: tuple[tuple[int, ...], ...] = ((4, 6), (4, 5, 6), (4, 5, 3, 6), (2, 5, 4, 3, 6))
    for shape, dtype in product(shapes, (*FLOATS, "int32", "uint8")):
        for groups in (1, 2, 6, -1):
            yield Case("gn", shape, dtype, {"groups": groups})
        yield Case("in", shape, dtype)
    for axis, dtype in product(((1,), (2,), (-2,)), FLOATS):
        yield Case("gn", (4, 6, 4, 5), dtype, {"groups": 2, "axis": axis})
        yield Case("in", (4, 6, 4, 5), dtype, {"axis": axis})
    yield from _plain_norm("gn", {"groups": 3})
    yield from _plain_norm("in", {})


def _rms_and_unit() -> Iterator[Case]:
    shapes: tuple[tuple[int, ...], ...] = ((6,), (4, 6), (4, 5, 3), (4, 5, 6, 3), (4, 5, 4, 3, 2))
    for words, shape, dtype in product(("rms", "unit"), shapes, (*FLOATS, "int32", "uint8")):
        yield Case(words, shape, dtype, {"axis": (-1,)})
    several = ((1,), (1, 2), (1, 2, 3), (1, 3), (0,), (0, 2), (-1, 1))
    for words, axes, dtype in product(("rms", "unit"), several, FLOATS):
        yield Case(words, (4, 5, 6, 3), dtype, {"axis": axes})
    for order, axes, dtype in product(("1", "inf"), ((-1,), (1,), (1, 3)), FLOATS):
        yield Case("unit", (4, 5, 6, 3), dtype, {"axis": axes, "order": order, "epsilon": 0.5})
    yield Case("unit", (4, 6), "float32", {"epsilon": 9.0})
    for words, shape in product(("rms", "unit"), ((0, 5, 3), (4, 5, 0))):
        yield Case(words, shape, "float32")


def _local_response() -> Iterator[Case]:
    """Odd and even sizes, also above the number of channels, in both layouts."""
    shapes: tuple[tuple[int, ...], ...] = ((4, 6), (4, 5, 6), (4, 5, 3, 6), (2, 5, 4, 3, 6))
    for shape, layout, dtype in product(shapes, LAYOUTS, (*FLOATS, "int32", "uint8")):
        yield Case("lrn", shape, dtype, {"data_format": layout, "alpha": 0.5})
    for size, dtype in product((1, 2, 3, 4, 13), FLOATS):
        parameters = {"size": size, "alpha": 0.5, "beta": 1.25, "bias": 2.0}
        yield Case("lrn", (4, 5, 6), dtype, parameters)
    for shape in ((0, 5, 3), (4, 5, 0)):
        yield Case("lrn", shape, "float32")


def _plain_norm(words: str, more: dict[str, Any]) -> Iterator[Case]:
    """Rows of every normalization with gamma and beta."""
    for center, scale in product((False, True), (False, True)):
        parameters = {"center": center, "scale": scale, "epsilon": 0.1}
        yield Case(words, (4, 5, 6, 3), "float32", parameters | more)
    yield Case(words, (4, 5, 3), "float32", {"trainable": False} | more)
    yield Case(words, (0, 5, 3), "float32", more)
    yield Case(words, (4, 5, 0), "float32", more)


CASES = [
    *_windows(),
    *_special_windows(),
    *_windows_beyond_keras(),
    *_global(),
    *_minima_and_norms(),
    *_adaptive(),
    *_batch_norm(),
    *_layer_norm(),
    *_group_norm(),
    *_rms_and_unit(),
    *_local_response(),
]
