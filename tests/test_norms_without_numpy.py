"""Normalizations without NumPy give the bytes, and say the words, of the way of arrays."""

from __future__ import annotations

import re
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from poolnorm_cli.engine.buffer_job import BufferJob, BufferPipeline
from poolnorm_cli.engine.job import Job
from poolnorm_cli.engine.training import TrainingState
from poolnorm_cli.kernels import native
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from poolnorm_cli.layers.group_norm import GroupNormalization, InstanceNormalization
from poolnorm_cli.layers.layer_norm import LayerNormalization
from poolnorm_cli.layers.local_response_norm import LocalResponseNormalization
from poolnorm_cli.layers.rms_norm import RMSNormalization
from poolnorm_cli.layers.unit_norm import UnitNormalization
from poolnorm_cli.sizes import BLOCK_BYTES
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.tensors.sources import open_tensors
from poolnorm_cli.weights.buffers import asks_for_more, starting_weights, stored_weights
from poolnorm_cli.weights.formats import entry_for
from tests.cases import CASES, Case


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from tests.conftest import Command

WORDS = ("bn", "ln", "rms", "unit", "gn", "in")

pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")


def is_served(case: Case) -> bool:
    """Whether there is a loop for a case."""
    if case.words not in WORDS or case.training or 0 in case.shape or "float" not in case.dtype:
        return False
    layer: Any = case.layer
    axes = layer.axes(len(case.shape))
    adjacent = case.words != "bn" or axes[-1] - axes[0] == len(axes) - 1
    return bool(axes[0]) and adjacent and not asks_for_more(layer)


PLAIN = [case for case in CASES if is_served(case)]


def run(job: Any, source: Path, target: Path) -> bytes:
    name = str(target)
    job.run_all(open_tensors(str(source)), open_output(name, overwrite=True), name)
    return target.read_bytes()


def both(layer: Layer, x: Any, weights: dict[str, Any], folder: Path) -> tuple[bytes, bytes]:
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
    job = BufferJob(layer, buffers)
    assert job.serves(open_tensors(str(files[0])))
    return run(job, *files), run(Job(layer, TrainingState(arrays)), *files)


def test_most_of_the_table_has_a_loop() -> None:
    assert {case.words for case in PLAIN} == set(WORDS)
    assert len(PLAIN) > 100


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
def test_the_bytes_are_those_of_arrays(case: Case, tmp_path: Path) -> None:
    plain, arrays = both(case.layer, case.x(), case.weights(), tmp_path)

    assert plain == arrays


LAYERS: list[Layer] = [
    BatchNormalization(),
    BatchNormalization(axis=(1,), center=False),
    LayerNormalization(),
    LayerNormalization(axis=(1, 2)),
    RMSNormalization(),
    RMSNormalization(axis=(1,)),
    UnitNormalization(axis=(2,)),
    LayerNormalization(axis=(1, 3)),
    RMSNormalization(axis=(3, 1)),
    UnitNormalization(axis=(-1, 1)),
    GroupNormalization(groups=2, axis=(2,)),
    *(UnitNormalization(axis=(2,), order=p) for p in (1, inf, -inf, 0, 3, 2.5, 0.5, -1)),
    *(UnitNormalization(order=p) for p in (1, inf, -2.5)),
    UnitNormalization(axis=(1, 3), order=1),
    LocalResponseNormalization(),
    LocalResponseNormalization(size=4, data_format="channels_first", beta=0.6),
    LocalResponseNormalization(size=30, beta=0.5, bias=0.0),
    GroupNormalization(groups=3),
    GroupNormalization(groups=5, axis=(1,)),
    InstanceNormalization(),
]
EXTREMES = [0.0, 1e-40, 3e38, -3e38, np.inf, np.nan]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.call_text((2, 5, 4, 6)))
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
def test_odd_values_and_swapped_bytes(layer: Layer, dtype: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((12, 5, 4, 6))
    for sample, value in enumerate(EXTREMES):
        x[sample, sample % 5, sample % 4, sample % 6] = value
    x[-1] *= 1e-300 if "8" in dtype else 1e-38
    x[-2] *= 1e300 if "8" in dtype else 1e37
    x[-3] = 0
    shapes = layer.weight_shapes(x.shape)
    weights = {name: (random.random(size) + 0.5) * 1e3 for name, size in shapes.items()}

    for given in ({}, weights):
        plain, arrays = both(layer, x.astype(dtype), given, tmp_path)
        assert plain == arrays


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.call_text((2, 5, 4, 6)))
def test_samples_larger_than_a_block_are_divided(layer: Layer, tmp_path: Path) -> None:
    x = np.random.default_rng(1).standard_normal((2, 700, 300, 6), dtype=np.float32)
    x[1, 2, 3, 4] = np.nan
    assert x[0].nbytes > BLOCK_BYTES

    plain, arrays = both(layer, x, {}, tmp_path)

    assert plain == arrays


def test_what_takes_numpy_is_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "half.npz", gamma=np.ones(3, np.float16), beta=np.ones(3))
    np.savez(tmp_path / "nan.npz", gamma=np.ones(3), beta=np.array([1, np.nan, 0]))
    layer, shape = LayerNormalization(), (2, 3)
    for name in ("half", "nan"):
        entry = entry_for(str(tmp_path / f"{name}.npz"), LayerNormalization)
        assert stored_weights(layer, entry, shape) is None, name
    drawn: Any = {"gamma_initializer": "random_normal(seed=1)"}
    penal: Any = {"beta_regularizer": "l2(0.1)"}
    assert starting_weights(LayerNormalization(**drawn), shape, "float32") is None
    assert starting_weights(LayerNormalization(**penal), shape, "float32") is None
    assert starting_weights(BatchNormalization(renorm=True), shape, "float32") is None
    odd: Any = {"moving_variance_initializer": "constant(-1)"}
    assert starting_weights(BatchNormalization(**odd), shape, "float32") is None


