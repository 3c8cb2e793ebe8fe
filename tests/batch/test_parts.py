"""Large files in parts: the same bytes as in one go, and never a part of them."""

import os
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from poolnorm_cli.batch import file_parts, stages
from poolnorm_cli.batch.inputs import Input, Reading
from poolnorm_cli.engine import threads
from poolnorm_cli.engine.buffer_job import BufferJob
from poolnorm_cli.engine.job import Job
from poolnorm_cli.engine.training_step import BatchStatistics
from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.moments import tree_reduce
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from poolnorm_cli.layers.pooling import MaxPooling
from poolnorm_cli.values import replace
from poolnorm_cli.weights.buffers import starting_weights
from tests.batch.places import make_tensors, tree
from tests.conftest import Command


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_parts, "SPLIT_BYTES", 1 << 20)
    monkeypatch.setattr(file_parts, "PART_BYTES", 1 << 19)


@given(st.integers(0, 200), st.integers(0, 5))
def test_runs_of_a_power_of_two_fold_apart(count: int, level: int) -> None:
    def merge(a: str, b: str) -> str:
        return f"({a} {b})"

    grains, run = [str(number) for number in range(count)], 1 << level
    apart = [tree_reduce(merge, grains[i : i + run], "") for i in range(0, count, run)]

    assert tree_reduce(merge, apart, "") == tree_reduce(merge, grains, "")


def test_a_tree_keeps_the_order_of_its_parts() -> None:
    assert tree_reduce(lambda a, b: a + b, [[n] for n in range(13)], []) == list(range(13))


VERBS = [
    "pool max",
    "pool average --padding same --strides 3 --data-format channels_first",
    "gpool average --keepdims",
    "ln --axis -1",
    "ln --axis 0",
    "ln --axis 0,1",
    "bn",
    "bn --training",
    "bn --training --axis 0",
    "bn --training --synchronized",
    "bn --training --virtual-batch-size 2",
    "pool max --dtype float16",
]


@pytest.mark.parametrize("verb", VERBS)
def test_parts_give_the_bytes_of_the_whole(poolnorm: Command, verb: str) -> None:
    make_tensors("in", 2)
    generator = np.random.default_rng(5)
    np.save("in/large.npy", generator.normal(1e4, 1, (1750, 16, 16, 3)).astype(np.float32))
    if "--axis 0" in verb:
        make_tensors("in", 0)
        for name in ("in/0000.npy", "in/0001.npy"):
            Path(name).unlink()
    saved = "--save-weights" if verb.startswith("bn") else ""
    one = poolnorm(f"{verb} in -O one {saved and saved + ' one.npz'}")
    two = poolnorm(f"{verb} in -O two -j 2 {saved and saved + ' two.npz'}")

    assert (one.code, two.code) == (0, 0), one.err + two.err
    assert tree("one") == tree("two")
    assert not list(Path("two").glob(".*"))
    columns = [[line.split("\t")[:5] for line in r.out.splitlines()] for r in (one, two)]
    assert columns[0] == columns[1]
    if saved:
        assert Path("one.npz").read_bytes() == Path("two.npz").read_bytes()


@pytest.mark.parametrize(("plenty", "asked"), [(4, 3), (3, 0)])
def test_so_many_files_that_no_worker_is_idle_are_left_whole(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, plenty: int, asked: int
) -> None:
    make_tensors("in", 2)
    np.save("in/large.npy", np.ones((1750, 16, 16, 3), np.float32))
    looks: list[str] = []
    as_ever = file_parts.parts_of

    def parts_of(reading: Any, job: Any, item: Any) -> Any:
        looks.append(item.word)
        return as_ever(reading, job, item)

    monkeypatch.setattr(stages, "_PLENTY", plenty)
    monkeypatch.setattr(file_parts, "parts_of", parts_of)

    assert poolnorm("bn --training in -O two -j 2").code == 0
    assert len(looks) == asked
    assert poolnorm("bn --training in -O one").code == 0
    assert tree("one") == tree("two")


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3000), st.sampled_from(["<f4", ">f4", "<f2", "|u1"]))
def test_parts_are_whole_grains_and_cover_all_samples(
    tmp_path_factory: pytest.TempPathFactory, samples: int, dtype: str
) -> None:
    from poolnorm_cli.tensors.npy import open_file

    path = tmp_path_factory.mktemp("parts") / "x.npy"
    np.save(path, np.zeros((samples, 7, 5, 3), dtype))
    (tensor,) = open_file(path, "x.npy")
    cut = list(file_parts._cut(tensor.shape, tensor))

    assert [a.stop for a in cut[:-1]] == [b.start for b in cut[1:]]
    assert (cut[0].start, cut[-1].stop) == (0, samples)
    sizes = {a.stop - a.start for a, _ in pairwise(cut)}
    assert len(sizes) <= 1


