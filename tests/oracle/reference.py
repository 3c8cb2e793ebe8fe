"""What the layers mean, written for reading and computed in float64: the third opinion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.oracle.jobs import Array, Job, Outcome


if TYPE_CHECKING:
    from collections.abc import Sequence


def compute(job: Job) -> Outcome:
    """Run a pool, a global pool, a batch or a layer normalization cell by cell."""
    weights = {name: array.astype("float64") for name, array in job.weights.items()}
    outputs = []
    for given in job.inputs:
        x = given if given.dtype.kind in "iu" else given.astype("float64")
        y = _output(job, x, weights)
        integers_stay = job.words[-1] == "max" and given.dtype.kind in "iu"
        kind = given.dtype if integers_stay or given.dtype.kind == "f" else np.dtype("float32")
        outputs.append(y.astype(kind))
    kept = {name: array.astype(job.weights[name].dtype) for name, array in weights.items()}
    return Outcome(outputs=tuple(outputs), weights=kept)


def _output(job: Job, x: Array, weights: dict[str, Array]) -> Array:
    if job.words[0] == "bn":
        return _batch_norm(job, x, weights)
    if job.words[0] == "ln":
        return _layer_norm(job, x, weights)
    last = job.params.get("data_format", "channels_last") == "channels_last"
    moved = np.moveaxis(x, -1, 1) if last else x
    if job.words[0] == "pool":
        y = _pool(job, moved)
        return np.moveaxis(y, 1, -1) if last else y
    reduce = np.max if job.words[1] == "max" else np.mean
    y = reduce(moved, axis=tuple(range(2, x.ndim)), keepdims=job.params["keepdims"])
    return np.moveaxis(y, 1, -1) if last and job.params["keepdims"] else y


def _spans(size: int, window: int, stride: int, padding: str) -> list[slice]:
    """Where each window of one axis meets the input."""
    if padding == "valid":
        starts: Sequence[int] = range(0, size - window + 1, stride)
    else:
        count = -(-size // stride)
        low = max((count - 1) * stride + window - size, 0) // 2
        starts = [number * stride - low for number in range(count)]
    return [slice(max(start, 0), min(start + window, size)) for start in starts]


def _pool(job: Job, x: Array) -> Array:
    windows = job.params["pool_size"]
    strides = job.params.get("strides") or windows
    padding = job.params["padding"]
    spans = [
        _spans(size, window, stride, padding)
        for size, window, stride in zip(x.shape[2:], windows, strides, strict=True)
    ]
    kind = x.dtype if job.words[1] == "max" else np.dtype("float64")
    y = np.empty((*x.shape[:2], *map(len, spans)), kind)
    reduce = np.max if job.words[1] == "max" else np.mean
    axes = tuple(range(2, x.ndim))
    for place in np.ndindex(*y.shape[2:]):
        cells = tuple(each[index] for each, index in zip(spans, place, strict=True))
        y[(..., *place)] = reduce(x[(..., *cells)], axis=axes)
    return y


def _batch_norm(job: Job, x: Array, weights: dict[str, Array]) -> Array:
    moved = np.moveaxis(x, job.params["axis"], -1)
    mean, variance = weights["moving_mean"], weights["moving_variance"]
    if job.training:
        mean, variance = (f(moved, axis=tuple(range(x.ndim - 1))) for f in (np.mean, np.var))
        momentum = job.params["momentum"]
        for name, batch in (("moving_mean", mean), ("moving_variance", variance)):
            weights[name] = weights[name] * momentum + batch * (1 - momentum)
    y = (moved - mean) / np.sqrt(variance + job.params["epsilon"])
    y = y * weights.get("gamma", 1) + weights.get("beta", 0)
    return np.moveaxis(y, -1, job.params["axis"])


def _layer_norm(job: Job, x: Array, weights: dict[str, Array]) -> Array:
    given = job.params["axis"]
    axes = tuple(sorted(axis % x.ndim for axis in ([given] if isinstance(given, int) else given)))
    shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
    centred = x - x.mean(axes, keepdims=True)
    y = centred / np.sqrt(x.var(axes, keepdims=True) + job.params["epsilon"])
    for name, combine in (("gamma", np.multiply), ("beta", np.add)):
        if name in weights:
            y = combine(y, weights[name].reshape(shape))
    return np.asarray(y)
