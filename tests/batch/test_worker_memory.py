"""The memory of a cluster's workers: shared by their threads, and never more than they have."""

import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from poolnorm_cli.batch.dask_cluster import _check_memory
from poolnorm_cli.batch.dask_worker import MemoryQueue, WorkerInfo, WorkerMemory, worker_memory
from poolnorm_cli.engine.job import Job
from poolnorm_cli.errors import UnavailableError, UsageError
from poolnorm_cli.layers.pooling import MaxPooling
from poolnorm_cli.tensors.sources import open_tensors
from tests.batch.clusters import Place, cluster, run
from tests.batch.places import children, tree, until


MIB = 1 << 20


def descendants(pid: int) -> list[int]:
    return [each for child in children(pid) for each in (child, *descendants(child))]


def most(place: Place) -> int:
    """Return the most bytes that a process of the last worker has had."""
    found = [0]
    for pid in descendants(place.processes[-1].pid):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        found += [int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")]
    return max(found)


@pytest.fixture(scope="module", autouse=True)
def _distributed() -> None:
    pytest.importorskip("distributed")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_threads_of_a_worker_share_its_memory() -> None:
    Path("in").mkdir()
    for name in range(8):
        np.save(f"in/{name}.npy", np.full((1, 640, 640, 16), name, np.float32))  # 25 MiB
    words = ["apool", "average", "in", "--output-size", "7", "-q"]
    with cluster(0) as place:
        place.add_limited_worker(4, "300MiB")
        assert run(*words, "-O", "out", "--dask", place.address) == (0, "")
        assert most(place) < 0.8 * 300 * MIB  # from there on a worker is paused
    assert run(*words, "-O", "one")[0] == 0

    assert tree("out") == tree("one")
    log = Path("dask.log").read_text()
    assert "Pausing" not in log
    assert "Restarting" not in log


def test_what_a_worker_cannot_hold_is_refused_and_kills_none() -> None:
    Path("in").mkdir()
    fortran = np.zeros((1, 1280, 1280, 16), np.float32, order="F")  # 100 MiB, to be read whole
    np.save("in/large.npy", fortran)
    np.save("in/small.npy", np.zeros((1, 4, 4, 16), np.float32))
    with cluster(0) as place:
        place.add_limited_worker(2, "256MiB")
        words = ["apool", "max", "in", "--output-size", "1", "--dask", place.address, "-q"]
        code, told = run(*words, "-O", "out")
        assert code == 1
        assert "error: in/large.npy: shape (1, 1280, 1280, 16) needs about " in told
        assert ", and it has 256M; start workers with --memory-limit " in told
        assert list(tree("out")) == ["small.npy"]
        code, told = run(*words, "-O", "two", "--max-memory", "90M")
        assert code == 1
        assert ", and --max-memory allows 90M; give --max-memory " in told
        heavy = ["ln", "in/large.npy", "--axis", "1,2,3", "-q", "-O", "three"]
        code, told = run(*heavy, "--dask", place.address)
        assert code == 3
        assert " for tasks, and their weights need 600M; start workers with " in told
        assert told.count("\n") == 1

    log = Path("dask.log").read_text()
    assert "Pausing" not in log
    assert "Restarting" not in log


def test_threads_take_memory_in_turn() -> None:
    queue, order = MemoryQueue(), list[str]()
    queue.acquire(60, 100)

    def ask(name: str, nbytes: int) -> None:
        queue.acquire(nbytes, 100)
        order.append(name)

    threads = []
    for name, nbytes in (("large", 90), ("little", 10)):  # the little one would fit at once
        threads.append(threading.Thread(target=ask, args=(name, nbytes)))
        threads[-1].start()
        until(lambda: len(queue._waiting) == len(threads))
    time.sleep(0.01)
    assert order == []
    queue.release()
    for thread in threads:
        thread.join(10)

    assert order == ["large", "little"]


def test_a_task_replaces_what_it_took() -> None:
    queue = MemoryQueue()
    queue.acquire(60, 100)
    queue.acquire(80, 100)
    queue.release()
    queue.acquire(100, 100)

    assert list(queue._taken.values()) == [100]


def test_memory_is_that_of_max_memory_where_no_worker_limits_it() -> None:
    assert worker_memory(None) is None
    memory = worker_memory(2 << 30)

    assert memory is not None
    assert memory.asked
    assert 0 < memory.limit < 2 << 30


def test_an_input_beyond_the_memory_is_refused_with_what_to_give() -> None:
    np.save("x.npy", np.zeros((4, 8, 8, 3), np.float32))
    (tensor,) = open_tensors("x.npy")
    job = Job(MaxPooling(), limiter=WorkerMemory(MIB, 60 * MIB, share=0.5))

    with pytest.raises(UsageError, match=r"it has 122M; start workers with --memory-limit 13\dMiB"):
        job.plan_for(tensor)


def test_weights_that_a_worker_cannot_hold_are_refused_before_they_are_sent() -> None:
    _check_memory("tcp://w", WorkerInfo("1", (), None), 1 << 40)
    _check_memory("tcp://w", WorkerInfo("1", (), 30), 10)
    with pytest.raises(UnavailableError, match=r"tcp://w has 100M for tasks, .* need 120M; start"):
        _check_memory("tcp://w", WorkerInfo("1", (), 100 * MIB), 40 * MIB)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "pool max",
        "apool average --output-size 7",
        "ln --axis 1,2,3",
        "bn --axis 1,2,3",
        "bn --axis 1,2,3 --training",
        "rms --axis 1,2,3",
        "gn --groups 4",
    ],
)
def test_estimates_hold_where_weights_are_as_large_as_samples(words: str) -> None:
    import subprocess

    np.save("x.npy", np.ones((1, 1024, 1024, 16), np.float32))  # 64 MiB
    code = (
        "import sys; from poolnorm_cli.cli.main import run; run(sys.argv[1:]);"
        "print(*[x.split()[1] for x in open('/proc/self/status') if x.startswith('VmHWM')])"
    )
    command = [sys.executable, "-c", code, *words.split(), "x.npy", "--threads", "1"]
    told = subprocess.run([*command, "--dry-run"], capture_output=True, check=True).stdout
    done = subprocess.run([*command, "-q", "-o", "y.npy"], capture_output=True, check=True).stdout

    assert int(done) << 10 <= int(told.split(b"\t")[5])
