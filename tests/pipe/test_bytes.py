"""The bytes of a pipe are those of its steps one after another."""

import random
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from poolnorm_cli import strips
from poolnorm_cli.backends import numpy_backend
from poolnorm_cli.engine import blocks, step_tensor, threads
from tests.conftest import Command
from tests.pipe.chains import one_by_one, pipe_words, random_chain


DTYPES = ("float32", "float16", "float64", "bfloat16", "int32", "uint8", "bool", ">f4", ">i2")


def saved(name: str, shape: tuple[int, ...], dtype: str, seed: int = 0) -> None:
    values = np.random.default_rng(seed).standard_normal(shape) * 3
    if dtype == "bfloat16":
        np.save(name, values.astype(ml_dtypes.bfloat16).view("V2"))
    else:
        np.save(name, (values > 0) if dtype == "bool" else values.astype(dtype))


def same(poolnorm: Command, steps: list[str], more: str = "", source: str = "x.npy") -> bool:
    """Compare; False where the steps cannot be run, which has to be said by both."""
    suffix = Path(source).suffix
    code = one_by_one(poolnorm, source, steps, f"a{suffix}", more)
    result = poolnorm(f"pipe {source} -o b{suffix} --overwrite -q {more} {pipe_words(steps)}")
    assert result.code == code, (steps, result.err)
    if code:
        assert "step " in result.err
        return False
    assert Path(f"a{suffix}").read_bytes() == Path(f"b{suffix}").read_bytes(), steps
    return True


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_chains_of_every_dtype(poolnorm: Command, dtype: str) -> None:
    chance = random.Random(dtype)  # noqa: S311
    more = "--dtype bfloat16" if dtype == "bfloat16" else ""
    done = 0
    for count in range(12):
        saved("x.npy", chance.choice([(3, 9, 8, 4), (5, 12, 3), (2, 6, 5, 4, 2)]), dtype, count)
        done += same(poolnorm, random_chain(chance), more)
    assert done > 5


def test_chains_through_small_blocks(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where samples are cut into strips, blocks are of few samples, and several threads work."""
    chance = random.Random(7)  # noqa: S311
    done = 0
    for count in range(40):
        small_sizes(monkeypatch, chance)
        saved(
            "x.npy", chance.choice([(7, 12, 9, 4), (40, 6, 3), (3, 6, 8, 4, 2)]), "float32", count
        )
        steps = random_chain(chance)
        done += same(poolnorm, steps, f"--threads {chance.choice([1, 2, 4])}")
    assert done > 20


def small_sizes(monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
    """Have blocks of some hundred bytes."""
    block = chance.choice([300, 1000, 4000])
    whole = chance.choice([200, 1000, 100_000])
    for module in (blocks, numpy_backend, step_tensor):
        monkeypatch.setattr(module, "BLOCK_BYTES", block, raising=False)
    monkeypatch.setattr(numpy_backend.NumpyBackend, "block_bytes", block)
    monkeypatch.setattr(blocks, "WHOLE_SAMPLE_BYTES", whole)
    monkeypatch.setattr(threads, "THREADED_BYTES", 0)
    monkeypatch.setattr(strips, "GRAIN_ITEMS", 128)
