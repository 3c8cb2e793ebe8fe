"""A real scheduler and real workers over TCP on the loopback: the same tree, whatever dies."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.batch.clusters import cluster, run
from tests.batch.places import (
    FAULTS,
    make_files_of_every_format,
    make_tensors,
    start,
    tree,
    until,
)
from tests.conftest import Command


pytest.importorskip("distributed")


def test_a_cluster_gives_the_local_tree_and_report() -> None:
    make_tensors("in", 200)
    Path("in/0007.npy").write_bytes(b"no tensor")
    with cluster(3) as place:
        assert run("pool", "max", "in", "-O", "one", "-q")[0] == 1
        local = Path(FAULTS).read_text()
        words = ["pool", "max", "in", "-O", "out", "-q", "--dask", place.address]
        code, err = run(*words, "--journal", "j")
        assert (code, err) == (1, local)
        told = f"{place.address} is not encrypted, and whoever reaches it can run code there"
        assert Path(FAULTS).read_text() == f"warning: {told}; tls:// is safe\n{local}"
        assert tree("out") == tree("one")
        assert Path("j").read_text().count('"done"') == 199

        code, _ = run(*words, "--journal", "j", "--resume")
        assert code == 1
        assert Path("j").read_text().count('"done"') == 199


def test_files_of_every_format_go_through_a_cluster() -> None:
    names = [f"in/{name}" for name in make_files_of_every_format("in")]
    assert run("unit", *names, "-O", "one", "-q")[0] == 0
    with cluster(2) as place:
        assert run("unit", *names, "-O", "out", "-q", "--dask", place.address)[0] == 0

    assert tree("out") == tree("one")
    assert len(tree("out")) == len(names)


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


def test_a_cluster_sends_the_local_pictures(poolnorm: Command) -> None:
    make_tensors("in", 3)
    words = "pool max in --show --save-svg {0}.svg --json -O {0}"
    shown = [poolnorm(words.format("one")), poolnorm(f"{words.format('two')} --dask local")]
    local, remote = (json.loads(told.out)["results"] for told in shown)

    assert [result["pictures"] for result in local] == [result["pictures"] for result in remote]
    assert Path("one.svg").read_bytes() == Path("two.svg").read_bytes()


def test_a_local_cluster_is_made_on_request() -> None:
    make_tensors("in", 5)
    assert run("pool", "max", "in", "-O", "out", "-q", "--dask", "local") == (0, "")
    assert run("pool", "max", "in", "-O", "one", "-q")[0] == 0

    assert tree("out") == tree("one")
