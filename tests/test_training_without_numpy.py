"""A training call without NumPy: the output, the weights and the words that arrays give."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from poolnorm_cli import strips
from poolnorm_cli.engine import threads
from poolnorm_cli.engine.buffer_training import TrainingBufferJob
from poolnorm_cli.kernels import native
from poolnorm_cli.tensors import npy
from tests.batch.places import tree


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.conftest import Command

pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")

WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")
SERVED = [
    "",
    "--momentum 0.5 --epsilon 0.1",
    "--weights w.npz",
    "--weights w.npz --unbiased",
    "--no-center --no-scale",
    "--axis 1",
    "--weights double.npz",
    "--max-memory 1G",
    "--fused",
]
NOT_SERVED = [
    "--renorm",
    "--virtual-batch-size 2",
    "--momentum none",
    "--trainable false",
    "--gamma-regularizer l2",
    "--synchronized",
]


def _make_files(x: NDArray[Any]) -> None:
    np.save("x.npy", x)
    random = np.random.default_rng(2)
    for name, dtype in (("w", np.float32), ("double", np.float64)):
        channels = x.shape[-1]
        made: dict[str, Any] = {key: random.random((channels,)).astype(dtype) for key in WEIGHTS}
        np.savez(f"{name}.npz", **made)


def told(poolnorm: Command, flags: str, saved: str = "--save-weights s.npz") -> tuple[Any, ...]:
    """Return what a run says and writes."""
    for name in ("y.npy", "s.npz"):
        Path(name).unlink(missing_ok=True)
    done = poolnorm(f"bn x.npy -o y.npy --training {saved} {flags}")
    text = re.sub(r"\d[\d.]*e-\d+|\d\.\d+", "", done.out + done.err)
    files = [Path(name) for name in ("y.npy", "s.npz")]
    return done.code, text, *(file.read_bytes() if file.exists() else None for file in files)


@pytest.fixture(name="both")
def _both(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> Any:
    def both(flags: str, x: NDArray[Any], *more: str) -> tuple[bool, Any]:
        """Run with and without NumPy, and say whether it did without, and what came of it."""
        _make_files(x)
        served: list[bool] = []
        own = TrainingBufferJob.serves

        def serves(job: Any, tensors: Any) -> bool:
            served.append(own(job, tensors))
            return served[-1]

        with monkeypatch.context() as patch:
            patch.setattr(TrainingBufferJob, "serves", serves)
            plain = told(poolnorm, flags, *more)
            patch.setattr(TrainingBufferJob, "serves", lambda *_: False)
            assert told(poolnorm, flags, *more) == plain
        return any(served), plain

    return both


def cells(shape: tuple[int, ...], dtype: Any = np.float32) -> NDArray[Any]:
    return (np.random.default_rng(1).standard_normal(shape) * 3 + 1).astype(dtype)


@pytest.mark.parametrize("flags", SERVED)
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "bfloat16"])
def test_it_gives_what_arrays_give(both: Any, flags: str, dtype: str) -> None:
    if "--fused" in flags and "8" in dtype:
        pytest.skip("Keras 2 has no such path")
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    served, (code, *_) = both(
        f"{flags} --dtype bfloat16" if dtype == "bfloat16" else flags, cells((6, 5, 3, 3), kind)
    )

    assert code == 0
    assert served


@pytest.mark.parametrize("dtype", ["int16", "bool", "<f4", "<f2"])
def test_statistics_are_of_what_is_computed_with(both: Any, dtype: str) -> None:
    for flags, expected in (("--dtype float64", False), ("", "f" in dtype)):
        served, (code, *_) = both(flags, cells((6, 5, 3, 3), dtype))
        assert (served, code) == (expected, 0)


@pytest.mark.parametrize("flags", NOT_SERVED)
def test_what_does_more_takes_numpy(both: Any, flags: str) -> None:
    served, (code, *_) = both(flags, cells((6, 5, 3, 3)))

    assert (served, code) == (False, 0)


@pytest.fixture(name="small_grains")
def _small_grains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "GRAIN_ITEMS", 600)
    monkeypatch.setattr(threads, "THREADED_BYTES", 0)
    monkeypatch.setattr(npy, "SMALL_FILE_BYTES", 0)


@pytest.mark.usefixtures("small_grains")
@pytest.mark.parametrize("shape", [(50, 9, 7, 4), (3, 40, 40, 4), (200, 4), (7, 8, 3)])
@pytest.mark.parametrize("flags", ["--axis -1", "--axis 1", "--threads 3"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
def test_grains_are_merged_as_ever(
    both: Any, shape: tuple[int, ...], flags: str, dtype: str
) -> None:
    served, (code, *_) = both(flags, cells(shape, dtype))

    assert code == 0
    assert served == (shape != (7, 8, 3) or flags != "--axis 1")


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("saved", ["", "--save-weights s.npz"])
def test_what_is_not_finite_is_left_to_arrays(both: Any, value: float, saved: str) -> None:
    x = cells((6, 5, 3, 3))
    x[2, 1, 1, 1] = value

    assert both("--weights w.npz", x, saved)[0]


def test_weights_are_replaced_in_place(both: Any, poolnorm: Command) -> None:
    _make_files(cells((6, 5, 3, 3)))
    before = Path("w.npz").read_bytes()
    found = []
    for name in ("one", "other"):
        Path("w.npz").write_bytes(before)
        with pytest.MonkeyPatch.context() as patch:
            if name == "other":
                patch.setattr(TrainingBufferJob, "serves", lambda *_: False)
            words = "bn x.npy --training --weights w.npz --save-weights w.npz"
            assert poolnorm(f"{words} -o {name}.npy -q").code == 0
        found.append((Path("w.npz").read_bytes(), Path(f"{name}.npy").read_bytes()))

    assert found[0] == found[1]
    assert found[0][0] != before


MANY = [
    "in/a.npy in/b.npy in/c.npy",
    "in/a.npy in/b.npy in/c.npy --weights w.npz --unbiased",
    "in/z.npz",
    "in/z.npz in/fortran.npy in/a.npy in/wider.npy",
    "in/a.npy in/double.npy in/b.npy",
    "in/double.npy in/b.npy",
    "in/a.npy in/bad.npy in/b.npy --weights w.npz",
    "in/a.npy in/other.npy in/b.npy",
    "in/fortran.npy in/a.npy",
    "in/none.npy in/a.npy",
]


@pytest.mark.parametrize("line", MANY)
@pytest.mark.parametrize("kept", ["w", "double"])
def test_weights_move_from_input_to_input(poolnorm: Command, line: str, kept: str) -> None:
    x = cells((6, 5, 3, 3))
    _make_files(x)
    bad = x.copy()
    bad[0, 0, 0, 2] = np.nan
    Path("in").mkdir()
    arrays: dict[str, NDArray[Any]] = {
        "a": x,
        "b": x[:4] * 2,
        "c": x[1:] - 5,
        "fortran": np.asfortranarray(x + 1),
        "double": x.astype(float) + 2,
        "bad": bad,
        "other": cells((3, 5, 4)),
        "wider": cells((9, 7, 3)),
    }
    for name, each in arrays.items():
        np.save(f"in/{name}.npy", each)
    np.savez("in/z.npz", p=x, q=x[:2] * 3)

    def told(folder: str) -> tuple[Any, ...]:
        words = line.replace("w.npz", f"{kept}.npz")
        done = poolnorm(f"bn --training {words} -O {folder} --save-weights {folder}.npz")
        text = re.sub(r"\d[\d.]*e-\d+|\d\.\d+", "", (done.out + done.err).replace(folder, ""))
        saved = Path(f"{folder}.npz")
        return done.code, text, tree(folder), saved.read_bytes() if saved.exists() else None

    plain = told("first-output")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingBufferJob, "serves", lambda *_: False)
        assert told("other-output") == plain
