"""The jobs of the batch normalization goldens: its parameters with each other, at every rank.

Each job trains over two batches from weights that differ per channel.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.oracle.jobs import Array, Job


if TYPE_CHECKING:
    from collections.abc import Iterator


SHAPES = {2: (6, 2), 3: (4, 2, 3), 4: (4, 2, 1, 3), 5: (4, 2, 1, 2, 2)}
SETTINGS = (
    {"momentum": 0.9, "epsilon": 1e-3},
    {"momentum": 0.5, "epsilon": 1e-2},
)
CLIPPING = {"rmin": 0.8, "rmax": 1.25, "dmax": 0.25}
RENORM: dict[str, Any] = {"renorm": True, "renorm_momentum": 0.8}
CLIPPED: dict[str, Any] = {**RENORM, "renorm_clipping": CLIPPING}

KERAS_3: tuple[dict[str, Any], ...] = ({}, RENORM, CLIPPED)
KERAS_2: tuple[dict[str, Any], ...] = (
    {"fused": True},
    {"fused": False},
    CLIPPED,
    {"virtual_batch_size": 2},
    {"virtual_batch_size": 2, **CLIPPED},
)
FUSED_AXES = {4: (1, -1), 5: (1, -1)}


def keras_3_jobs() -> Iterator[Job]:
    """Every variant that Keras 3 has, with and without a mask."""
    for rank, variant, (settings, center, scale) in product(SHAPES, KERAS_3, _common()):
        for axis in (-1, 1) if rank > 2 else (-1,):
            params = {"axis": axis, "center": center, "scale": scale, **settings, **variant}
            yield _job(rank, params)
        params = {"axis": -1, "center": center, "scale": scale, **settings, **variant}
        yield _job(rank, params, masked=True)


def keras_2_jobs() -> Iterator[Job]:
    """Every variant that only Keras 2 has."""
    for rank, variant, (settings, center, scale) in product(SHAPES, KERAS_2, _common()):
        for axis in (-1, 1) if rank > 2 else (-1,):
            if variant.get("fused") and axis not in FUSED_AXES.get(rank, ()):
                continue
            params = {"axis": axis, "center": center, "scale": scale, **settings, **variant}
            yield _job(rank, params)
    for rank, variant, (settings, center, scale) in product(SHAPES, ({}, RENORM), _common()):
        params = {"axis": -1, "center": center, "scale": scale, **settings, **variant}
        yield _job(rank, params, adjusted=True)
        if rank > 3:
            yield _job(rank, {**params, "axis": (1, -1), "fused": False})


def _common() -> Iterator[tuple[dict[str, Any], bool, bool]]:
    yield from product(SETTINGS, (False, True), (False, True))


def _numbers(shape: tuple[int, ...], seed: int) -> Array:
    """Quarters between -3 and 3: they compress well, and any NumPy draws the same."""
    return np.random.RandomState(seed).randint(-12, 13, shape).astype("float32") / 4


def _job(rank: int, params: dict[str, Any], *, masked: bool = False, adjusted: bool = False) -> Job:
    shape = SHAPES[rank]
    inputs = tuple(_numbers(shape, seed) for seed in (rank, rank + 10))
    axis = params["axis"]
    sizes = tuple(shape[a] for a in ((axis,) if isinstance(axis, int) else axis))
    mask = _numbers(shape[:-1], 20) > -1 if masked else None
    broad = (shape[0], *(1,) * (rank - 2), shape[-1])
    terms = (1 + _numbers(broad, 30) / 16, _numbers(broad, 31) / 8)
    return Job(
        words=("bn",),
        params=params,
        inputs=inputs,
        weights=_weights(params, sizes),
        training=True,
        mask=mask,
        adjustment=terms if adjusted else None,
    )


def _weights(params: dict[str, Any], sizes: tuple[int, ...]) -> dict[str, Array]:
    steps = np.arange(np.prod(sizes), dtype="float32").reshape(sizes)
    weights = {
        "gamma": 1 + steps / 4,
        "beta": steps / 2 - 1,
        "moving_mean": 0.25 - steps / 8,
        "moving_variance": 2 + steps / 2,
        "moving_stddev": 1.5 + steps / 4,
        "renorm_mean": steps / 8,
        "renorm_stddev": 1.25 + steps / 8,
    }
    absent = {"gamma": not params["scale"], "beta": not params["center"]}
    if not params.get("renorm"):
        absent |= dict.fromkeys(("moving_stddev", "renorm_mean", "renorm_stddev"), True)
    return {name: weight for name, weight in weights.items() if not absent.get(name)}
