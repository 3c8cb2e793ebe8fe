"""Threads that read, compute and write blocks in any order leave the bytes as they are."""

import errno
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.engine import threads as engine_threads
from poolnorm_cli.engine.array_loops import ArrayLoops
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.engine.layer_pass import LayerPass
from poolnorm_cli.engine.memory_estimate import within_memory
from poolnorm_cli.engine.placed import output_sizes
from poolnorm_cli.engine.threads import ThreadPool, pool_for
from poolnorm_cli.errors import UsageError
from poolnorm_cli.kernels import native
from poolnorm_cli.layers import find
from poolnorm_cli.tensors import array_writer, files, sources
from poolnorm_cli.tensors.mapped import MappedFile
from tests.conftest import Command


pytestmark = pytest.mark.usefixtures("threads_of_loops")


CASES = [
    ("pool max", "--pool-size 3 --strides 2 --padding same"),
    ("pool average", "--dtype float16"),
    ("gpool average", ""),
    ("ln", "--dtype bfloat16"),
    ("bn", ""),
    ("bn", "--training"),
    ("ln", ""),
    ("gn", "--groups 1"),
    ("pipe", "pool max ! ln"),
    ("pipe", "pool average ! gpool max"),
    ("pipe", "bn --training ! pool max --pool-size 3"),
]


