"""What cannot be is refused at once: by its shape, before anything is computed or allocated."""

import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from poolnorm_cli.cli.main import run
from poolnorm_cli.tensors import space, spool
from tests.conftest import Command


FREE = 3_000_000


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every place have room for 3 million bytes."""
    monkeypatch.setattr(space, "free_space_in", lambda _: FREE)
    monkeypatch.setattr(
        spool, "free_space_in", lambda _: FREE
    )  # imported here, so as to be put back
    np.save("a.npy", np.zeros((2, 8, 3), np.float32))
    np.save("b.npy", np.zeros((2, 8, 8, 3), np.float32))
    np.savez_compressed("z.npz", a=np.zeros((2, 8, 3), np.float32))


def declare(name: str, *shape: int) -> None:
    """Write a file of float32 that has such a shape, and no items."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape!r}, }}"
    text += " " * (-(11 + len(text)) % 64) + "\n"
    Path(name).write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode())


@pytest.mark.parametrize(
    "words",
    [
        "apool max a.npy --output-size 1250999896765 -o y.npy",
        "apool average a.npy --output-size 200000 -o y.npz",
        "apool average a.npy --output-size 1250999896765 -o y.npy --dry-run",
        "apool average a.npy --output-size 1250999896765 -O out",
        "apool average a.npy --output-size 1250999896765 -o y.npy --backend onnx",
        "apool max z.npz --output-size 1250999896765 -o y.npz",
        "apool max z.npz --output-size 200000 -o y.npy",
        "apool max a.npy b.npy --output-size 1000000 -O out",
        "apool max a.npy b.npy --output-size 1000000 -O out --shard 1/1 --journal j",
        "apool max a.npy --output-size 1250999896765 -o memory://y.npy --overwrite",
        "generate normal 99999999,99999 -o y.npy",
        "generate zeros 99999999,99999 -o y.npz",
    ],
)
def test_an_output_without_room_is_refused_with_both_numbers(poolnorm: Command, words: str) -> None:
    if "memory://" in words:
        pytest.importorskip("fsspec")
    if "onnx" in words:
        pytest.importorskip("onnxruntime")
    result = poolnorm(words)
    told = result.err.splitlines()[0]

    assert result.code == 3
    assert f" bytes, and {FREE} are free there; free some, write elsewhere" in told
    assert not any(path.stat().st_size for path in Path().rglob("y.np*"))
    assert not list(Path().rglob("out/*.npy"))


def test_the_number_is_that_of_the_output(poolnorm: Command) -> None:
    result = poolnorm("generate normal 1000,1000 -o y.npy")

    assert result.err == (
        f"error: y.npy: needs 4000000 bytes, and {FREE} are free there;"
        " free some, write elsewhere, or ask for less\n"
    )


@pytest.mark.parametrize("flags", ["", "-o y.npy", "-o -", "-o y.npz --dry-run"])
def test_an_output_that_no_place_could_hold_is_refused(poolnorm: Command, flags: str) -> None:
    result = poolnorm(f"apool max b.npy --output-size 1250999896765 {flags}")

    assert result.code == 2
    assert "2**62 bytes or more" in result.err or "this machine has" in result.err
    assert not list(Path().glob("y.*"))


def test_windows_that_no_memory_holds_are_not_listed(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poolnorm_cli.engine.memory_estimate.total_memory", lambda: 16 << 30)
    result = poolnorm("apool max a.npy --output-size 100000000")

    assert result.code == 2
    assert "of memory, and this machine has 16384M" in result.err


@pytest.mark.parametrize("shape", ["99999999999,99999999999", "0,99999999999,99999999999"])
def test_a_shape_that_could_not_be_read_is_not_written(poolnorm: Command, shape: str) -> None:
    result = poolnorm(f"generate normal {shape} -o y.npy")

    assert (result.code, Path("y.npy").exists()) == (2, False)
    assert f"an output of shape ({shape.replace(',', ', ')}) is 2**62 bytes or more" in result.err


def test_standard_output_in_a_file_counts_as_the_file() -> None:
    with Path("y.npy").open("wb") as file:
        disk = os.fstatvfs(file.fileno())
        items = disk.f_blocks * disk.f_frsize // 4 + 1  # more than all of it
        saved = sys.stdout
        try:
            sys.stdout = open(file.fileno(), "w", closefd=False)  # noqa: SIM115
            code = run(["generate", "zeros", str(items), "-o", "-"])
        finally:
            sys.stdout = saved

    assert (code, Path("y.npy").stat().st_size) == (3, 0)


@pytest.mark.parametrize("words", ["bn", "bn --training", "ln", "rms", "gn --groups 1", "in"])
def test_weights_that_no_memory_holds_are_not_made(poolnorm: Command, words: str) -> None:
    declare("x.npy", 0, 10**15)
    result = poolnorm(
        f"{words} x.npy -o y.npy --save-weights w.npz" if words != "in" else "in x.npy"
    )

    assert result.code == 2
    assert "of memory, and this machine has" in result.err
    assert not Path("w.npz").exists()


@pytest.mark.parametrize("shape", [(0, 10**12, 10**5), (10**15, 0), (2, 10**15, 0)])
@pytest.mark.parametrize(
    "words",
    ["unit", "ln", "bn --training", "gn --groups 1", "unit --explain", "unit --backend onnx"],
)
def test_nothing_takes_no_time_whatever_the_shape_says(
    poolnorm: Command, words: str, shape: tuple[int, ...]
) -> None:
    if "onnx" in words:
        pytest.importorskip("onnxruntime")
    declare("x.npy", *shape)
    result = poolnorm(f"{words} x.npy -o y.npy --values")

    assert result.code == 0, result.err
    assert np.load("y.npy").shape == shape


def test_empty_arrays_of_any_shape_are_compared_and_described(poolnorm: Command) -> None:
    declare("x.npy", 10**15, 0)

    assert poolnorm("compare x.npy x.npy").code == 0
    assert poolnorm("info x.npy --stats").code == 0


def test_what_is_printed_of_nothing_is_as_before(poolnorm: Command) -> None:
    declare("x.npy", 2, 0, 3)
    declare("large.npy", 2000, 0)

    assert '"values": [[], []]' in poolnorm("unit x.npy --json").out
    assert '"values"' not in poolnorm("unit large.npy --json").out


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
def test_a_number_of_threads_starts_no_more_than_there_is_work_for(
    poolnorm: Command, backend: str
) -> None:
    if backend == "onnx":
        pytest.importorskip("onnxruntime")
    result = poolnorm(f"pool max a.npy --threads 99999999999999999999 --backend {backend} -q")

    assert result.code == 0, result.err