def test_a_fault_in_one_part_leaves_no_output(poolnorm: Command) -> None:
    x = np.zeros((1750, 16, 16, 3), np.float32)
    x[1700, 0, 0, 1] = np.nan
    Path("in").mkdir()
    np.save("in/a.npy", x)
    np.save("in/b.npy", x[:3])
    result = poolnorm("bn in --training -O out -j 2 --save-weights w.npz")

    assert result.code == 1  # one of several
    assert "in/a.npy: channel 1 of the batch has a NaN or an infinity" in result.err
    assert tree("out") == {} if Path("out").exists() else True
    assert not Path("w.npz").exists()


def test_no_room_for_a_part_is_an_output_fault(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("in").mkdir()
    np.save("in/a.npy", np.zeros((1750, 16, 16, 3), np.float32))

    def full(*words: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "posix_fallocate", full)
    result = poolnorm("pool max in -O out -j 2")

    assert result.code == 3
    assert result.err.startswith("error: out/a.npy: No space left on device")
    assert tree("out") == {}


def test_a_file_that_exists_is_replaced_by_its_parts_only_on_request(poolnorm: Command) -> None:
    Path("in").mkdir()
    np.save("in/a.npy", np.ones((1750, 16, 16, 3), np.float32))
    Path("out").mkdir()
    Path("out/a.npy").write_text("mine")
    assert poolnorm("pool max in -O out -j 2").code == 2
    assert Path("out/a.npy").read_text() == "mine"
    assert poolnorm("pool max in -O out -j 2 --overwrite").code == 0
    assert np.load("out/a.npy").shape == (1750, 8, 8, 3)
    assert Path("out/a.npy").stat().st_mode & 0o777 == Path("in/a.npy").stat().st_mode & 0o777


@pytest.mark.parametrize("kind", ["fortran", "npz"])
def test_what_cannot_be_cut_is_done_whole(poolnorm: Command, kind: str) -> None:
    Path("in").mkdir()
    x = np.random.default_rng(1).random((1750, 16, 16, 3)).astype(np.float32)
    if kind == "npz":
        np.savez("in/a.npz", x=x)
    else:
        np.save("in/a.npy", np.asfortranarray(x))
    poolnorm("pool max in -O one -q")
    assert poolnorm("pool max in -O two -q -j 2").code == 0

    assert tree("one") == tree("two")


@pytest.mark.usefixtures("threads_of_loops")
@pytest.mark.parametrize("layer", [MaxPooling(), BatchNormalization()], ids=lambda x: x.words)
def test_threads_write_the_blocks_of_a_part_where_they_belong(
    monkeypatch: pytest.MonkeyPatch, layer: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(threads, "THREADED_BYTES", 0)
    np.save("x.npy", np.random.default_rng(0).random((1750, 16, 16, 3), np.float32))
    whole = prod(layer.output_shape((1750, 16, 16, 3)))
    weights = starting_weights(layer, (1750, 16, 16, 3), "float32") or {}
    item, reading, found = Input("x.npy", target="y.npy"), Reading(), set()
    for count in (1, 3):
        for own in (Job(layer, threads=count), BufferJob(layer, weights, threads=count)):
            if isinstance(own, BufferJob) and not native.compiled():
                continue
            cut = file_parts.parts_of(reading, Job(layer), item)
            assert cut is not None
            tensor, parts = cut
            assert own.plan_for(tensor).pool.threads == count
            file = tmp_path / "unfinished"
            file.write_bytes(bytes(5 + 4 * whole))
            for part in parts:
                step = own.apply_step(BatchStatistics(tensor.shape, tensor.dtype.name))
                placed = replace(part, file=str(file), offset=5)
                placed.write(own, tensor, step, "y.npy", sync=False)
            found.add(file.read_bytes())

    assert len(found) == 1
    assert len(parts) > 1
