"""Hundreds of random batch normalizations against Keras 3 and Keras 2, outputs and state."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.oracle import more_configurations as more
from tests.oracle.configurations import (
    Random,
    affine,
    batch_norm_at,
    chance,
    jobs,
    norm_shape,
    pick,
)
from tests.oracle.live import KERAS_2, check, needs


if TYPE_CHECKING:
    from tests.oracle.jobs import Job


pytestmark = [pytest.mark.oracle, pytest.mark.slow]

NEWER = ("fused at rank 5", "fused under a mask")
"""What TensorFlow 2.3 has not."""

OLD_TENSORFLOW = os.environ.get("POOLNORM_OLD_TENSORFLOW", "")
"""A Python with TensorFlow 2.3, whose Keras is the one that poolnorm's parameters come from."""


def masked_renorm(random: Random) -> Job:
    """Batch renormalization under a mask."""
    job = more.renorm(random)
    x = job.inputs[0]
    mask = random.random(x.shape[:-1]) < 0.7
    mask[..., 0] = True
    return replace(job, mask=mask)


def ghost_renorm(random: Random) -> Job:
    """Batch renormalization with ghost batches: r and d come from their averages."""
    job = more.renorm_float32(random)
    x = job.inputs[0]
    size = int(random.integers(2, 4))  # one sample may have no variance, to no digit
    samples = len(x) - len(x) % size
    params = {**job.params, "virtual_batch_size": size}
    return replace(job, inputs=tuple(x[:samples] for x in job.inputs), params=params)


def adjusted_renorm(random: Random) -> Job:
    """An adjustment on top of batch renormalization."""
    job = more.renorm_float32(random)
    shape = [1] * job.inputs[0].ndim
    shape[0], shape[job.params["axis"]] = (
        job.inputs[0].shape[0],
        job.inputs[0].shape[job.params["axis"]],
    )
    scale = random.uniform(0.8, 1.25, shape).astype("float32")
    return replace(job, adjustment=(scale, random.uniform(-0.3, 0.3, shape).astype("float32")))


def several_axes(random: Random) -> Job:
    """Statistics for each cell of two axes, which Keras 3 has no more."""
    shape = norm_shape(random)
    while len(shape) < 3:
        shape = norm_shape(random)
    axes = sorted(int(axis) for axis in random.permutation(len(shape))[:2])
    dtype = pick(random, "float32", "float64")
    job = batch_norm_at(random, shape, axes[0], dtype)
    sizes = tuple(shape[axis] for axis in axes)
    params, weights = affine(random, sizes, dtype)
    weights["moving_mean"] = random.standard_normal(sizes).astype(dtype)
    weights["moving_variance"] = random.uniform(0.1, 3, sizes).astype(dtype)
    given = axes if chance(random, 0.5) else [axis - len(shape) for axis in axes]
    params |= {name: job.params[name] for name in ("epsilon", "momentum")}
    return replace(job, params={**params, "axis": given, "fused": False}, weights=weights)


def fused_at_rank_5(random: Random) -> Job:
    """Keras 2's fused path over three spatial axes."""
    shape = tuple(int(size) for size in random.integers(2, 5, 5))
    job = batch_norm_at(random, shape, pick(random, -1, 4, 1, -4), "float32")
    return replace(job, params={**job.params, "fused": True})


def frozen(random: Random) -> Job:
    """A layer that is not trainable, called in training."""
    job = batch_norm_at(random, norm_shape(random), -1, pick(random, "float32", "float64"))
    return replace(job, params={**job.params, "trainable": False}, training=True)


def unfused_mask(random: Random) -> Job:
    """A mask in Keras 2, which leaves it out on its fused path."""
    job = more.masked_batch_norm(random)
    return replace(job, params={**job.params, "fused": False})


def fused_mask(random: Random) -> Job:
    """A mask on Keras 2's fused path."""
    job = fused_at_rank_5(random)
    return replace(job, mask=random.random(job.inputs[0].shape[:-1]) < 0.5)


KERAS_3_FAMILIES = {
    "renorm": (more.renorm, 300),
    "mask": (more.masked_batch_norm, 300),
    "masked renorm": (masked_renorm, 150),
    "not trainable": (frozen, 60),
}
KERAS_2_FAMILIES = {
    "renorm": (more.renorm_float32, 200),
    "fused or not": (more.fused, 300),
    "fused at rank 5": (fused_at_rank_5, 100),
    "fused under a mask": (fused_mask, 60),
    "virtual batches": (more.virtual_batch, 300),
    "virtual batches with renorm": (ghost_renorm, 150),
    "adjustment": (more.adjusted, 200),
    "adjustment with renorm": (adjusted_renorm, 100),
    "several axes": (several_axes, 200),
    "not trainable": (frozen, 60),
}


@needs("keras", "tensorflow")
@pytest.mark.parametrize("name", KERAS_3_FAMILIES)
def test_random_batch_norms_give_what_keras_3_gives(name: str) -> None:
    family, count = KERAS_3_FAMILIES[name]
    check(list(jobs(family, count, seed=20260110)), "keras")


@needs("tf_keras", "tensorflow")
@pytest.mark.parametrize("name", KERAS_2_FAMILIES)
def test_random_batch_norms_give_what_keras_2_gives(name: str) -> None:
    family, count = KERAS_2_FAMILIES[name]
    check(list(jobs(family, count, seed=20260111)), "tf_keras", KERAS_2)


@needs("tf_keras", "tensorflow")
def test_a_mask_weighs_as_keras_2_weighs_it_but_for_its_epsilon() -> None:
    listed = list(jobs(unfused_mask, 150, seed=20260112))
    bounds = {name: max(bound, 1e-6) for name, bound in KERAS_2.items()}
    check(listed, "tf_keras", bounds)


@pytest.mark.skipif(not OLD_TENSORFLOW, reason="POOLNORM_OLD_TENSORFLOW names no Python")
@pytest.mark.parametrize("name", [name for name in KERAS_2_FAMILIES if name not in NEWER])
def test_random_batch_norms_give_what_tensorflow_2_3_gives(name: str) -> None:
    family, count = KERAS_2_FAMILIES[name]
    listed = list(jobs(family, count, seed=20260113))
    check(listed, "tensorflow", KERAS_2, OLD_TENSORFLOW)
