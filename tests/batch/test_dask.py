"""A real scheduler and real workers over TCP on the loopback: the same tree, whatever dies."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from poolnorm_cli.errors import UsageError
from poolnorm_cli.runs.addresses import checked_address, insecure
from tests.batch.places import ENVIRONMENT, FAULTS, make_tensors, start, tree, until
from tests.conftest import Command


pytest.importorskip("distributed")


class Place:
    """A scheduler and its workers."""

    def __init__(self) -> None:
        """Start a scheduler that writes its address to a file."""
        self.processes = [self._dask("scheduler", "--port", "0", "--scheduler-file", "scheduler")]
        until(lambda: Path("scheduler").exists() and Path("scheduler").read_text())
        import json

        self.address: str = json.loads(Path("scheduler").read_text())["address"]

    def add_workers(self, count: int) -> None:
        """Start workers of one thread each."""
        for _ in range(count):
            words = ["--nthreads", "1", "--no-nanny", "--local-directory", "scratch"]
            self.processes.append(self._dask("worker", self.address, *words))

    def _dask(self, kind: str, *words: str) -> "subprocess.Popen[bytes]":
        module = f"distributed.cli.dask_{kind}"
        command = [sys.executable, "-m", module, "--host", "127.0.0.1", "--no-dashboard", *words]
        quiet = {"DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False"}
        with Path("dask.log").open("ab") as log:
            return subprocess.Popen(command, env=ENVIRONMENT | quiet, stdout=log, stderr=log)


@contextmanager
def cluster(workers: int) -> Iterator[Place]:
    place = Place()
    try:
        place.add_workers(workers)
        yield place
    finally:
        for process in place.processes:
            process.kill()
        for process in place.processes:
            process.wait()


def run(*words: str) -> tuple[int, str]:
    code = start(*words).wait()
    return code, Path(FAULTS).read_text()


def test_a_cluster_gives_the_local_tree_and_report() -> None:
    make_tensors("in", 200)
    Path("in/0007.npy").write_bytes(b"no tensor")
    with cluster(3) as place:
        assert run("pool", "max", "in", "-O", "one", "-q")[0] == 1
        local = Path(FAULTS).read_text()
        words = ["pool", "max", "in", "-O", "out", "-q", "--dask", place.address]
        code, err = run(*words, "--journal", "j")
        assert (code, err) == (1, local)
        assert tree("out") == tree("one")
        assert Path("j").read_text().count('"done"') == 199

        code, _ = run(*words, "--journal", "j", "--resume")
        assert code == 1
        assert Path("j").read_text().count('"done"') == 199


def test_training_on_a_cluster_gives_the_local_bytes() -> None:
    make_tensors("in", 200)
    train = ["bn", "in", "--training", "-q", "--save-weights"]
    with cluster(3) as place:
        assert run(*train, "one.npz", "-O", "one")[0] == 0
        assert run(*train, "two.npz", "-O", "two", "-j", "2")[0] == 0
        assert run(*train, "three.npz", "-O", "three", "--dask", place.address)[0] == 0
        sync = [*train[:-1], "--synchronized", "--save-weights"]
        assert run(*sync, "four.npz", "-O", "four")[0] == 0
        assert run(*sync, "five.npz", "-O", "five", "--dask", place.address)[0] == 0

    assert tree("one") == tree("two") == tree("three")
    assert tree("four") == tree("five")
    weights = [Path(f"{name}.npz").read_bytes() for name in ("one", "two", "three")]
    assert weights[0] == weights[1] == weights[2]
    assert Path("four.npz").read_bytes() == Path("five.npz").read_bytes()


def large_over_three_workers(samples: int) -> None:
    Path("in").mkdir()
    rows = np.random.default_rng(3).standard_normal((256, 64, 64, 16)).astype(np.float32)
    x = np.lib.format.open_memmap("in/x.npy", "w+", "<f4", (samples, 64, 64, 16))
    for at in range(0, samples, 256):
        x[at : at + 256] = rows[: samples - at] + at
    del x
    with cluster(3) as place:
        for verb in (["pool", "max"], ["bn", "--training"]):
            assert run(*verb, "in/x.npy", "-O", "one", "-q", "--overwrite")[0] == 0
            words = [*verb, "in/x.npy", "-O", "two", "-q", "--overwrite", "--dask", place.address]
            assert run(*words)[0] == 0
            with Path("one/x.npy").open("rb") as one, Path("two/x.npy").open("rb") as two:
                while piece := one.read(1 << 24):
                    assert piece == two.read(1 << 24)
                assert not two.read(1)
            assert os.listdir("two") == ["x.npy"]  # noqa: PTH208 - names


def test_a_large_tensor_over_three_workers_gives_the_local_bytes() -> None:
    large_over_three_workers(1024)  # 256 MiB


@pytest.mark.slow
def test_a_very_large_tensor_over_three_workers_gives_the_local_bytes() -> None:
    large_over_three_workers(16384)  # 4 GiB


def test_a_killed_worker_costs_no_file() -> None:
    make_tensors("in", 400, (8, 64, 64, 8))
    with cluster(3) as place:
        command = start("pool", "max", "in", "-O", "out", "-q", "--dask", place.address)
        until(lambda: Path("out").exists() and len(list(Path("out").iterdir())) > 20)
        place.processes[2].send_signal(signal.SIGKILL)
        assert command.wait() == 0
        assert run("pool", "max", "in", "-O", "one", "-q")[0] == 0

    assert tree("out") == tree("one")


def test_a_scheduler_that_stops_ends_the_run_which_can_be_resumed() -> None:
    make_tensors("in", 400, (8, 64, 64, 8))
    words = ["pool", "max", "in", "-O", "out", "-q", "--journal", "j"]
    with cluster(2) as place:
        command = start(*words, "--dask", place.address)
        until(lambda: Path("out").exists() and len(list(Path("out").iterdir())) > 20)
        place.processes[0].kill()

        assert command.wait() == 3
        assert "lost the Dask scheduler at " in Path(FAULTS).read_text()
        assert "--journal FILE --resume" in Path(FAULTS).read_text()
    assert run("pool", "max", "in", "-O", "one", "-q")[0] == 0
    assert tree("out").items() <= tree("one").items()
    assert run(*words, "-j", "2", "--resume")[0] == 0

    assert tree("out") == tree("one")


def test_files_that_workers_do_not_see_are_told_before_any_work(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from poolnorm_cli.runs import scheduler as module

    make_tensors("in", 2)
    with cluster(1) as place:
        monkeypatch.setattr(module, "look", _blind)
        result = poolnorm(f"pool max in -O out -q --dask {place.address}")

    assert result.code == 3
    assert "does not see /somewhere; give files on a file system that all workers share" in (
        result.err
    )
    assert tree("out") == {}


def _blind(paths: object) -> object:
    from poolnorm_cli.runs.abroad import look

    return look(["/somewhere"])


def test_a_scheduler_that_is_not_there_is_told_with_what_to_start(poolnorm: Command) -> None:
    make_tensors("in", 2)
    result = poolnorm("pool max in -O out --dask tcp://127.0.0.1:1")

    assert result.code == 3
    assert result.err.splitlines()[-1] == (
        "error: no Dask scheduler answers at tcp://127.0.0.1:1; start one with: dask scheduler"
    )


def test_a_scheduler_without_workers_is_told(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tensors("in", 2)
    monkeypatch.setattr("poolnorm_cli.runs.scheduler._WORKERS", 1)
    with cluster(0) as place:
        result = poolnorm(f"pool max in -O out --dask {place.address}")

    assert result.code == 3
    assert f"start one with: dask worker {place.address}" in result.err


def test_without_the_package_it_says_what_to_install(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tensors("in", 2)
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = poolnorm("pool max in -O out --dask local")

    assert result.code == 3
    assert "--dask needs the package distributed; pip install 'poolnorm-cli[dask]'" in result.err


@pytest.mark.parametrize("address", ["here", "http://x:1", "tcp://x", "x:port", "", "tcp://:1"])
def test_what_is_no_address_is_refused(poolnorm: Command, address: str) -> None:
    with pytest.raises(UsageError, match="is no address of a scheduler"):
        checked_address(address)


@pytest.mark.parametrize(
    ("address", "open_to_all"),
    [
        ("tcp://10.0.0.1:8786", True),
        ("tcp://node7:8786", True),
        ("tcp://[2001:db8::1]:8786", True),
        ("tls://node7:8786", False),
        ("tcp://127.0.0.1:8786", False),
        ("tcp://[::1]:8786", False),
        ("tcp://localhost:8786", False),
        ("local", False),
    ],
)
def test_only_plain_addresses_of_other_machines_are_warned_of(
    address: str, open_to_all: bool
) -> None:
    assert insecure(address) is open_to_all


def test_a_local_cluster_is_made_on_request() -> None:
    make_tensors("in", 5)
    assert run("pool", "max", "in", "-O", "out", "-q", "--dask", "local") == (0, "")
    assert run("pool", "max", "in", "-O", "one", "-q")[0] == 0

    assert tree("out") == tree("one")
