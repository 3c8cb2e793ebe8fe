"""Random jobs, the same for the same seed, kept where Keras itself can answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.oracle.jobs import Array, Job


Random = np.random.Generator
Family = Callable[[Random], Job]

INTEGERS = ("int8", "uint8", "int16", "int32", "int64")
LAYOUTS = ("channels_last", "channels_first")


def jobs(family: Family, count: int, seed: int) -> Iterator[Job]:
    """`count` jobs of a family."""
    random = np.random.default_rng(seed)
    return (family(random) for _ in range(count))


def pick(random: Random, *choices: Any) -> Any:
    """One of the choices, as it is."""
    return choices[int(random.integers(len(choices)))]


def chance(random: Random, share: float) -> bool:
    """True in `share` of the calls."""
    return bool(random.random() < share)


def data(random: Random, shape: tuple[int, ...], dtype: str) -> Array:
    """Standard normal data; integers over a part of their range, so that sums stay exact."""
    if dtype.startswith(("int", "uint")):
        low = 0 if dtype.startswith("uint") else -100
        return random.integers(low, 100, size=shape, dtype=dtype)
    return random.standard_normal(shape).astype(dtype)


def laid_out(random: Random, spatial: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """A whole shape around the spatial sizes; channel counts around the width of vectors."""
    batch = int(random.integers(1, 4))
    channels = pick(random, 1, 2, 3, 4, 5, 8, 17)
    if layout == "channels_first":
        return (batch, channels, *spatial)
    return (batch, *spatial, channels)


def float_type(random: Random, ndim: int) -> str:
    """A kind of number that TensorFlow pools at this rank: three axes have float32 alone."""
    return "float32" if ndim == 3 else str(pick(random, "float32", "float64", "float16"))


def pooling(random: Random) -> Job:
    """Max and average pooling in which every window fits the input."""
    kind = pick(random, "max", "average")
    ndim = pick(random, 1, 2, 3)
    dtype = float_type(random, ndim)
    if kind == "max" and ndim < 3 and chance(random, 0.2):
        dtype = pick(random, *INTEGERS)
    return windowed(random, kind, ndim, dtype)


def windowed(random: Random, kind: str, ndim: int, dtype: str, widest: int = 5) -> Job:
    """One pool over `ndim` axes of the given kind of numbers."""
    padding = pick(random, "valid", "same")
    windows = tuple(int(size) for size in random.integers(1, widest + 1, ndim))
    strides = tuple(int(size) for size in random.integers(1, 6, ndim))
    least = windows if padding == "valid" else (1,) * ndim
    spatial = tuple(int(random.integers(low, (14, 12, 9)[ndim - 1] + widest - 5)) for low in least)
    layout = pick(random, *LAYOUTS)
    params: dict[str, Any] = {"pool_size": windows, "padding": padding, "data_format": layout}
    if chance(random, 0.8):
        params["strides"] = strides
    x = data(random, laid_out(random, spatial, layout), dtype)
    return Job(words=("pool", kind), params=params, inputs=(x,))


def global_pooling(random: Random) -> Job:
    """Global pooling, with and without the axes of size one."""
    kind = pick(random, "max", "average")
    ndim = pick(random, 1, 2, 3)
    dtype = pick(random, "float32", "float32", "float64", "float16", "int32")
    layout = pick(random, *LAYOUTS)
    spatial = tuple(int(size) for size in random.integers(1, 12, ndim))
    params = {"data_format": layout, "keepdims": chance(random, 0.5)}
    x = data(random, laid_out(random, spatial, layout), dtype)
    return Job(words=("gpool", kind), params=params, inputs=(x,))


def norm_type(random: Random) -> str:
    """A kind of number for a normalization."""
    return str(pick(random, "float32", "float32", "float32", "float64", "float64", "float16"))


def affine(random: Random, shape: tuple[int, ...], dtype: str) -> tuple[dict[str, Any], Any]:
    """`center` and `scale`, and the weights that they ask for."""
    params = {"center": chance(random, 0.75), "scale": chance(random, 0.75)}
    kind = "float64" if dtype == "float64" else "float32"
    weights = {}
    if params["scale"]:
        weights["gamma"] = random.uniform(0.5, 2, shape).astype(kind)
    if params["center"]:
        weights["beta"] = random.standard_normal(shape).astype(kind)
    return params, weights


def norm_shape(random: Random, least: int = 2) -> tuple[int, ...]:
    """A shape of rank 2 to 5 with enough rows for a variance that is not near zero."""
    ndim = pick(random, 2, 3, 4, 5)
    sizes = random.integers(least, 7 if ndim > 3 else 12, ndim)
    return (int(sizes[0]) + 4, *(int(size) for size in sizes[1:]))


def batch_norm(random: Random) -> Job:
    """Batch normalization: inference, and training over one to four batches."""
    shape = norm_shape(random)
    axis = pick(random, -1, len(shape) - 1, 1, 1 - len(shape), 0, len(shape) // 2)
    return batch_norm_at(random, shape, axis, norm_type(random))


def batch_norm_at(random: Random, shape: tuple[int, ...], axis: int, dtype: str) -> Job:
    """Batch normalization of inputs of one shape, their channels along `axis`."""
    training = chance(random, 0.6)
    channels = (shape[axis],)
    params, weights = affine(random, channels, dtype)
    params["axis"] = axis
    params["epsilon"] = pick(random, 1e-3, 1e-2, 1e-4)
    params["momentum"] = pick(random, 0.99, 0.9, 0.5, 0.0, 1.0)
    kind = "float64" if dtype == "float64" else "float32"
    weights["moving_mean"] = random.standard_normal(channels).astype(kind)
    weights["moving_variance"] = random.uniform(0.1, 3, channels).astype(kind)
    steps = int(random.integers(1, 5)) if training else 1
    inputs = tuple(data(random, shape, dtype) for _ in range(steps))
    return Job(words=("bn",), params=params, inputs=inputs, weights=weights, training=training)


def layer_norm(random: Random) -> Job:
    """Layer normalization over one axis or several, counted from either end."""
    shape = norm_shape(random)
    ndim = len(shape)
    axes = sorted(int(axis) for axis in random.permutation(ndim)[: random.integers(1, ndim)])
    params, weights = affine(
        random, tuple(shape[axis] for axis in axes), dtype := norm_type(random)
    )
    if chance(random, 0.5):
        axes = [axis - ndim for axis in axes]
    given = tuple(int(axis) for axis in random.permutation(axes))
    params["axis"] = given[0] if len(given) == 1 else given
    params["epsilon"] = pick(random, 1e-3, 1e-2)
    x = data(random, shape, dtype)
    return Job(words=("ln",), params=params, inputs=(x,), weights=weights)


def torch_pooling(random: Random) -> Job:
    """Pools that Keras has not: float64 and integers at every rank, wide windows, NaN in max."""
    kind = pick(random, "max", "max", "average")
    dtype = pick(random, "float32", "float64", *(INTEGERS if kind == "max" else ()))
    ndim = pick(random, 1, 2, 3)
    job = windowed(random, kind, ndim, dtype, widest=pick(random, 5, (40, 16, 9)[ndim - 1]))
    (x,) = job.inputs
    if kind == "max" and dtype.startswith("float"):
        special = random.random(x.shape)
        x[special < 0.1] = -np.inf
        x[special > 0.95] = np.inf
        x[special > 0.97] = np.nan
    return job
