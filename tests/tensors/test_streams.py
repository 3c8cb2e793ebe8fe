"""Standard input and output carry any number of arrays, through real pipes."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.tensors.streams import StreamTensor, read_stream
from tests.tensors.corpus import saved
from tests.tensors.test_roundtrip import gathered


if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

ARRAYS = [np.arange(60.0).reshape(5, 4, 3), np.ones((0, 2), ">i2"), np.arange(7, dtype="u1")]
WHOLE = b"".join(saved(array) for array in ARRAYS)

COPY = """
import sys
from poolnorm_cli.tensors import open_output, open_tensors
with open_output("-", False) as output:
    for tensor in open_tensors("-"):
        writer = output.add(None, tensor.shape, tensor.dtype)
        for block in tensor.blocks(2):
            writer.write(block)
"""


def copied(data: bytes, code: str = COPY) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code], input=data, capture_output=True, check=False
    )


def slow_pipe(data: bytes, piece: int) -> IO[bytes]:
    reading, writing = os.pipe()

    def feed() -> None:
        with os.fdopen(writing, "wb", buffering=0) as file:
            for start in range(0, len(data), piece):
                file.write(data[start : start + piece])

    threading.Thread(target=feed, daemon=True).start()
    return os.fdopen(reading, "rb", buffering=0)


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_arrays_follow_each_other_in_pieces_of_any_size(piece: int) -> None:
    with slow_pipe(WHOLE, piece) as file:
        found = [(tensor.name, gathered(tensor, 2)) for tensor in read_stream(file)]
    assert [name for name, _ in found] == ["-", "-[1]", "-[2]"]
    for (_, left), right in zip(found, ARRAYS, strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_copy_through_two_pipes_is_the_same() -> None:
    done = copied(WHOLE)
    native = [array.astype(array.dtype.newbyteorder("=")) for array in ARRAYS]
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"".join(saved(array) for array in native)


def test_what_is_not_taken_is_passed_over() -> None:
    tensors = read_stream(io.BytesIO(WHOLE))
    first = next(tensors)
    assert next(first.blocks(1))[0, 0, 1] == 1.0
    next(tensors)
    assert gathered(next(tensors)).tolist() == list(range(7))


def test_a_spooled_array_is_read_repeatedly_and_later() -> None:
    kept: list[StreamTensor] = []
    for tensor in read_stream(io.BytesIO(WHOLE)):
        tensor.spool()
        tensor.spool()
        kept.append(tensor)
    for _ in range(2):
        for tensor, array in zip(kept, ARRAYS, strict=True):
            np.testing.assert_array_equal(gathered(tensor, 2), array)
    for tensor in kept:
        tensor.close()


def test_a_second_pass_without_a_spool_is_a_mistake() -> None:
    tensor = next(read_stream(io.BytesIO(WHOLE)))
    gathered(tensor)
    with pytest.raises(RuntimeError, match="spool"):
        gathered(tensor)


@pytest.mark.parametrize("how", ["blocks", "spool", "skip"])
def test_an_early_end_is_noticed(how: str) -> None:
    def taken(tensors: Iterator[StreamTensor]) -> None:
        for tensor in tensors:
            if how == "blocks":
                gathered(tensor)
            elif how == "spool":
                tensor.spool()

    with pytest.raises(InputError, match=r"^-: truncated: 372 of 480 bytes"):
        taken(read_stream(io.BytesIO(WHOLE[:500])))


def test_an_early_end_of_a_later_array_names_it() -> None:
    with pytest.raises(InputError, match=r"^-\[2\]: truncated: 6 of 7 bytes"):
        list(read_stream(io.BytesIO(WHOLE[:-1])))


def test_closed_and_empty_input_are_refused() -> None:
    with pytest.raises(InputError, match="closed"):
        read_stream(None)
    with pytest.raises(InputError, match="nothing on standard input"):
        list(read_stream(io.BytesIO()))


def test_a_zip_on_a_stream_says_how_to_give_it() -> None:
    with pytest.raises(InputError, match=r"zip archive: give /dev/stdin instead of -"):
        list(read_stream(io.BytesIO(b"PK\3\4" + bytes(99))))


def test_terminals_are_refused_on_both_sides() -> None:
    main, side = pty.openpty()
    with os.fdopen(main, "rb"), os.fdopen(side, "r+b", buffering=0) as file:
        with pytest.raises(UsageError, match="terminal"):
            read_stream(file)
        code = "from poolnorm_cli.tensors import open_output\nopen_output('-', False)"
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=file, stderr=subprocess.PIPE, check=False
        )
    assert b"UsageError: -: standard output is a terminal" in done.stderr


def test_a_reader_that_goes_away_is_a_broken_pipe() -> None:
    large = saved(np.zeros((4000, 1000)))
    process = subprocess.Popen(
        [sys.executable, "-c", COPY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, stderr = process.communicate(large)
    assert b"BrokenPipeError" in stderr
    assert b"PoolnormError" not in stderr


def test_a_full_device_is_told() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", COPY],
            input=WHOLE,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert b"OutputError" in done.stderr
    assert b"No space left on device" in done.stderr
