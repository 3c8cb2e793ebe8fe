"""The state of batch normalization on disk: whole, and updated by one process at a time."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import ROOT, Command
from tests.weights.make_fixtures import FIXTURES


Array = NDArray[Any]

COUNTER = """
import sys
from poolnorm_cli.cli.main import run
words = "bn x.npy --training --weights s.npz --save-weights s.npz --quiet".split()
for _ in range(int(sys.argv[1])):
    assert run(words) == 0
"""


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def state(poolnorm: Command) -> Path:
    np.save("x.npy", np.zeros((2, 3)))
    poolnorm("bn x.npy --training --save-weights s.npz -q")
    return Path("s.npz")


def arrays(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def test_numpy_reads_the_weights_by_name_and_nothing_else(state: Path) -> None:
    assert list(arrays(state)) == ["gamma", "beta", "moving_mean", "moving_variance"]


def test_two_processes_lose_no_update(state: Path) -> None:
    started = {**arrays(state), "moving_mean": np.ones(3)}
    np.savez(state, **started)  # type: ignore[arg-type]
    command = [sys.executable, "-c", COUNTER, "200"]
    running = [
        subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE) for _ in range(2)
    ]
    for process in running:
        _, errors = process.communicate()
        assert process.returncode == 0, errors

    # A batch of zeros leaves 0.99 of the mean.
    counted = np.log(arrays(state)["moving_mean"]) / np.log(0.99)
    np.testing.assert_allclose(counted, 400, rtol=1e-9)
    assert sorted(path.name for path in Path().iterdir()) == ["s.npz", "x.npy"]


def test_a_process_that_dies_with_the_lock_blocks_nobody(state: Path) -> None:
    hold = "import fcntl, os, time; f = os.open('s.npz', 0); fcntl.flock(f, fcntl.LOCK_EX); "
    holding = [sys.executable, "-c", hold + "print(1, flush=True); time.sleep(60)"]
    updating = [sys.executable, "-c", COUNTER, "1"]
    before = state.read_bytes()
    with subprocess.Popen(holding, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with subprocess.Popen(updating, env=environment(), stderr=subprocess.PIPE) as waiter:
            assert waiter.stderr
            assert waiter.stderr.readline() == b"waiting: s.npz is being updated\n"
            assert state.read_bytes() == before
            holder.kill()
            assert waiter.wait(timeout=30) == 0

    assert state.read_bytes() != before


def test_reading_alone_waits_for_nobody(state: Path, poolnorm: Command) -> None:
    import fcntl

    with state.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert poolnorm("bn x.npy --weights s.npz -q").code == 0


def test_a_kill_leaves_the_old_state_or_the_new(state: Path) -> None:
    old = state.read_bytes()
    for delay in (0.0, 0.15, 0.2, 0.25, 0.3, 0.35):
        updating = subprocess.Popen([sys.executable, "-c", COUNTER, "1000"], env=environment())
        time.sleep(delay)
        updating.kill()
        updating.wait()
        assert set(arrays(state)) == set(arrays_of(old))
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


def arrays_of(data: bytes) -> dict[str, Array]:
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def test_a_link_to_the_state_is_written_through(state: Path, poolnorm: Command) -> None:
    Path("link.npz").symlink_to(state)
    before = state.read_bytes()
    words = "bn x.npy --training --weights link.npz --save-weights ./s.npz -q"

    assert poolnorm(words).code == 0
    assert state.read_bytes() != before
    assert Path("link.npz").is_symlink()


def read(state: Path, poolnorm: Command) -> dict[str, Any]:
    """Take the weights of a file to another, as a run without training does."""
    result = poolnorm(f"bn x.npy --weights {state} --save-weights read.npz --overwrite -q")
    assert (result.code, result.err) == (0, "")
    return {name: array.tolist() for name, array in arrays(Path("read.npz")).items()}


def test_what_an_earlier_version_saved_is_read(state: Path, poolnorm: Command) -> None:
    """It saved a checksum beside the weights, `__poolnorm__`; the file is of that version."""
    state.write_bytes((FIXTURES / "saved_with_checksum.npz").read_bytes())

    assert read(state, poolnorm) == {
        "gamma": [1, 1, 1],
        "beta": [0, 0, 0],
        "moving_mean": [1.2627435922622681, 0.7373785376548767, 0.7662857174873352],
        "moving_variance": [4.634459972381592, 4.563723087310791, 2.8156239986419678],
    }
    assert poolnorm("bn x.npy --training --weights s.npz --save-weights s.npz -q").code == 0
    assert list(arrays(state)) == ["gamma", "beta", "moving_mean", "moving_variance"]


def test_the_checksum_of_an_earlier_version_is_no_array_to_compare(
    state: Path, poolnorm: Command
) -> None:
    Path("old.npz").write_bytes((FIXTURES / "saved_with_checksum.npz").read_bytes())
    weights = {n: array for n, array in arrays(Path("old.npz")).items() if n != "__poolnorm__"}
    np.savez(state, **weights)  # type: ignore[arg-type]

    assert poolnorm("compare old.npz s.npz").code == 0
    assert poolnorm("info old.npz::__poolnorm__").code == 0


@pytest.mark.parametrize(
    ("weight", "value", "code", "message"),
    [
        ("moving_stddev", [-1, 1, 1], 4, "weight 'moving_stddev' has a negative value"),
        ("renorm_stddev", [-1, 1, 1], 4, "weight 'renorm_stddev' has a negative value"),
        ("moving_variance", [-1, 1, 1], 4, "weight 'moving_variance' has a negative value"),
        ("renorm_mean", [np.nan, 1, 1], 4, "weight 'renorm_mean' has a NaN or an infinity"),
        ("moving_mean", [1, 1], 2, "weight 'moving_mean' has shape (2); this input"),
    ],
)
def test_a_state_that_cannot_be_is_refused(
    poolnorm: Command, weight: str, value: list[float], code: int, message: str
) -> None:
    np.save("x.npy", np.zeros((2, 3)))
    poolnorm("bn x.npy --renorm --training --save-weights s.npz -q")
    weights = arrays(Path("s.npz"))
    np.savez("s.npz", **{**weights, weight: np.array(value, float)})  # type: ignore[arg-type]
    result = poolnorm("bn x.npy --renorm --weights s.npz -o y.npy")

    assert result.code == code
    assert message in result.err


def test_a_state_that_is_not_there_yet_is_named_with_the_way_to_start_it(
    poolnorm: Command,
) -> None:
    np.save("x.npy", np.zeros((2, 3)))
    result = poolnorm("bn x.npy --training --weights s.npz --save-weights s.npz")

    assert result.code == 4
    assert result.err == (
        "error: s.npz: no such file; run once without --weights: that starts it\n"
    )


def test_a_batch_with_no_number_leaves_the_state(state: Path, poolnorm: Command) -> None:
    before = state.read_bytes()
    np.save("bad.npy", np.array([[0, 0, np.nan], [0, 0, 0]]))
    words = "bn x.npy bad.npy --training --weights s.npz --save-weights s.npz --no-values"
    result = poolnorm(words)

    assert result.code == 1
    assert result.err.splitlines()[0] == (
        "error: bad.npy: channel 2 of the batch has a NaN or an infinity; "
        "fix the input: the moving statistics were left as they are"
    )
    assert state.read_bytes() == before


def test_a_statistic_that_float32_cannot_hold_leaves_the_state(poolnorm: Command) -> None:
    np.save("x.npy", np.zeros((2, 3), np.float32))
    poolnorm("bn x.npy --training --save-weights s.npz -q")
    before = Path("s.npz").read_bytes()
    np.save("x.npy", np.array([[1e30, 0, 0], [-1e30, 0, 0]]))
    result = poolnorm("bn x.npy --training --weights s.npz --save-weights s.npz")

    assert result.code == 4
    assert "x.npy: moving_variance would leave the range of float32; scale the input" in result.err
    assert Path("s.npz").read_bytes() == before


def test_a_variance_that_renorm_cannot_keep_in_float32_leaves_the_state(poolnorm: Command) -> None:
    np.save("x.npy", np.array([[1e38, 0, 0], [-1e38, 0, 0]], np.float32))
    result = poolnorm("bn x.npy --training --renorm --save-weights s.npz")

    assert (result.code, result.err.count("\n")) == (4, 1)
    assert "x.npy: moving_variance would leave the range of float32; scale the input" in result.err
    assert not Path("s.npz").exists()


def test_an_empty_batch_leaves_the_moving_statistics(state: Path, poolnorm: Command) -> None:
    np.save("empty.npy", np.zeros((0, 3)))
    before = state.read_bytes()
    words = "bn empty.npy --training --weights s.npz --save-weights s.npz"
    for flags in ("", "--explain --no-values"):
        assert poolnorm(f"{words} {flags}").code == 0
        assert state.read_bytes() == before
