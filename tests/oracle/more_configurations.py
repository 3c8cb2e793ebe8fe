"""Random jobs of the layers beyond pooling, batch and layer normalization, and of their options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests.oracle.configurations import (
    LAYOUTS,
    Random,
    affine,
    batch_norm_at,
    chance,
    data,
    laid_out,
    norm_shape,
    norm_type,
    pick,
)
from tests.oracle.jobs import Array, Job


def adaptive_pooling(random: Random) -> Job:
    """Adaptive pooling; Keras on TensorFlow dies of some of these, torch answers all."""
    ndim = pick(random, 1, 2, 3)
    layout = pick(random, *LAYOUTS)
    spatial = tuple(int(size) for size in random.integers(1, 12, ndim))
    params = {"output_size": tuple(int(random.integers(1, size + 3)) for size in spatial)}
    x = data(random, laid_out(random, spatial, layout), pick(random, "float32", "float64"))
    return Job(
        words=("apool", pick(random, "max", "average")),
        params={**params, "data_format": layout},
        inputs=(x,),
    )


def group_norm(random: Random) -> Job:
    """Group normalization, the channels along any axis but the first."""
    shape = list(norm_shape(random))
    axis = pick(random, -1, 1, len(shape) - 1, 1 - len(shape))
    groups = pick(random, 1, 2, 3, -1)
    shape[axis] = abs(groups) * int(random.integers(1, 5))
    params, weights = affine(random, (shape[axis],), dtype := norm_type(random))
    params |= {"axis": axis, "groups": groups, "epsilon": pick(random, 1e-3, 1e-2)}
    x = data(random, tuple(shape), dtype)
    return Job(words=("gn",), params=params, inputs=(x,), weights=weights)


def instance_norm(random: Random) -> Job:
    """Instance normalization: Keras' group normalization with a group for each channel."""
    job = group_norm(random)
    params = {name: value for name, value in job.params.items() if name != "groups"}
    return replace(job, words=("in",), params=params)


def rms_norm(random: Random) -> Job:
    """RMS normalization over trailing axes, the only ones that Keras broadcasts its weight on."""
    shape = norm_shape(random)
    count = int(random.integers(1, len(shape)))
    axes = tuple(range(-count, 0))
    dtype = norm_type(random)
    kind = "float64" if dtype == "float64" else "float32"
    weights = {"scale": random.uniform(0.5, 2, shape[-count:]).astype(kind)}
    params = {"axis": -1 if count == 1 else axes, "epsilon": pick(random, 1e-6, 1e-3)}
    x = data(random, shape, dtype)
    return Job(words=("rms",), params=params, inputs=(x,), weights=weights)


def unit_norm(random: Random) -> Job:
    """Unit normalization over one axis or several."""
    shape = norm_shape(random)
    axes = random.permutation(len(shape))[: random.integers(1, len(shape))]
    axis = tuple(int(axis) for axis in axes)
    x = data(random, shape, pick(random, "float32", "float64"))
    return Job(words=("unit",), params={"axis": axis[0] if len(axis) == 1 else axis}, inputs=(x,))


def renorm(random: Random) -> Job:
    """Batch renormalization, with and without clipping."""
    shape = norm_shape(random)
    job = batch_norm_at(random, shape, pick(random, -1, 1), pick(random, "float32", "float64"))
    clipping: dict[str, Any] = {"rmin": 0.5, "rmax": 2.0, "dmax": 0.7}
    kept = {name: limit for name, limit in clipping.items() if chance(random, 0.6)}
    params: dict[str, Any] = {"renorm": True, "renorm_momentum": pick(random, 0.99, 0.7)}
    if kept:
        params["renorm_clipping"] = kept
    mean, variance = job.weights["moving_mean"], job.weights["moving_variance"]
    state = {
        "moving_stddev": np.sqrt(variance) * 1.1,
        "renorm_mean": mean * 0.9,
        "renorm_stddev": np.sqrt(variance) * 0.9,
    }
    kept_type = {name: value.astype(mean.dtype) for name, value in state.items()}
    return replace(job, params={**job.params, **params}, weights={**job.weights, **kept_type})


