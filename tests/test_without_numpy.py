"""What goes through a layer without NumPy has the bytes that NumPy's way gives."""

from __future__ import annotations

import re
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from poolnorm_cli.engine.buffer_job import BufferJob, BufferPipeline
from poolnorm_cli.engine.job import Job
from poolnorm_cli.kernels import native
from poolnorm_cli.layers.adaptive_pooling import AdaptiveAveragePooling, AdaptiveMaxPooling
from poolnorm_cli.layers.global_pooling import GlobalAveragePooling, GlobalMaxPooling
from poolnorm_cli.layers.min_pooling import GlobalMinPooling, MinPooling
from poolnorm_cli.layers.pipeline import Step
from poolnorm_cli.layers.pooling import AveragePooling, MaxPooling
from poolnorm_cli.layers.power_pooling import GlobalLpPooling, LpPooling
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.tensors.sources import open_tensors
from tests.cases import CASES, Case


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.conftest import Command

SERVED = (
    "pool max",
    "pool average",
    "pool min",
    "pool lp",
    "gpool max",
    "gpool average",
    "gpool min",
    "gpool lp",
    "apool max",
    "apool average",
    "lrn",
)
"""Layers that need no NumPy, whatever their parameters are."""


def is_served(case: Case) -> bool:
    """Whether a case needs no NumPy."""
    if case.training or 0 in case.shape:
        return False
    if "float" not in case.dtype and case.words.endswith("min"):
        return False
    reaches_far = len(case.shape) == 5 and case.parameters.get("pool_size") == (4,)
    narrow = case.dtype in ("float16", "float32") or not case.words.startswith("gpool")
    return case.words in SERVED and narrow and not reaches_far


PLAIN = [case for case in CASES if is_served(case)]

pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")


def run(job: Any, source: Path, target: Path) -> bytes:
    """Run a job on a file, and return the bytes of the output."""
    name = str(target)
    outcomes = job.run_all(
        open_tensors(str(source), bfloat16=True), open_output(name, overwrite=True), name
    )
    assert len(outcomes) == 1
    return target.read_bytes()


def both(layer: Any, x: NDArray[Any], folder: Path) -> tuple[bytes, bytes]:
    """Return what comes of an array without NumPy, and with it."""
    np.save(folder / "x.npy", x)
    job = BufferJob(layer)
    assert job.serves(open_tensors(str(folder / "x.npy"), bfloat16=True))
    files = folder / "x.npy", folder / "y.npy"
    return run(job, *files), run(Job(layer), *files)


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
def test_the_bytes_are_those_of_arrays(case: Case, tmp_path: Path) -> None:
    plain, arrays = both(case.layer, case.x(), tmp_path)

    assert plain == arrays


@pytest.mark.parametrize("dtype", [">f4", ">f8"])
def test_swapped_bytes_are_read(dtype: str, tmp_path: Path) -> None:
    layer = AveragePooling(pool_size=(3,))
    for size in (9, 90):  # a small file is read whole
        x = np.random.default_rng(0).standard_normal((5, size, size, 3)).astype(dtype)
        plain, arrays = both(layer, x, tmp_path)
        assert plain == arrays


POOLINGS = [
    MaxPooling(pool_size=(2,)),
    MaxPooling(pool_size=(3,), strides=(1,), padding="same"),
    AveragePooling(pool_size=(2,)),
    AveragePooling(pool_size=(9,), strides=(2,), padding="same"),
    MinPooling(pool_size=(3,), strides=(2,), padding="same"),
    MinPooling(pool_size=(5,)),
    *(LpPooling(pool_size=(3,), strides=(2,), padding="same", p=p) for p in (1, 2, 3, 2.5, inf)),
    GlobalMaxPooling(),
    GlobalAveragePooling(),
    GlobalMinPooling(),
    *(GlobalLpPooling(p=p) for p in (1, 2, 3, 2.5, inf)),
    AdaptiveMaxPooling(output_size=(3,)),
    AdaptiveAveragePooling(output_size=(3,)),
]


@pytest.mark.parametrize("layer", POOLINGS, ids=str)
@pytest.mark.parametrize("dtype", ["float16", ">f2", "bfloat16"])
@pytest.mark.parametrize("shape", [(3, 7, 9, 2), (2, 90, 80, 30), (700, 12, 11, 3)], ids=str)
def test_two_bytes_are_converted_and_rounded_once(
    layer: Any, dtype: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    wide = np.random.default_rng(0).standard_normal(shape) * 3
    wide.flat[::1001] = np.nan
    x = wide.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)

    plain, arrays = both(layer, x, tmp_path)

    assert plain == arrays


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64", "bool"])
def test_integers_are_averaged_in_float64(dtype: str, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 120, (5, 90, 60, 3)).astype(dtype)

    plain, arrays = both(AveragePooling(pool_size=(3,)), x, tmp_path)

    assert plain == arrays
    assert np.load(tmp_path / "y.npy").dtype == np.float32


