"""Large samples without NumPy: strips give the bytes that they give as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from poolnorm_cli.engine import blocks, threads
from poolnorm_cli.engine.buffer_job import BufferJob
from poolnorm_cli.engine.job import Job
from poolnorm_cli.kernels import native
from poolnorm_cli.layers.adaptive_pooling import AdaptiveAveragePooling, AdaptiveMaxPooling
from poolnorm_cli.layers.global_pooling import GlobalAveragePooling, GlobalMaxPooling
from poolnorm_cli.layers.min_pooling import GlobalMinPooling, MinPooling
from poolnorm_cli.layers.pads import Pads
from poolnorm_cli.layers.pooling import AveragePooling, MaxPooling
from poolnorm_cli.layers.power_pooling import GlobalLpPooling, LpPooling
from poolnorm_cli.sizes import CHECKED_BYTES
from poolnorm_cli.tensors import npy
from poolnorm_cli.tensors.sources import open_tensors
from tests.test_without_numpy import run


if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")

SHAPES = [(2, 61, 20, 3), (1, 300, 5), (3, 19, 7, 11, 2), (1, 40, 40, 2)]
LAYERS: list[Any] = [
    MaxPooling(),
    MaxPooling(pool_size=(3,), strides=(1,), padding="same"),
    MinPooling(pool_size=(4,), strides=(3,), padding="same_lower"),
    AveragePooling(pool_size=(5,), strides=(2,), padding="same"),
    AveragePooling(pool_size=(3,), pads=Pads(((1, 1),)), count_include_pad=True, ceil_mode=True),
    MaxPooling(pool_size=(2,), strides=(1,), dilation_rate=(3,)),
    LpPooling(pool_size=(3,), p=3),
    GlobalMaxPooling(),
    GlobalMinPooling(keepdims=True),
    GlobalAveragePooling(),
    GlobalAveragePooling(keepdims=True),
    AdaptiveMaxPooling(output_size=(19,)),
    AdaptiveAveragePooling(output_size=(10,)),
    AdaptiveAveragePooling(output_size=(19,)),
    MaxPooling(data_format="channels_first"),
    GlobalAveragePooling(data_format="channels_first"),
]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "WHOLE_SAMPLE_BYTES", 1 << 10)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 10)
    monkeypatch.setattr(threads, "THREADED_BYTES", 0)
    monkeypatch.setattr(npy, "SMALL_FILE_BYTES", 0)


def outputs(layer: Any, x: NDArray[Any], folder: Path) -> set[bytes]:
    """Return what comes of an array with NumPy and without, in one thread and in three."""
    np.save(folder / "x.npy", x)
    np.savez(folder / "x.npz", x)
    found = {run(Job(layer), folder / "x.npy", folder / "y.npy")}
    for count in (1, 3):
        job = BufferJob(layer, threads=count)
        for name in ("x.npy", "x.npz"):
            (tensor,) = open_tensors(str(folder / name))
            assert job.serves([tensor])
            assert job.plan_for(tensor).pool.threads == count
            found.add(run(job, folder / name, folder / "y.npy"))
    return found


def cells(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Make numbers, some of which are special, or as large as there are."""
    random = np.random.default_rng(len(shape))
    if np.dtype(dtype).kind != "f":
        return random.integers(-100, 100, shape).astype(dtype)
    x = (random.standard_normal(shape) * 3).astype(dtype)
    x.flat[:: x.size // 7] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30, 0.0][
        : len(x.flat[:: x.size // 7])
    ]
    return x


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", ">f8"])
def test_the_bytes_are_those_of_arrays(
    layer: Any, shape: tuple[int, ...], dtype: str, tmp_path: Path
) -> None:
    plain = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    for x in (plain, cells(shape, dtype), plain / 9 * np.finfo(dtype).max):
        assert len(outputs(layer, x, tmp_path)) == 1


@pytest.mark.parametrize("layer", [MaxPooling(), GlobalMaxPooling()], ids=str)
@pytest.mark.parametrize("dtype", ["int8", ">u2", "bool"])
def test_maxima_of_integers_stay_integers(layer: Any, dtype: str, tmp_path: Path) -> None:
    assert len(outputs(layer, cells(SHAPES[0], dtype), tmp_path)) == 1


@pytest.mark.parametrize(
    "layer", [GlobalLpPooling(), MaxPooling(pool_size=(50, 1)), AveragePooling(pool_size=(50, 1))]
)
def test_parts_of_windows_take_numpy(layer: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", cells(SHAPES[0], "float32"))

    assert not BufferJob(layer).serves(open_tensors(str(tmp_path / "x.npy")))


def test_a_sample_that_memory_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from poolnorm_cli.engine import memory_estimate

    file = tmp_path / "x.npy"
    with file.open("wb") as opened:
        side = int((CHECKED_BYTES / 4) ** 0.5)
        header = {"descr": "<f4", "fortran_order": False, "shape": (1, side, side, 1)}
        np.lib.format.write_array_header_1_0(opened, header)
        opened.truncate(opened.tell() + 4 * side * side)
    assert BufferJob(MaxPooling()).serves(open_tensors(str(file)))
    monkeypatch.setattr(memory_estimate, "total_memory", lambda: 1 << 20)
    assert not BufferJob(MaxPooling()).serves(open_tensors(str(file)))
