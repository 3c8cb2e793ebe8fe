"""The bytes of a pipe are those of its steps one after another."""

import random
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from poolnorm_cli import strips
from poolnorm_cli.backends import numpy_backend
from poolnorm_cli.engine import blocks, step_tensor, threads
from poolnorm_cli.engine.buffer_job import BufferPipeline
from tests.conftest import Command, measured, process
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


def test_chains_of_several_arrays_and_empty_batches(poolnorm: Command) -> None:
    arrays = {"a": (3, 8, 6, 4), "b": (0, 8, 6, 4), "c": (2, 5, 7, 4)}
    made: Any = {key: np.ones(shape, "f4") for key, shape in arrays.items()}
    np.savez("x.npz", **made)

    for steps in (
        ["pool max", "bn"],
        ["unit --axis 0", "pool average", "bn --training", "gpool max"],
    ):
        one_by_one(poolnorm, "x.npz", steps, "a.npz")
        assert poolnorm(f"pipe x.npz -o b.npz --overwrite -q {pipe_words(steps)}").code == 0
        with np.load("a.npz") as expected, np.load("b.npz") as found:
            assert list(expected) == list(found)
            assert all(expected[key].tobytes() == found[key].tobytes() for key in expected)
            assert all(expected[key].shape == found[key].shape for key in expected)


@pytest.mark.parametrize("statistics", [False, True])
def test_arrays_on_standard_input_and_output(poolnorm: Command, *, statistics: bool) -> None:
    steps = ["pool max", f"bn{' --training' * statistics}", "ln --axis 0"]
    saved("x.npy", (5, 8, 6, 4), "float32")
    one_by_one(poolnorm, "x.npy", steps, "a.npy")

    result = process(
        *f"pipe - -o - -q {pipe_words(steps)}".split(), input=Path("x.npy").read_bytes() * 2
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout == Path("a.npy").read_bytes() * 2


def test_masks_of_steps(poolnorm: Command) -> None:
    saved("x.npy", (4, 6, 3), "float32")
    np.save("m.npy", np.arange(24).reshape(4, 6) % 3 > 0)
    steps = ["bn --training --mask m.npy", "gpool average --mask m.npy"]

    assert same(poolnorm, steps)


def test_blocks_go_from_step_to_step_in_one_thread(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers of whole samples are computed one behind the other, in blocks that suit all."""
    seen: list[tuple[str, int]] = []
    apply = numpy_backend.NumpyBackend.apply

    def counted(self: Any, layer: Any, x: Any, weights: Any, call: Any) -> Any:
        seen.append((layer.words, call.start))
        return apply(self, layer, x, weights, call)

    monkeypatch.setattr(BufferPipeline, "serves", lambda *_: False)
    monkeypatch.setattr(numpy_backend.NumpyBackend, "apply", counted)
    monkeypatch.setattr(numpy_backend.NumpyBackend, "block_bytes", 2000)
    monkeypatch.setattr(strips, "GRAIN_ITEMS", 1)
    saved("x.npy", (6, 8, 8, 4), "float32")

    assert poolnorm("pipe x.npy -q ! pool max ! bn ! gpool average").code == 0

    assert seen[:6] == [
        (words, start) for start in (0, 1) for words in ("pool max", "bn", "gpool average")
    ]
    assert len(seen) == 18


def test_a_pipe_takes_the_memory_of_a_few_blocks() -> None:
    generated = process(*["generate", "normal", "40,96,96,64", "-o", "x.npy"])
    assert generated.returncode == 0
    size = 40 * 96 * 96 * 64 * 4 >> 20

    alone = measured(*["bn", "--training", "x.npy", "-o", "a.npy", "-q"])  # with NumPy, as the pipe
    steps = "! pool max ! bn --training ! ln ! pool max"
    pipe = measured(*f"pipe x.npy -o b.npy -q {steps}".split())

    assert (alone.code, pipe.code) == (0, 0)
    assert pipe.megabytes < alone.megabytes + size / 3