def renorm_float32(random: Random) -> Job:
    """Batch renormalization as Keras 2 has it: its clipping fails in float64."""
    while (job := renorm(random)).inputs[0].dtype != "float32":
        pass
    return job


def masked_batch_norm(random: Random) -> Job:
    """Batch normalization under a mask, which is the same along the last axis."""
    shape = norm_shape(random)
    axis = pick(random, -1, 1, 1 - len(shape), len(shape) // 2)
    job = batch_norm_at(random, shape, axis, pick(random, "float32", "float64"))
    return replace(job, mask=_mask(random, shape[:-1]))


def masked_average(random: Random) -> Job:
    """Global average pooling of sequences of unequal length."""
    shape = tuple(int(size) for size in random.integers(2, 9, 3))
    dtype = pick(random, "float32", "float64")
    return Job(
        words=("gpool", "average"),
        params={"data_format": "channels_last", "keepdims": chance(random, 0.5)},
        inputs=(data(random, shape, dtype),),
        mask=_mask(random, shape[:2]),
    )


def _mask(random: Random, shape: tuple[int, ...]) -> Array:
    """A mask that leaves at least one cell of every row."""
    mask = random.random(shape) < 0.7
    mask[..., 0] = True
    return mask


def masked_group_norm(random: Random) -> Job:
    """Group normalization under a mask of all cells, as Keras 2 has it."""
    while (job := group_norm(random)).inputs[0].dtype == np.float16:  # Keras 2 computes in it
        pass
    mask = random.random(job.inputs[0].shape) < 0.8
    return loosened(random, replace(job, mask=mask))


def loose_batch_norm(random: Random) -> Job:
    """Batch normalization under a mask with fewer cells, or of another kind."""
    return loosened(random, masked_batch_norm(random))


def loose_average(random: Random) -> Job:
    """Global average pooling under a mask with fewer cells, or of another kind."""
    return loosened(random, masked_average(random))


def loosened(random: Random, job: Job) -> Job:
    """The job with a mask that has size 1 along some axes, and of numbers of any kind."""
    assert job.mask is not None
    mask = job.mask
    for axis in range(mask.ndim):
        if chance(random, 0.4):
            mask = mask[tuple(slice(1) if a == axis else slice(None) for a in range(mask.ndim))]
    kind = pick(random, "bool", "int8", "uint8", "int64", "float32", "float64")
    return replace(job, mask=mask.astype(kind) * np.array(1).astype(kind))


def fused(random: Random) -> Job:
    """Keras 2: the fused path of rank 4, or the plain one anywhere."""
    if chance(random, 0.5):
        shape = norm_shape(random)
        job = batch_norm_at(random, shape, pick(random, -1, 1), pick(random, "float32", "float64"))
        return replace(job, params={**job.params, "fused": False})
    shape = tuple(int(size) for size in random.integers(2, 7, 4))
    job = batch_norm_at(random, shape, pick(random, -1, 3, 1), "float32")
    return replace(job, params={**job.params, "fused": True})


def virtual_batch(random: Random) -> Job:
    """Keras 2: ghost batches, which are interleaved."""
    virtual, groups = pick(random, 4, 6, 8), pick(random, 1, 2, 3)
    shape = (virtual * groups, *norm_shape(random)[1:])
    job = batch_norm_at(random, shape, pick(random, -1, 1), pick(random, "float32", "float64"))
    return replace(job, params={**job.params, "virtual_batch_size": virtual})


def adjusted(random: Random) -> Job:
    """Keras 2: an adjustment of its own for each sample and channel."""
    shape = norm_shape(random)
    dtype = pick(random, "float32", "float64")
    job = batch_norm_at(random, shape, axis := pick(random, -1, 1), dtype)
    broad = [1] * len(shape)
    broad[0], broad[axis] = shape[0], shape[axis]
    pair = (
        random.uniform(0.8, 1.25, broad).astype(dtype),
        random.uniform(-0.3, 0.3, broad).astype(dtype),
    )
    return replace(job, adjustment=pair)
