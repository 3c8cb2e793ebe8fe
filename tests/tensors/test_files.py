"""Reading and writing go on until all bytes are there, and a file that changed is known."""

from __future__ import annotations

import os
import pickle
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest

from poolnorm_cli.errors import InputError
from poolnorm_cli.tensors.files import (
    open_regular,
    read_exactly,
    reader,
    require_unchanged,
    stamp_of,
    write_all,
    write_all_at,
)
from poolnorm_cli.tensors.sources import FirstInput


if TYPE_CHECKING:
    from pathlib import Path


def test_short_writes_are_continued() -> None:
    written = bytearray()

    def write(piece: memoryview) -> int:
        written.extend(piece[:3])
        return min(3, len(piece))

    write_all(write, bytes(range(10)))

    assert written == bytes(range(10))


def test_short_reads_are_continued_up_to_the_end() -> None:
    file = BytesIO(bytes(range(10)))

    def read(count: int) -> bytes:
        return file.read(min(count, 3))

    assert read_exactly(read, 8) == bytes(range(8))
    assert read_exactly(read, 8) == bytes([8, 9])
    assert read_exactly(reader(BytesIO(b"abc").readinto), 2) == b"ab"


def test_bytes_are_written_at_an_offset_and_the_position_stays(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(8))
    fd = os.open(path, os.O_RDWR)
    try:
        write_all_at(fd, b"abc", 4)
        write_all(partial(os.write, fd), b"z")
    finally:
        os.close(fd)

    assert path.read_bytes() == b"z\0\0\0abc\0"


def test_a_file_that_changes_is_known_by_name_and_by_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"before")
    with open_regular(path, "x") as fd:
        stamp = stamp_of(fd)
        assert stamp == stamp_of(path)
        assert stamp.version == (6, path.stat().st_mtime_ns)
        require_unchanged(fd, stamp, "x")
        path.write_bytes(b"after that")
        with pytest.raises(InputError, match="x: changed while reading"):
            require_unchanged(fd, stamp, "x")


def test_a_first_input_goes_to_another_process_unopened(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    first = FirstInput(str(tmp_path / "x.npy"), limit=5)
    (tensor,) = first.tensors()
    assert first.tensors()[0] is tensor

    other = pickle.loads(pickle.dumps(first))  # noqa: S301 - made here

    assert other.tensors()[0] is not tensor
    assert other.shape() == (2, 3)
    assert (other.word, other.key, other._limit) == (first.word, None, 5)
    assert other.at(first.word) is other
    assert other.at("y.npy").word == "y.npy"


def test_the_first_shape_is_of_a_file_that_can_be_read(tmp_path: Path) -> None:
    assert FirstInput("-").shape() is None
    assert FirstInput("").shape() is None
    assert FirstInput(str(tmp_path / "none.npy")).shape() is None
    assert FirstInput(str(tmp_path)).shape() is None