@pytest.fixture(autouse=True)
def _many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have several threads for small tensors."""
    monkeypatch.setattr(engine_threads, "THREADED_BYTES", 0)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    x = np.random.default_rng(1).standard_normal((37, 64, 63, 12)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    return tmp_path / "x.npy"


def run(poolnorm: Command, verb: str, source: Path, target: Path, *flags: str) -> bytes:
    given = [*verb.split(), str(source), "-o", str(target), "--overwrite", *flags]
    if verb == "pipe":
        given = ["pipe", *given[1 : -len(flags)], *flags[:2], "!", *flags[2:]]
    done = poolnorm(*given)
    assert done.code == 0, done.err
    return target.read_bytes()


@pytest.mark.parametrize(("verb", "flags"), CASES)
@pytest.mark.parametrize("dtype", ["float32", ">f8", "float16", "int16"])
def test_bytes_are_those_of_one_thread(
    poolnorm: Command, source: Path, tmp_path: Path, verb: str, flags: str, dtype: str
) -> None:
    np.save(source, (np.load(source) * 50).astype(dtype))
    target, more = tmp_path / "y.npy", flags.split()

    one = run(poolnorm, verb, source, target, "--threads", "1", *more)

    for count in ("2", "5"):
        assert run(poolnorm, verb, source, target, "--threads", count, *more) == one


@pytest.mark.parametrize("words", ["pool max", "pool average", "ln", "gpool max"])
def test_strips_of_large_samples_go_to_their_places(
    poolnorm: Command, tmp_path: Path, words: str
) -> None:
    x = np.random.default_rng(2).standard_normal((2, 1200, 1100, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    flags = (
        ["--axis", "1,2,3"] if words == "ln" else ["--padding", "same"] * words.startswith("pool")
    )

    found = [
        run(poolnorm, words, tmp_path / "x.npy", tmp_path / "y.npy", "--threads", count, *flags)
        for count in ("1", "3")
    ]

    assert found[0] == found[1]


def test_every_thread_reads_and_writes_for_itself(
    poolnorm: Command, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)
    seen: dict[str, set[int]] = {"read": set(), "written": set()}
    read_at, write_at = files.read_at, array_writer.ArrayWriter.write_at

    def reading(*given: Any) -> int:
        if not seen["read"]:
            with_other(both)
        seen["read"].add(threading.get_ident())
        return read_at(*given)

    def writing(self: array_writer.ArrayWriter, data: memoryview, start: int) -> None:
        seen["written"].add(threading.get_ident())
        write_at(self, data, start)

    monkeypatch.setattr("poolnorm_cli.tensors.files.read_at", reading)
    monkeypatch.setattr(array_writer.ArrayWriter, "write_at", writing)
    run(poolnorm, "ln", source, tmp_path / "y.npy", "--threads", "2")

    assert len(seen["read"]) == 2
    assert seen["written"] == seen["read"]


def with_other(barrier: threading.Barrier) -> None:
    """Go on when another thread is here too."""
    barrier.wait(20)


@pytest.mark.parametrize("words", ["ln", "bn", "pool max"])
def test_reads_and_writes_may_be_short(
    poolnorm: Command, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    expected = run(poolnorm, words, source, tmp_path / "y.npy", "--threads", "1")
    pwrite, preadv = os.pwrite, os.preadv
    monkeypatch.setattr(
        os, "pwrite", lambda fd, data, at: pwrite(fd, memoryview(data)[:100_003], at)
    )
    monkeypatch.setattr(
        os, "preadv", lambda fd, views, at: preadv(fd, [memoryview(views[0])[:70_001]], at)
    )

    assert run(poolnorm, words, source, tmp_path / "y.npy", "--threads", "3") == expected


SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory


@pytest.fixture
def in_memory_folder() -> Any:
    if not (SHARED_MEMORY.is_dir() and native.compiled()):
        pytest.skip("no file system in memory, or no loops")
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        yield Path(folder)


@pytest.mark.parametrize("has_room", [True, False])
@pytest.mark.parametrize("words", ["bn", "ln --dtype float64", "bn --training"])
def test_many_threads_copy_to_a_file_in_memory(
    poolnorm: Command,
    source: Path,
    in_memory_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    has_room: bool,
) -> None:
    verb, *more = words.split(maxsplit=1)
    target, flags = in_memory_folder / "y.npy", " ".join(more).split()
    expected = run(poolnorm, verb, source, target, "--threads", "1", *flags)
    stored: list[bool] = []
    store = MappedFile.store

    def counted(self: MappedFile, data: memoryview, place: int) -> bool:
        stored.append(has_room and store(self, data, place))
        return stored[-1]

    monkeypatch.setattr(MappedFile, "store", counted)

    assert run(poolnorm, verb, source, target, "--threads", "5", *flags) == expected
    assert len(stored) > 1
    assert any(stored) == has_room or not sys.platform.startswith("linux")


def test_nothing_is_copied_beyond_a_map(in_memory_folder: Path) -> None:
    with (in_memory_folder / "x").open("w+b") as file:
        mapped = MappedFile.of(file.fileno(), 5000)
        assert mapped is not None
        assert mapped.store(b"c" * 1000, 4000)
        assert mapped.store(b"c" * 1000, 3000)
        for place in (-1, 4999, 2**62):
            with pytest.raises(ValueError, match="outside"):
                mapped.store(b"ab", place)
        file.seek(0)
        assert file.read() == bytes(3000) + b"c" * 2000


@pytest.mark.parametrize("words", ["ln", "bn", "pool max"])
def test_a_full_disk_leaves_no_output(
    poolnorm: Command, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    written = []

    def pwrite(fd: int, data: memoryview, at: int) -> int:
        del fd, at
        written.append(len(data))
        if len(written) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(data)

    monkeypatch.setattr(os, "pwrite", pwrite)
    before, there = threading.active_count(), set(tmp_path.iterdir())
    done = poolnorm(*words.split(), str(source), "-o", str(tmp_path / "y.npy"), "--threads", "3")

    assert done.code == 3
    assert "y.npy: No space left on device" in done.err
    assert set(tmp_path.iterdir()) == there
    assert threading.active_count() == before


@pytest.mark.parametrize("words", ["ln", "pool max", "bn --training"])
def test_an_input_that_shrinks_or_changes_is_refused(
    poolnorm: Command, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    whole = source.read_bytes()
    preadv = os.preadv

    def shrink(fd: int, views: list[memoryview], at: int) -> int:
        source.write_bytes(whole[: len(whole) // 2])
        return preadv(fd, views, at)

    monkeypatch.setattr(os, "preadv", shrink)
    verb, *flags = words.split(" --")
    given = [*verb.split(), str(source), "-o", str(tmp_path / "y.npy"), "--threads", "3"]
    done = poolnorm(*given, *(f"--{flag}" for flag in flags))

    assert done.code == 4
    assert "x.npy: truncated" in done.err or "changed while reading" in done.err
    assert not (tmp_path / "y.npy").exists()


def test_values_are_shown_from_any_order(poolnorm: Command, source: Path) -> None:
    one, three = (
        poolnorm("pool", "max", str(source), "--values", "--threads", count).out.split("\n", 1)[1]
        for count in ("1", "3")
    )

    assert one == three
    assert len(one.splitlines()) > 5


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("place", [0, 3, 19])
def test_the_first_error_by_the_order_of_items_is_raised(threads: int, place: int) -> None:
    def work(i: int) -> None:
        if i >= place:
            raise ValueError(str(i))

    before = threading.active_count()
    with pytest.raises(ValueError, match=f"^{place}$"):
        ThreadPool(threads).for_each(work, range(20))
    assert threading.active_count() == before


def test_an_error_of_the_source_comes_after_those_before_it() -> None:
    def source() -> Any:
        yield from range(5)
        raise ValueError("source")

    done: list[int] = []
    with pytest.raises(ValueError, match="source"):
        ThreadPool(3).for_each(done.append, source())
    assert sorted(done) == list(range(5))


def test_an_interrupt_of_the_caller_stops_the_others() -> None:
    interrupted = threading.Event()

    def work(_: int) -> None:
        if threading.current_thread() is threading.main_thread():
            interrupted.set()
            raise KeyboardInterrupt
        interrupted.wait(20)

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        ThreadPool(3).for_each(work, iter(int, 1))
    assert threading.active_count() == before


@pytest.mark.parametrize("words", ["pool max", "pool average", "gpool average", "bn", "ln", "rms"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "float64"])
def test_arrays_are_filled_in_any_order(words: str, dtype: str) -> None:
    layer = find(*words.split())()
    x = (np.random.default_rng(3).standard_normal((70, 61, 60, 9)) * 50).astype(dtype)
    expected, _ = run_array(layer, x, threads=1)

    for count in (2, 5):
        out = np.full_like(expected, 7)
        found, _ = run_array(layer, x, threads=count, out=out)
        assert found is out
        np.testing.assert_array_equal(found.view("u1"), expected.view("u1"))


SMALL: dict[str, dict[str, Any]] = {
    "pool max": {},
    "pool average": {"padding": "same"},
    "gpool average": {},
    "gpool max": {},
    "apool average": {"output_size": 3},
    "bn": {},
    "ln": {},
    "gn": {"groups": 4},
    "in": {},
    "rms": {},
    "unit": {},
}


@pytest.mark.parametrize(
    "shape", [(1, 68, 70, 80), (3, 60, 61, 32), (37, 30, 12, 24), (90, 70, 64)]
)
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("words", SMALL)
def test_small_arrays_are_filled_in_any_order(
    words: str, layout: str, shape: tuple[int, ...]
) -> None:
    given = dict(SMALL[words])
    if layout == "channels_first":
        by_axis = words in ("bn", "ln", "gn", "in", "rms", "unit")
        given |= {"axis": 1} if by_axis else {"data_format": layout}
        shape = (shape[0], shape[-1], *shape[1:-1])
    layer, x = find(*words.split())(**given), np.random.default_rng(3).standard_normal(shape)
    for training in (False, True) if words == "bn" else (False,):
        for dtype in ("float32", "float64", "float16"):
            cells = x.astype(dtype)
            expected, kept = run_array(layer, cells, threads=1, training=training)
            for count in (2, 5):
                found, weights = run_array(layer, cells, threads=count, training=training)
                np.testing.assert_array_equal(found.view("u1"), expected.view("u1"))
                for name, weight in weights.items():
                    np.testing.assert_array_equal(weight, kept[name])


def test_the_way_of_blocks_gives_the_bytes_of_loops_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(3).standard_normal((3, 60, 61, 32)).astype(np.float32)
    layers = [find(*words.split())(**given) for words, given in SMALL.items()]
    calls = [(layer, training) for layer in layers for training in (False, layer.words == "bn")]
    by_loops = [run_array(layer, x, threads=3, training=mode) for layer, mode in calls]
    monkeypatch.setattr(ArrayLoops, "fill", lambda *_: False)

    for (layer, training), (expected, moved) in zip(calls, by_loops, strict=True):
        found, weights = run_array(layer, x, training=training)
        np.testing.assert_array_equal(found.view("u1"), expected.view("u1"), layer.words)
        for name, weight in weights.items():
            np.testing.assert_array_equal(weight, moved[name])


def test_a_plan_is_kept_for_the_next_array_alone() -> None:
    random = np.random.default_rng(3)
    layer = find("bn")()
    for shape in ((3, 5, 4), (2, 5, 4), (3, 4)):
        for dtype in ("float32", "float64"):
            x = random.standard_normal(shape).astype(dtype)
            for scale in (1.0, 2.0):
                ones = np.ones(4, dtype)
                weights = dict.fromkeys(layer.weight_names, ones)
                weights["gamma"] = scale * ones
                found, _ = run_array(layer, x, weights)
                expected = (x - 1) / np.sqrt(1.001) * scale + 1
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
                assert found.dtype == dtype
    with pytest.raises(UsageError):
        run_array(find("pool", "max")(), x)
    x = random.standard_normal((3, 4, 4, 2))
    for size in (2, 3):
        given: dict[str, Any] = {"pool_size": size}
        assert run_array(find("pool", "max")(**given), x)[0].shape[1] == 4 // size


def test_an_output_that_shares_memory_with_the_input_is_filled_last() -> None:
    layer = find("ln")()
    x = np.random.default_rng(3).standard_normal((70, 61, 60, 9)).astype(np.float32)
    expected, _ = run_array(layer, x, threads=1)

    run_array(layer, x, threads=2, out=x)

    np.testing.assert_array_equal(x, expected)


def test_what_an_output_is_put_together_from_is_not_written_by_place() -> None:
    layer = find("gpool", "average")()
    plan = LayerPass(layer, (1, 4000, 4000, 1), "float32", "float32")
    assert plan.inner.strips
    assert output_sizes(plan.inner) is None


def test_threads_follow_from_processors_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_threads, "processors", lambda: 16)
    monkeypatch.setattr(engine_threads, "THREADED_BYTES", 8 << 20)

    assert pool_for(None, 1 << 30) == ThreadPool(16, 4)
    assert pool_for(None, 12 << 20) == ThreadPool(12, 4)
    assert pool_for(9, 1 << 30) == ThreadPool(9)
    assert pool_for(2, 12 << 20) == pool_for(9, 4 << 20) == ThreadPool()
    assert pool_for(9, 1 << 30).taken_in_order.threads == 9
    assert pool_for(None, 1 << 30).taken_in_order.threads == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    x = np.ones((64, 64, 64, 16), np.float32)
    layer = find("gpool", "average")()
    run_array(layer, x, threads=3)
    if not (pid := os.fork()):
        found, _ = run_array(layer, x, threads=3)
        os._exit(int((found == 1).all()))

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


@pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")
def test_calls_of_one_thread_may_take_several() -> None:
    loops, x = native.loops(), np.ones((64, 64, 64, 16), np.float32)
    assert loops.allow_threads(1) == 1
    layer = find("gpool", "average")()

    seen: list[int] = []

    def run_several() -> None:
        for _ in range(20):
            found, _ = run_array(layer, x, threads=3)
            assert (found == 1).all()
        seen.append(loops.allow_threads(1))

    others = [threading.Thread(target=run_several) for _ in range(2)]
    for each in others:
        each.start()
    run_several()
    for each in others:
        each.join()
    assert seen == [1, 1, 1]


@pytest.mark.parametrize("threads", [2, 3, 7, 64, 200])
def test_each_sample_is_worked_on_once_however_many_threads_share_them(threads: int) -> None:
    random, layer = np.random.default_rng(threads), find("gpool", "max")()
    for samples in (1, 2, 3, 5, 64, 97, 301):
        x = random.standard_normal((samples, 120, 120, 3), np.float32)
        for _ in range(3):  # of which the first may have to wake a thread
            found, _ = run_array(layer, x, threads=threads)
            np.testing.assert_array_equal(found, x.max((1, 2)))


def test_what_takes_numpy_is_computed_block_by_block() -> None:
    x = np.full((9, 64, 64, 64), 3e38, np.float32)
    x[3] = 1
    x[5, 0, 0, 0] = np.inf
    expected = np.full((9, 32, 32, 64), 3e38, np.float32)
    expected[3] = 1
    expected[5, 0, 0, 0] = np.inf

    for threads in (1, 3):
        found, _ = run_array(find("pool", "average")(), x, threads=threads)
        np.testing.assert_array_equal(found, expected)


def test_a_limit_of_memory_leaves_fewer_threads(source: Path) -> None:
    (tensor,) = sources.open_tensors(str(source))
    plan = LayerPass(find("ln")(), (4000, 64, 63, 12), "float32", "float32", pool=ThreadPool(16, 4))

    found = {within_memory(plan, tensor, limit << 20).pool.threads for limit in range(64, 500, 4)}

    assert found == {16, 8, 4, 2, 1}
    with pytest.raises(UsageError):
        within_memory(plan, tensor, 1 << 20)