def test_the_command_says_and_refuses_what_it_always_does(
    poolnorm: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    np.save("x.npy", random.standard_normal((2, 4, 4, 3), dtype=np.float32))
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    torch = ("bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var")
    files: dict[str, dict[str, Any]] = {
        "w.npz": {name: random.random(3) + 0.5 for name in names},
        "t.npz": {name: random.random(3).astype("f") + 1 for name in torch},
        "four.npz": {name: random.random(4) for name in names},
        "bad.npz": {name: np.full(3, -1.0) for name in names},
    }
    for file, arrays in files.items():
        np.savez(file, **arrays)
    lines = [
        "bn x.npy -o y.npy",
        "bn x.npy -o y.npy --overwrite --weights w.npz --json",
        "bn x.npy -o y.npy --overwrite --weights t.npz",
        "bn x.npy -o y.npy --overwrite --weights t.npz::bn1 --epsilon 1e-5",
        "bn x.npy -o y.npy --overwrite --weights four.npz",
        "bn x.npy -o y.npy --overwrite --weights four.npz --axis 1",
        "bn x.npy -o y.npy --overwrite --weights bad.npz",
        "bn x.npy -o y.npy --overwrite --weights none.npz",
        "bn x.npy -o y.npy --overwrite --no-center --weights w.npz",
        "ln x.npy -o y.npy --overwrite --gamma-regularizer l2(1)",
        "ln x.npy -o y.npz --overwrite --gamma-initializer constant(0.1)",
        "gn x.npy -o y.npy --overwrite --groups 2",
        "gn x.npy -o y.npy --overwrite --groups 3 --unbatched",
        "in x.npy --no-values",
        "rms x.npy -o y.npy --overwrite --dtype float64",
        "unit x.npy -o y.npy --overwrite --axis 1,2",
    ]

    def told(words: str) -> tuple[Any, ...]:
        done = poolnorm(words)
        text = re.sub(r"\d[\d.]*e-\d+|\d\.\d+", "", done.out + done.err)
        made = {path.name: path.read_bytes() for path in Path().iterdir()}
        return done.code, text, made

    plain = [told(words) for words in lines]
    Path("y.npy").unlink()
    Path("y.npz").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(BufferJob, "serves", lambda *_: False)
        for words, before in zip(lines, plain, strict=True):
            assert told(words) == before, words


PIPES = {
    "! bn": True,
    "! pool max ! bn --weights w.npz": True,
    "! bn --weights t.npz::bn1 --epsilon 1e-5 ! ln --gamma-initializer constant(0.1)": True,
    "! ln ! pool average ! gn --groups 3 --beta-initializer ones": True,
    "! pool max --pool-size 2 ! rms --axis 2,3": True,
    "! pool max --pool-size 2 ! rms --axis 1,2": False,
    "! in ! bn --weights w.npz ! unit ! gpool average ! ln --no-center": True,
    "! bn --weights half.npz": False,
    "! ln --gamma-initializer random_normal(seed=1)": False,
    "! ln --gamma-regularizer l2(1) ! bn": False,
    "! pool max ! bn --weights none.npz": False,
    "! pool max ! bn --weights four.npz": False,
    "! ln ! bn --weights nan.npz": False,
    "! ln ! bn --weights bad.npz": False,
    "! gpool average ! gn --groups 2": False,
}
"""Steps, and whether none of them takes NumPy."""


@pytest.mark.parametrize("steps", PIPES)
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2"])
def test_a_pipe_with_weights_gives_what_it_gives_with_arrays(
    poolnorm: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: str, dtype: str
) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(5)
    x = random.standard_normal((5, 6, 8, 3)).astype(dtype)
    x[3, 2, 1, 0] = np.nan
    np.savez("x.npz", a=x, b=x[:2, :4])
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    torch = ("bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var")
    files: dict[str, dict[str, Any]] = {
        "w.npz": {name: random.random(3) + 0.5 for name in names},
        "t.npz": {name: random.random(3).astype("f") + 1 for name in torch},
        "half.npz": {name: np.ones(3, np.float16) for name in names},
        "four.npz": {name: np.ones(4) for name in names},
        "nan.npz": {name: np.array([1, np.nan, 1]) for name in names},
        "bad.npz": {name: np.full(3, -1.0) for name in names},
    }
    for file, arrays in files.items():
        np.savez(file, **arrays)
    served: list[bool] = []
    own = BufferPipeline.serves

    def serves(job: Any, tensors: Any) -> bool:
        served.append(own(job, tensors))
        return served[-1]

    def told() -> tuple[int, str, list[bytes]]:
        done = poolnorm(f"pipe x.npz -o y.npz --overwrite --json {steps}")
        text = re.sub(r"\d[\d.]*e-\d+|\d\.\d+", "", done.out + done.err)
        if not Path("y.npz").exists():
            return done.code, text, []
        with np.load("y.npz") as found:
            made = [found[key].tobytes() for key in found.files]
        Path("y.npz").unlink()
        return done.code, text, made

    monkeypatch.setattr(BufferPipeline, "serves", serves)
    plain = told()
    monkeypatch.setattr(BufferPipeline, "serves", lambda *_: False)
    assert told() == plain
    assert any(served) == PIPES[steps]
    if "--weights" in steps and plain[0]:
        assert f"step {steps.count('!')}" in plain[1]
