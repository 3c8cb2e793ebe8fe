"""Samples too large for a block, without NumPy: the bytes are those of arrays."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from poolnorm_cli.engine import blocks
from poolnorm_cli.engine.buffer_job import BufferJob
from poolnorm_cli.engine.job import Job
from poolnorm_cli.engine.training import TrainingState
from poolnorm_cli.kernels import native
from poolnorm_cli.layers.adaptive_pooling import AdaptiveAveragePooling, AdaptiveMaxPooling
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from poolnorm_cli.layers.global_pooling import GlobalAveragePooling, GlobalMaxPooling
from poolnorm_cli.layers.group_norm import GroupNormalization, InstanceNormalization
from poolnorm_cli.layers.layer_norm import LayerNormalization
from poolnorm_cli.layers.pooling import AveragePooling, MaxPooling
from poolnorm_cli.layers.rms_norm import RMSNormalization
from poolnorm_cli.layers.unit_norm import UnitNormalization
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.tensors.sources import open_tensors
from poolnorm_cli.weights.buffers import starting_weights, stored_weights
from poolnorm_cli.weights.formats import entry_for


if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from poolnorm_cli.layers.base import Layer

pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")

SHAPE = (3, 40, 30, 6)
WHOLE = (1, 2, 3)
NORMS: list[Layer] = [
    InstanceNormalization(),
    InstanceNormalization(axis=(1,)),
    GroupNormalization(groups=3),
    GroupNormalization(groups=4, axis=(1,)),
    LayerNormalization(axis=WHOLE),
    LayerNormalization(axis=WHOLE, center=False),
    RMSNormalization(axis=WHOLE),
    UnitNormalization(axis=WHOLE),
    BatchNormalization(axis=(1,)),
]
POOLS: list[Layer] = [
    MaxPooling(),
    AveragePooling(pool_size=(5,), strides=(2,), padding="same"),
    GlobalAveragePooling(),
    GlobalMaxPooling(),
    AdaptiveAveragePooling(output_size=(31,)),
    AdaptiveMaxPooling(output_size=(31,)),
]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "WHOLE_SAMPLE_BYTES", 1 << 12)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 11)


def run(job: Any, source: Path, target: Path) -> bytes:
    name = str(target)
    job.run_all(open_tensors(str(source), bfloat16=True), open_output(name, overwrite=True), name)
    return target.read_bytes()


def both(
    layer: Layer, x: NDArray[Any], folder: Path, weights: dict[str, Any] | None = None, **more: Any
) -> tuple[bytes, bytes]:
    """Return what comes of an array without NumPy, and with it."""
    np.save(folder / "x.npy", x)
    files = folder / "x.npy", folder / "y.npy"
    buffers, arrays = starting_weights(layer, x.shape, x.dtype.name), None
    if weights:
        np.savez(folder / "w.npz", **weights)
        entry = entry_for(str(folder / "w.npz"), type(layer))
        buffers = stored_weights(layer, entry, x.shape)
        arrays = entry.read_weights(layer, layer.weight_shapes(x.shape), training=False)
    assert buffers is not None
    job = BufferJob(layer, buffers, **more)
    tensors = list(open_tensors(str(files[0]), bfloat16=True))
    assert job.serves(tensors)
    assert all(job.plan_for(tensor).inner.strips for tensor in tensors)
    return run(job, *files), run(Job(layer, TrainingState(arrays), **more), *files)


@pytest.mark.parametrize("layer", NORMS, ids=lambda layer: layer.call_text(SHAPE))
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "float16", "bfloat16", "int16"])
def test_statistics_come_first_where_strips_have_none(
    layer: Layer, dtype: str, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    wide = random.standard_normal(SHAPE) * 3 + 7
    x = wide.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    shapes = layer.weight_shapes(SHAPE)
    weights = {name: (random.random(size) + 0.5) * 3 for name, size in shapes.items()}

    for given in ({}, weights):
        plain, arrays = both(layer, x, tmp_path, given)
        assert plain == arrays


@pytest.mark.parametrize("layer", NORMS, ids=lambda layer: layer.call_text(SHAPE))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_statistics_do_not_hold_is_left_to_arrays(
    layer: Layer, dtype: str, tmp_path: Path
) -> None:
    x = np.random.default_rng(1).standard_normal(SHAPE)
    x[0, 3, 4, 5], x[1, 2, 2, 2] = np.nan, inf
    x[2] *= 1e300 if dtype == "float64" else 1e37

    plain, arrays = both(layer, x.astype(dtype), tmp_path)

    assert plain == arrays


@pytest.mark.parametrize("layer", NORMS, ids=lambda layer: layer.call_text(SHAPE))
def test_what_comes_of_strips_is_what_comes_of_whole_samples(
    layer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(2).standard_normal(SHAPE, dtype=np.float32) + 100
    plain, _ = both(layer, x, tmp_path)
    monkeypatch.undo()
    job = Job(layer)
    whole = run(job, tmp_path / "x.npy", tmp_path / "y.npy")

    y, expected = (np.frombuffer(found[128:], np.float32) for found in (plain, whole))
    np.testing.assert_allclose(y, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("layer", POOLS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", ">f8", "float16", "bfloat16", "int16"])
def test_strips_of_pools_are_converted(layer: Any, dtype: str, tmp_path: Path) -> None:
    wide = np.random.default_rng(3).standard_normal((2, 90, 60, 5)) * 50
    x = wide.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)

    plain, arrays = both(layer, x, tmp_path)

    assert plain == arrays


@pytest.mark.parametrize("layer", [NORMS[2], POOLS[0], POOLS[4]], ids=str)
def test_the_output_may_have_another_type(layer: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(4).standard_normal(SHAPE, dtype=np.float32)
    for dtype in ("float16", "float64"):
        plain, arrays = both(layer, x, tmp_path, dtype=dtype)
        assert plain == arrays


@pytest.mark.parametrize("axes", [(1, 2), (1, 2, 3), (3,), (1,)], ids=str)
def test_one_channel_may_have_statistics_of_its_own(axes: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(6).standard_normal((2, 40, 60, 1), dtype=np.float32)
    layers: list[Layer] = [InstanceNormalization(axis=axes[-1:])]
    if axes[0] == 1 and len(axes) > 1:
        layers = [LayerNormalization(axis=axes), RMSNormalization(axis=axes)]
    for layer in layers:
        plain, arrays = both(layer, x, tmp_path)
        assert plain == arrays


def test_threads_decide_nothing(tmp_path: Path) -> None:
    x = np.random.default_rng(5).standard_normal((4, 600, 200, 6), dtype=np.float32)
    for layer in (NORMS[0], NORMS[4], POOLS[0]):
        found = {both(layer, x, tmp_path, threads=threads)[0] for threads in (1, 3)}
        assert len(found) == 1
