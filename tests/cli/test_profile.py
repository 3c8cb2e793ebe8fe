"""`--profile` says where the time went, `--max-memory` how much memory a run may take."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from poolnorm_cli.engine.memory_estimate import parse_size
from poolnorm_cli.engine.profile import Profiler
from poolnorm_cli.errors import UsageError
from tests.conftest import Command


@pytest.fixture(autouse=True)
def _tensor() -> None:
    np.save("x.npy", np.random.default_rng(0).standard_normal((40, 64, 64, 16), np.float32))


@pytest.mark.parametrize("words", ["pool max", "bn --training", "bn --threads 1"])
def test_the_parts_are_told_and_fit_into_the_whole(poolnorm: Command, words: str) -> None:
    result = poolnorm(f"{words} x.npy --profile --json --no-values -o y.npy")
    told = json.loads(result.out)["profile"]
    size = Path("x.npy").stat().st_size - 128

    assert result.code == 0
    assert set(told["spans"]) == {"start", "read", "compute", "write", "wait"}
    assert all(seconds >= 0 for seconds in told["spans"].values())
    assert told["spans"]["read"] > 0
    assert told["spans"]["compute"] > 0
    assert told["spans"]["write"] > 0
    assert told["spans"]["start"] < told["seconds"]
    assert told["read_bytes"] == (2 * size if "--training" in words else size)
    assert told["written_bytes"] == Path("y.npy").stat().st_size - 128
    assert told["copy_rate"] > told["rate"] > 0


def test_people_read_it_on_standard_error(poolnorm: Command) -> None:
    result = poolnorm("pool max x.npy --profile -q -o y.npy")
    number = r"\d+\.\d+"
    first = rf"profile: {number} s: start {number}, read {number}, compute {number}, "

    assert result.out == ""
    assert re.match(first + rf"write {number}, wait {number}\n", result.err)
    assert "10.5 MB read, 2.6 MB written" in result.err
    assert "at which memory is copied here" in result.err


def test_a_profiler_knows_waiting_from_working(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def slow_items() -> Iterator[int]:
        nonlocal now
        for item in range(3):
            now += 2
            yield item

    monkeypatch.setattr("time.perf_counter", lambda: now)
    monkeypatch.setattr("poolnorm_cli.engine.profile._copy_rate", lambda: 1.0)
    profiler = Profiler()

    assert list(profiler.timed("next", profiler.timed("read", slow_items()))) == [0, 1, 2]
    assert (profiler.profile().spans["read"], profiler.profile().spans["wait"]) == (6, 0)
    assert list(profiler.timed("next", slow_items())) == [0, 1, 2]
    assert (profiler.profile().spans["read"], profiler.profile().spans["wait"]) == (6, 6)


@pytest.mark.parametrize("flags", ["-j 2", "--dask local"])
def test_other_processes_are_not_profiled(poolnorm: Command, flags: str) -> None:
    np.save("z.npy", np.zeros((1, 2, 2, 1)))
    result = poolnorm(f"pool max x.npy z.npy --profile {flags} -O out")

    assert result.code == 2
    assert result.err.startswith("error: --profile with ")
    assert not Path("out").exists()


def test_a_limit_changes_no_byte(poolnorm: Command) -> None:
    assert poolnorm("pool average x.npy --pool-size 3 -q -o free.npy").code == 0
    assert poolnorm("pool average x.npy --pool-size 3 -q -o y.npy --max-memory 80M").code == 0

    assert Path("y.npy").read_bytes() == Path("free.npy").read_bytes()


@pytest.mark.parametrize("more", ["", " --dry-run"])
def test_what_does_not_fit_is_refused_before_any_work(poolnorm: Command, more: str) -> None:
    result = poolnorm(f"bn x.npy -q -o y.npy --max-memory 50M{more}")
    needed = re.search(r"give --max-memory (\d+M) or more", result.err)

    assert result.code == 2
    assert "and --max-memory allows 50M" in result.err
    assert not Path("y.npy").exists()
    assert needed is not None
    assert poolnorm(f"bn x.npy -q -o y.npy --max-memory {needed[1]}{more}").code == 0


def test_processes_share_the_memory(poolnorm: Command) -> None:
    np.save("z.npy", np.zeros((40, 64, 64, 16), np.float32))
    flags = "pool max x.npy z.npy -q -O out --max-memory 100M"
    one, two = poolnorm(flags), poolnorm(f"{flags} -j 2 --overwrite")

    assert one.code == 0
    assert two.code == 1
    assert two.err.count("--max-memory allows 50M") == 2


@pytest.mark.parametrize(
    ("text", "size"),
    [("512M", 2**29), ("1.5g", 3 * 2**29), ("2GiB", 2**31), ("64kB", 2**16), ("800000", 800000)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text, "--max-memory") == size


@pytest.mark.parametrize("text", ["", "0", "-1", "M", "1e9", "5X", "1 000", "9" * 30])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a number of bytes"):
        parse_size(text, "--max-memory")