@pytest.mark.parametrize("pool_size", [2, 40])
def test_blocks_come_from_several_threads_in_order(pool_size: int, tmp_path: Path) -> None:
    x = np.random.default_rng(1).standard_normal((700, 60, 60, 4), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    layer = AveragePooling(pool_size=(pool_size,), strides=(20,))
    files = tmp_path / "x.npy", tmp_path / "y.npy"
    found = {run(BufferJob(layer, threads=threads), *files) for threads in (1, 3)}

    assert found == {run(Job(layer), *files)}


@pytest.mark.parametrize("layer", [*POOLINGS[:2], GlobalMaxPooling()], ids=str)
@pytest.mark.parametrize("dtype", ["int8", ">u2", "int32", ">i8", "bool"])
def test_maxima_of_integers_stay_integers(layer: Any, dtype: str, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(-120, 120, (5, 90, 60, 3)).astype(dtype)

    plain, arrays = both(layer, x, tmp_path)

    assert plain == arrays
    assert np.load(tmp_path / "y.npy").dtype == x.dtype.newbyteorder("=")


def test_no_more_memory_is_taken_than_is_allowed(tmp_path: Path) -> None:
    x = np.random.default_rng(1).standard_normal((700, 60, 60, 4), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    layer, files = MaxPooling(), (tmp_path / "x.npy", tmp_path / "y.npy")
    found, threads = set(), []
    for memory in (None, 1 << 30, 60 << 20):
        job = BufferJob(layer, threads=4, memory=memory)
        (tensor,) = open_tensors(str(files[0]))
        assert job.serves([tensor])
        threads.append(job.plan_for(tensor).pool.threads)
        found.add(run(job, *files))

    assert threads[:2] == [4, 4]
    assert threads[2] < 4
    assert found == {run(Job(layer), *files)}
    assert not BufferJob(layer, memory=1 << 20).serves(open_tensors(str(files[0])))


def test_sums_that_overflow_are_mended(tmp_path: Path) -> None:
    x = np.full((4, 6, 6, 2), 3e38, np.float32)
    x[1, 2, 3, 0], x[2, 0, 0, 1] = np.nan, -np.inf
    for layer in (
        AveragePooling(pool_size=(3,)),
        GlobalAveragePooling(),
        AdaptiveAveragePooling(output_size=(4,)),
    ):
        plain, arrays = both(layer, x, tmp_path)
        assert plain == arrays
        assert np.isfinite(np.load(tmp_path / "y.npy")[0]).all()


def test_what_takes_numpy_is_not_served(tmp_path: Path) -> None:
    layer = MaxPooling()
    odd: dict[str, NDArray[Any]] = {
        "fortran": np.asfortranarray(np.ones((2, 4, 4, 3), np.float32)),
        "rank": np.ones((2, 4), np.float32),
        "empty": np.ones((0, 4, 4, 3), np.float32),
    }
    for name, x in odd.items():
        np.save(tmp_path / f"{name}.npy", x)
        assert not BufferJob(layer).serves(open_tensors(str(tmp_path / f"{name}.npy"))), name
    np.save(tmp_path / "x.npy", np.ones((2, 4, 4, 3), np.float32))
    np.save(tmp_path / "double.npy", np.ones((2, 4, 4, 3)))
    file, double = str(tmp_path / "x.npy"), str(tmp_path / "double.npy")
    assert BufferJob(layer).serves(open_tensors(file))
    assert not BufferJob(layer, dtype="float16").serves(open_tensors(double))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "_LOOPS", None)
        assert not BufferJob(layer).serves(open_tensors(file))


def test_the_command_says_and_refuses_what_it_always_does(
    poolnorm: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.arange(96, dtype=np.float32).reshape(2, 4, 4, 3))
    Path("short.npy").write_bytes(Path("x.npy").read_bytes()[:-8])
    lines = [
        "x.npy -o y.npy",
        "x.npy -o y.npy",
        "x.npy -o y.npy --overwrite --json",
        "x.npy -o y.npy --skip-existing",
        "x.npy -o y.npy --overwrite -q",
        "x.npy -o z/y.npy",
        "x.npy -o x.npy --overwrite",
        "x.npy -o y.npz",
        "x.npy --no-values",
        "short.npy -o w.npy",
        "none.npy -o w.npy",
        "x.npy -o w.npy --pool-size 9",
        "x.npy -o w.npy --unbatched",
    ]

    def told(words: str) -> tuple[Any, ...]:
        done = poolnorm(f"pool max {words}")
        text = re.sub(r"\d[\d.]*e-\d+|\d\.\d+", "", done.out + done.err)
        files = {path.name: path.read_bytes() for path in Path().iterdir()}
        return done.code, text, files

    plain = [told(words) for words in lines]
    for path in ("y.npy", "y.npz", "w.npy"):
        Path(path).unlink(missing_ok=True)
    with monkeypatch.context() as patch:
        patch.setattr(BufferJob, "serves", lambda *_: False)
        for words, before in zip(lines, plain, strict=True):
            assert told(words) == before, words


@pytest.mark.parametrize("dtype", ["float32", ">f8", "float16"])
@pytest.mark.parametrize("form", ["x.npy", "x.npz"])
def test_a_pipe_gives_what_it_gives_with_arrays(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, dtype: str, form: str
) -> None:
    x = np.random.default_rng(3).standard_normal((9, 12, 11, 4)).astype(dtype)
    x[3, 4, 5, 1] = np.nan
    np.save(form, x) if form == "x.npy" else np.savez(form, a=x, b=x[:2])
    steps = "! pool max ! pool average --pool-size 3 --padding same ! gpool average"

    def told(target: str) -> tuple[int, str, list[bytes]]:
        done = poolnorm(f"pipe {form} -o {target} --json {steps}")
        found = np.load(target)
        arrays = [found] if form == "x.npy" else [found[key] for key in found.files]
        text = re.sub(r"\d[\d.]*e-\d+|\d\.\d+", "", done.out + done.err)
        return done.code, text.replace(target, ""), [each.tobytes() for each in arrays]

    served: list[bool] = []
    own = BufferPipeline.serves

    def serves(job: Any, tensors: Any) -> bool:
        served.append(own(job, tensors))
        return served[-1]

    monkeypatch.setattr(BufferPipeline, "serves", serves)
    plain = told(f"y{form[1:]}")
    monkeypatch.setattr(BufferPipeline, "serves", lambda *_: False)
    assert told(f"z{form[1:]}") == plain
    assert plain[0] == 0
    assert served == [True]


def test_blocks_of_a_pipe_come_from_several_threads(tmp_path: Path) -> None:
    x = np.random.default_rng(1).standard_normal((900, 50, 50, 4), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    layers = MaxPooling(), AveragePooling(pool_size=(5,), strides=(2,))
    steps = tuple(Step(layer, f"step{n}", n) for n, layer in enumerate(layers, 1))
    plain, between = x, tmp_path / "between.npy"
    for layer in layers:
        np.save(tmp_path / "in.npy", plain)
        run(Job(layer), tmp_path / "in.npy", between)
        plain = np.load(between)
    for threads in (1, 3):
        job = BufferPipeline(layer=layers[-1], threads=threads, steps=steps, each=({}, {}))
        assert job.serves(open_tensors(str(tmp_path / "x.npy")))
        assert run(job, tmp_path / "x.npy", tmp_path / "y.npy") == between.read_bytes()


def test_a_pipe_takes_no_more_memory_than_is_allowed(tmp_path: Path) -> None:
    x = np.random.default_rng(1).standard_normal((700, 60, 60, 4), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    layers = MaxPooling(strides=(1,)), AveragePooling(pool_size=(3,))
    steps = tuple(Step(layer, f"step{n}", n) for n, layer in enumerate(layers, 1))
    found, threads = set(), []
    for memory in (None, 1 << 30, 90 << 20):
        job = BufferPipeline(layer=layers[-1], threads=4, memory=memory, steps=steps, each=({}, {}))
        (tensor,) = open_tensors(str(tmp_path / "x.npy"))
        assert job.serves([tensor])
        threads.append(job.plan_for(tensor).pool.threads)
        found.add(run(job, tmp_path / "x.npy", tmp_path / "y.npy"))
    little = BufferPipeline(layer=layers[-1], memory=1 << 20, steps=steps, each=({}, {}))

    assert threads[:2] == [4, 4]
    assert threads[2] < 4
    assert len(found) == 1
    assert not little.serves([tensor])
