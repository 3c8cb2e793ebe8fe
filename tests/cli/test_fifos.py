"""FIFOs, devices and endless lists: read where they can be, and refused at once elsewhere."""

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.batch.places import until
from tests.conftest import Command, process


Pipe = Callable[[bytes], str]


def saved(*arrays: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> bytes:
    file = io.BytesIO()
    for array in arrays:
        np.save(file, array)
    return file.getvalue()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Return what puts bytes into a pipe of their own, as `<(command)` does, and names it."""
    reading = []

    def make(data: bytes) -> str:
        end, writing = os.pipe()

        def feed() -> None:
            try:
                with os.fdopen(writing, "wb") as file:
                    file.write(data)
            except BrokenPipeError:
                pass

        # What is refused may not be read to its end.
        threading.Thread(target=feed, daemon=True).start()
        reading.append(end)
        return f"/dev/fd/{end}"

    yield make
    for end in reading:
        os.close(end)


X = np.arange(96, dtype=np.float32).reshape(2, 4, 4, 3)


@pytest.fixture(autouse=True)
def files() -> None:
    np.save("x.npy", X)
    np.savez("x.npz", a=X, b=X + 1)
    os.mkfifo("fifo")
    os.mkfifo("fifo.npy")
    os.mkfifo("fifo.npz")
    os.mkfifo("fifo.json")


@pytest.mark.parametrize("words", ["pool max", "bn --training", "ln --backend onnx", "in -j 2"])
def test_a_pipe_of_an_array_is_an_input(poolnorm: Command, pipe: Pipe, words: str) -> None:
    if "onnx" in words:
        pytest.importorskip("onnxruntime")
    result = poolnorm(f"{words} {pipe(saved(X))} -o y.npy")
    poolnorm(f"{words} x.npy -o one.npy")

    assert result.code == 0, result.err
    assert Path("y.npy").read_bytes() == Path("one.npy").read_bytes()


def test_a_pipe_of_an_archive_is_known_by_its_first_bytes(poolnorm: Command, pipe: Pipe) -> None:
    data = Path("x.npz").read_bytes()
    poolnorm("pool max x.npz -o one.npz")

    assert poolnorm(f"pool max {pipe(data)} -o y.npz").code == 0
    assert Path("y.npz").read_bytes() == Path("one.npz").read_bytes()
    assert poolnorm(f"pool max {pipe(data)} --key b -o b.npy").code == 0
    assert np.load("b.npy").max() == X.max() + 1
    assert poolnorm(f"compare {pipe(data)} x.npz").code == 0
    assert poolnorm(f"info {pipe(data)}").out.count("\n") == 2


def test_several_arrays_come_one_after_another(poolnorm: Command, pipe: Pipe) -> None:
    result = poolnorm(f"pool max {pipe(saved(X, X + 1))} -o y.npz")

    assert result.code == 0, result.err
    assert [array.max() for array in np.load("y.npz").values()] == [X.max(), X.max() + 1]


def test_other_verbs_take_pipes(poolnorm: Command, pipe: Pipe) -> None:
    assert poolnorm(f"shape pool max {pipe(saved(X))} -q").out == "2,2,2,3\n"
    assert "(2, 4, 4, 3)" in poolnorm(f"info {pipe(saved(X))} --stats").out
    assert poolnorm(f"compare {pipe(saved(X))} x.npy").code == 0
    assert poolnorm(f"compare {pipe(saved(X))} {pipe(saved(X + 1))}").code == 1
    several = pipe(saved(X, X))
    result = poolnorm(f"compare {pipe(saved(X))} {several}")
    assert (result.code, result.err) == (2, f"error: {several} has several arrays; give one\n")
    assert poolnorm(f"pool max {pipe(saved(X))} --dry-run").code == 0


def test_one_stream_is_not_two_inputs_of_compare(poolnorm: Command, pipe: Pipe) -> None:
    name = pipe(saved(X))
    result = poolnorm(f"compare {name} {name}")

    assert (result.code, result.err) == (
        2,
        "error: both inputs are one stream; name a file\n",
    )


def test_outputs_of_pipes_are_named_for_them(poolnorm: Command, pipe: Pipe) -> None:
    names = [pipe(saved(X)), pipe(saved(X + 1))]
    assert poolnorm(f"pool max {names[0]} {names[1]} x.npy -O out -q").code == 0

    wanted = {f"{name[len('/dev/fd/') :]}.npy" for name in names} | {"x.npy"}
    assert {path.name for path in Path("out").iterdir()} == wanted


def test_standard_input_has_a_name_too() -> None:
    for name in ("/dev/stdin", "/dev/fd/0"):
        done = process("pool", "max", name, "-o", "-", input=saved(X))
        assert np.load(io.BytesIO(done.stdout)).shape == (2, 2, 2, 3)
        with Path("x.npz").open("rb") as file:
            done = process("shape", "pool", "max", name, stdin=file)
        assert b"holds a, b" in done.stderr


def interrupted(running: "subprocess.Popen[bytes]") -> bool:
    """Interrupt a process, and say whether it has ended.

    Python may have looked for signals just before it waits for the next byte: once is not enough.
    """
    running.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        running.wait(1)
    return running.returncode is not None


def test_a_fifo_is_waited_for_and_an_interrupt_ends_that() -> None:
    command = [sys.executable, "-m", "poolnorm_cli", "pool", "max", "fifo.npy", "-o", "y.npy"]
    for data in (saved(X), b""):
        running = subprocess.Popen(command, stderr=subprocess.PIPE)
        with Path("fifo.npy").open("wb") as file:  # until it has a reader
            if not data:
                until(lambda: interrupted(running))  # noqa: B023
            file.write(data)
        running.communicate(timeout=60)
        assert running.returncode == (0 if data else 130)
        Path("y.npy").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "nothing on it"),
        (b"no tensor, but bytes", "not a .npy file"),
        (bytes(1 << 20), "it holds zeros"),
        (saved(X)[:-4], "truncated: 380 of 384 bytes"),
        (b"PK\3\4" + bytes(1000), "a damaged archive"),
    ],
)
def test_what_comes_through_a_pipe_is_judged_as_a_file_is(
    poolnorm: Command, pipe: Pipe, data: bytes, told: str
) -> None:
    result = poolnorm(f"pool max {pipe(data)} -o y.npy")

    assert (result.code, result.err.count("\n")) == (4, 1)
    assert told in result.err
    assert not Path("y.npy").exists()


def test_an_archive_through_a_pipe_is_limited(
    poolnorm: Command, pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"PK\3\4" + bytes(70_000_000)
    told = "bytes came, of no known size; save it to a file first, and give that"
    assert f"more than 62914560 {told}" in poolnorm(f"pool max {pipe(data)} --max-memory 60M").err
    monkeypatch.setattr("poolnorm_cli.tensors.spool.LARGEST_UNSIZED_BYTES", 1000)
    assert f"more than 1000 {told}" in poolnorm(f"info {pipe(data[:1_000_000])}").err


def test_a_copy_of_a_stream_needs_room(
    poolnorm: Command, pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poolnorm_cli.tensors.spool.free_space_in", lambda _: 1000)
    result = poolnorm(f"bn --training {pipe(saved(np.zeros((9, 600_000), np.float32)))}")

    assert result.code == 3
    assert "a temporary copy needs 21600000 bytes, and 1000 are free there" in result.err


@pytest.mark.parametrize(
    "words",
    [
        "bn x.npy --training -o y.npy --mask {}",
        "bn x.npy -o y.npy --config {}",
        "bn x.npy -o y.npy --weights {}",
        "bn x.npy -o y.npy --training --adjustment {}",
        "pool max x.npy -o y.npy --journal {}",
        "pool max x.npy -o y.npy --journal {} --resume",
    ],
)
@pytest.mark.parametrize("file", ["fifo", "fifo.npy", "fifo.npz", "fifo.json", "/dev/zero"])
def test_files_of_flags_are_files(poolnorm: Command, words: str, file: str) -> None:
    result = poolnorm(words.format(file))

    assert result.code in (2, 4)
    assert result.err.count("\n") == 1
    assert not Path("y.npy").exists()


@pytest.mark.parametrize("file", ["fifo", "fifo.npy", "/dev/zero", "/dev/full"])
@pytest.mark.parametrize("flags", ["", "--overwrite"])
@pytest.mark.parametrize("words", ["pool max x.npy -o", "generate zeros 2,3 -o"])
def test_a_device_is_no_place_for_a_file(
    poolnorm: Command, words: str, file: str, flags: str
) -> None:
    before = os.stat(file)  # noqa: PTH116
    result = poolnorm(f"{words} {file} {flags}")

    assert result.code == 2
    assert ", which cannot hold a file; name a new file; or give -o - with > or |" in result.err
    assert os.stat(file) == before  # noqa: PTH116


@pytest.mark.parametrize("flag", ["--save-config", "--save-weights", "--export"])
def test_no_flag_replaces_a_fifo(poolnorm: Command, flag: str) -> None:
    for file in ("fifo.npz", "fifo.json", "fifo.onnx"):
        if not Path(file).exists():
            os.mkfifo(file)
        assert poolnorm(f"bn x.npy -o y.npy {flag} {file} --overwrite").code == 2
        assert Path(file).is_fifo()
        assert not Path("y.npy").exists()


def test_a_list_comes_through_a_pipe(poolnorm: Command, pipe: Pipe) -> None:
    assert poolnorm(f"pool max --files-from {pipe(b'x.npy')} -O out -q").code == 0
    assert poolnorm(f"pool max --files-from {pipe(b'x.npy' + bytes(1))} -0 -O two -q").code == 0

    assert Path("out/x.npy").read_bytes() == Path("two/x.npy").read_bytes()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (bytes(200_000), "a name of more than 65536 bytes after 0 others"),
        (b"x.npy\n" + b"a" * 70_000 + b"\n", "a name of more than 65536 bytes after 1 others"),
        (b"x.npy\n" * 12, "more than 10 names"),
    ],
)
def test_a_list_without_an_end_is_told(
    poolnorm: Command, pipe: Pipe, monkeypatch: pytest.MonkeyPatch, data: bytes, told: str
) -> None:
    monkeypatch.setattr("poolnorm_cli.batch.inputs._MOST_NAMES", 10)
    result = poolnorm(f"pool max --files-from {pipe(data)} -O out")

    assert (result.code, result.err.count("\n")) == (4, 1)
    assert f"{told}; give a list of files, a name a line" in result.err


def test_a_fifo_in_a_list_or_a_directory_is_not_waited_for(poolnorm: Command) -> None:
    Path("list").write_text("fifo.npy\nx.npy\n")
    result = poolnorm("pool max --files-from list -O out")
    assert result.code == 1
    assert "error: fifo.npy: not a regular file; save it to one first" in result.err

    result = poolnorm("pool max . -O two")
    assert result.code == 1
    assert result.err.count("not a regular file; save it to one first") == 2


def test_links_to_directories_are_counted_and_said(poolnorm: Command) -> None:
    Path("in/deep").mkdir(parents=True)
    Path("in/x.npy").write_bytes(saved(X))
    Path("in/up").symlink_to("..")
    Path("in/deep/self").symlink_to(".")
    result = poolnorm("pool max in -r -O out")

    assert result.code == 0
    assert result.err == "note: in: 2 links to directories not followed\n"
    Path("in/up").unlink()
    assert "in/deep/self not followed" in poolnorm("pool max in -r -O two").err
    assert poolnorm("pool max in -r -O three -q").err == ""


@pytest.mark.parametrize("flags", ["", "--dry-run", "-j 2", "--journal j"])
def test_a_directory_that_may_not_be_read_does_not_end_the_others(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, flags: str
) -> None:
    for name in ("in/a", "in/secret", "in/z"):
        Path(name).mkdir(parents=True)
        Path(name, "x.npy").write_bytes(saved(X))
    scandir = os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    result = poolnorm(f"pool max in -r -O out {flags}")

    assert result.code == 1
    assert "error: in/secret: Permission denied; make it readable" in result.err
    if flags != "--dry-run":
        assert sorted(str(p) for p in Path("out").rglob("*.npy")) == ["out/a/x.npy", "out/z/x.npy"]
    assert poolnorm("pool max in/secret -O two").code == 4
