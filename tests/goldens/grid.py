"""The jobs of the goldens: every layer, rank, layout, padding, stride, pad and kind of number."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tests.oracle.jobs import Array, Job


if TYPE_CHECKING:
    from collections.abc import Iterator


LAYOUTS = ("channels_last", "channels_first")
KINDS = ("max", "average")


class Axis(NamedTuple):
    """A size, the window that slides over it, and the window's step."""

    size: int
    window: int
    stride: int

    @property
    def total(self) -> int:
        """The cells that 'same' adds."""
        return max((-(-self.size // self.stride) - 1) * self.stride + self.window - self.size, 0)

    @property
    def step(self) -> str:
        """Where the stride stands to the window."""
        signs = ("below", "at", "above")
        return signs[1 + (self.stride > self.window) - (self.stride < self.window)]


VALID = (Axis(7, 3, 2), Axis(8, 3, 3), Axis(8, 2, 3))
# A stride under the window cannot do without a pad.
SAME = (
    *(Axis(size, 4, 3) for size in (6, 5, 4)),
    *(Axis(size, 4, 4) for size in (8, 7, 6, 5)),
    *(Axis(size, 4, 5) for size in (10, 9, 8, 7, 6)),
)
OTHERS = (Axis(3, 2, 1), Axis(4, 2, 2), Axis(3, 2, 3))


class Noise:
    """Standard normal data, the same in every run."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(3)

    def normal(self, shape: tuple[int, ...], dtype: str = "float32") -> Array:
        """Values, of either sign; whole hundredths for integers."""
        values = self.random.standard_normal(shape)
        return (values if dtype.startswith("float") else values * 100).astype(dtype)

    def positive(self, shape: tuple[int, ...], dtype: str = "float32") -> Array:
        """Values from a half to two."""
        return self.random.uniform(0.5, 2, shape).astype(dtype)


def keras_jobs() -> Iterator[Job]:
    """The jobs for Keras 3."""
    noise = Noise()
    for ndim in (1, 2, 3):
        dtypes = ("float32", "float64") if ndim < 3 else ("float32",)
        for dtype, kind, layout in product(dtypes, KINDS, LAYOUTS):
            yield from _pools(noise, ndim, dtype, kind, layout)
        for dtype, kind, layout in product(("float32", "float64"), KINDS, LAYOUTS):
            yield from _global_pools(noise, ndim, dtype, kind, layout)
    yield from _other_kinds(noise)
    for dtype in ("float32", "float64"):
        yield from _batch_norms(noise, dtype)
        yield from _layer_norms(noise, dtype)


def keras_2_jobs() -> Iterator[Job]:
    """The jobs for tf_keras: batch normalization on the fused path and off it."""
    noise = Noise()
    shapes = {2: (8, 3), 3: (4, 3, 2), 4: (3, 2, 3, 4), 5: (2, 2, 3, 2, 2)}
    for rank, training, axis in product(shapes, (False, True), (-1, 1)):
        for fused in (False, True) if rank == 4 else (False,):
            yield _batch_norm(noise, shapes[rank], training=training, axis=axis, fused=fused)


def _laid_out(spatial: tuple[int, ...], layout: str) -> tuple[int, ...]:
    return (1, 2, *spatial) if layout == "channels_first" else (1, *spatial, 2)


def _pool(noise: Noise, dtype: str, kind: str, layout: str, padding: str, *axes: Axis) -> Job:
    shape = _laid_out(tuple(axis.size for axis in axes), layout)
    params: dict[str, Any] = {
        "pool_size": tuple(axis.window for axis in axes),
        "strides": tuple(axis.stride for axis in axes),
        "padding": padding,
        "data_format": layout,
    }
    return Job(words=("pool", kind), params=params, inputs=(noise.normal(shape, dtype),))


def _pools(noise: Noise, ndim: int, dtype: str, kind: str, layout: str) -> Iterator[Job]:
    for padding, cases in (("valid", VALID), ("same", SAME)):
        for number, case in enumerate(cases):
            axes = [OTHERS[(number + other) % 3] for other in range(ndim)]
            axes[number % ndim] = case
            yield _pool(noise, dtype, kind, layout, padding, *axes)


def _global_pools(noise: Noise, ndim: int, dtype: str, kind: str, layout: str) -> Iterator[Job]:
    for keepdims in (False, True):
        x = noise.normal(_laid_out((4, 3, 2)[:ndim], layout), dtype)
        params = {"data_format": layout, "keepdims": keepdims}
        yield Job(words=("gpool", kind), params=params, inputs=(x,))


def _other_kinds(noise: Noise) -> Iterator[Job]:
    """Integers and float16 where Keras has them."""
    for ndim, padding in product((1, 2), ("valid", "same")):
        axes = (Axis(5, 3, 2), Axis(6, 2, 3))[:ndim]
        for dtype in ("int8", "uint8", "int16", "int32", "int64", "float16"):
            yield _pool(noise, dtype, "max", "channels_last", padding, *axes)
        yield _pool(noise, "float16", "average", "channels_last", padding, *axes)
    for kind, dtype in product(KINDS, ("int32", "float16")):
        x = noise.normal((2, 3, 4, 2), dtype)
        params = {"data_format": "channels_last", "keepdims": False}
        yield Job(words=("gpool", kind), params=params, inputs=(x,))


def _affine(
    noise: Noise, shape: tuple[int, ...], dtype: str, *, center: bool, scale: bool
) -> dict[str, Array]:
    weights = {}
    if scale:
        weights["gamma"] = noise.positive(shape, dtype)
    if center:
        weights["beta"] = noise.normal(shape, dtype)
    return weights


def _batch_norm(
    noise: Noise, shape: tuple[int, ...], dtype: str = "float32", *, training: bool, **params: Any
) -> Job:
    params = {"axis": -1, "momentum": 0.9, "epsilon": 1e-3, **params}
    channels = (shape[params["axis"]],)
    center, scale = params.setdefault("center", True), params.setdefault("scale", True)
    weights = _affine(noise, channels, dtype, center=center, scale=scale)
    weights["moving_mean"] = noise.normal(channels, dtype)
    weights["moving_variance"] = noise.positive(channels, dtype)
    inputs = tuple(noise.normal(shape, dtype) for _ in range(2 if training else 1))
    return Job(words=("bn",), params=params, inputs=inputs, weights=weights, training=training)


def _batch_norms(noise: Noise, dtype: str) -> Iterator[Job]:
    shapes = ((8, 3), (4, 3, 5), (3, 2, 3, 4), (2, 2, 3, 2, 2))
    for shape, training, axis in product(shapes, (False, True), (-1, 1)):
        yield _batch_norm(noise, shape, dtype, training=training, axis=axis)
    for center, scale, training in product((False, True), (False, True), (False, True)):
        yield _batch_norm(noise, (6, 4), dtype, training=training, center=center, scale=scale)
    for momentum in (0.0, 0.99, 1.0):
        yield _batch_norm(noise, (6, 4), dtype, training=True, momentum=momentum, epsilon=1e-2)


def _layer_norms(noise: Noise, dtype: str) -> Iterator[Job]:
    shape = (3, 4, 5, 2)
    several = ((1, 2, 3), (3, 1), (-1, -2), (-3, -1), (2, 3))
    cases: list[tuple[tuple[int, ...], Any]] = [(shape, axis) for axis in (-2, 1, 2, *several)]
    cases += [((4, 6), -1), ((2, 3, 5), -1), ((2, 3, 5), (1, 2)), ((2, 3, 2, 2, 3), -1)]
    for dims, axis in cases:
        axes = sorted(each % len(dims) for each in ((axis,) if isinstance(axis, int) else axis))
        yield _layer_norm(noise, dims, dtype, axes, axis=axis)
    for center, scale in ((False, True), (True, False), (False, False)):
        yield _layer_norm(noise, (4, 6), dtype, [1], axis=-1, center=center, scale=scale)


def _layer_norm(
    noise: Noise, shape: tuple[int, ...], dtype: str, axes: list[int], **params: Any
) -> Job:
    params = {"epsilon": 1e-3, "center": True, "scale": True, **params}
    sizes = tuple(shape[axis] for axis in axes)
    weights = _affine(noise, sizes, dtype, center=params["center"], scale=params["scale"])
    x = noise.normal(shape, dtype)
    return Job(words=("ln",), params=params, inputs=(x,), weights=weights)
