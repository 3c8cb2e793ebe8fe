"""Nothing that is malformed gets past the readers, and nothing but one short line comes out."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.tensors.header import known_header, read_header
from poolnorm_cli.tensors.sources import open_tensors
from poolnorm_cli.tensors.streams import read_stream
from tests.tensors.corpus import hostile_npy
from tests.tensors.corpus_npz import hostile_npz


if TYPE_CHECKING:
    from collections.abc import Iterable

    from poolnorm_cli.tensors.tensor import Tensor

NPY, NPZ = hostile_npy(), hostile_npz()
# On a stream, what follows an array is the next one: nothing is wrong with two of them.
STREAMS = {name: data for name, data in NPY.items() if name != "file_two_arrays"}


def take(tensors: Iterable[Tensor]) -> None:
    for tensor in tensors:
        for _ in tensor.blocks(2):
            pass


def read_all(path: Path) -> None:
    take(open_tensors(str(path)))


def check_message(error: PoolnormError, name: str) -> None:
    line = str(error)
    assert len(line) <= 200
    assert line.isprintable()
    assert line.startswith(name)
    assert error.code in {2, 4}


def refused(path: Path) -> None:
    before = sorted(path.parent.iterdir())
    started = time.process_time()
    with pytest.raises(PoolnormError) as caught:
        read_all(path)
    # Milliseconds, unless work follows a size that is only declared.
    assert time.process_time() - started < 10
    assert sorted(path.parent.iterdir()) == before
    check_message(caught.value, path.name)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path()


@pytest.mark.parametrize("case", NPY)
def test_a_hostile_npy_is_refused(case: str, place: Path) -> None:
    path = place / "in.npy"
    path.write_bytes(NPY[case])
    refused(path)


@pytest.mark.parametrize("case", NPZ)
def test_a_hostile_npz_is_refused(case: str, place: Path) -> None:
    path = place / "in.npz"
    path.write_bytes(NPZ[case])
    refused(path)


@pytest.mark.parametrize("case", STREAMS)
def test_a_hostile_stream_is_refused(case: str) -> None:
    with pytest.raises(PoolnormError) as caught:
        take(read_stream(io.BytesIO(STREAMS[case])))
    check_message(caught.value, "-")


@given(st.integers(0, 139), st.integers(0, 255), st.integers(0, 140))
@example(8, 117, 140)
@example(6, 2, 140)
@example(0, 0, 140)
@example(12, 39, 60)
def test_a_header_is_known_only_if_it_would_be_read_so(place: int, byte: int, length: int) -> None:
    """The header of each small file is looked up before it is read."""
    buffer = io.BytesIO()
    np.save(buffer, np.ones((3, 1), np.float32))
    plain = buffer.getvalue()
    again = read_header(io.BytesIO(plain).read, "x")
    assert known_header(plain) is again

    spoiled = bytearray(plain)
    spoiled[place] = byte
    known = known_header(bytes(spoiled[:length]))

    assert known is None or known == read_header(io.BytesIO(spoiled[:length]).read, "x")


def test_the_corpus_covers_enough_ways() -> None:
    assert len(NPY) >= 120
    assert len(NPZ) >= 60


def test_a_fifo_is_refused_at_once(place: Path) -> None:
    os.mkfifo(place / "in.npy")
    refused(place / "in.npy")


@pytest.mark.parametrize("name", ["in.npy", "in.npz"])
@pytest.mark.parametrize("kind", ["missing", "directory", "dangling", "loop", "null", "long"])
def test_what_is_no_file_is_refused(kind: str, name: str, place: Path) -> None:
    path = place / name
    match kind:
        case "directory":
            path.mkdir()
        case "dangling":
            path.symlink_to("nowhere")
        case "loop":
            path.symlink_to(path.name)
        case "null":
            path.symlink_to("/dev/null")
        case "long":
            path = place / ("long" * 100 + name)
    with pytest.raises(PoolnormError) as caught:
        read_all(path)
    assert caught.value.code == 4
    assert len(str(caught.value)) <= 200


def test_a_hostile_file_name_is_told_on_one_line(place: Path) -> None:
    path = place / "a\nb\x1b[31m[red]\udc80.npy"
    path.write_bytes(b"")
    with pytest.raises(PoolnormError) as caught:
        read_all(path)
    assert str(caught.value).startswith(r"a\nb\x1b[31m[red]\udc80.npy: empty")


def test_a_file_that_cannot_be_read_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(fd: int, _: object) -> int:
        raise OSError(5, "Input/output error", fd)

    path = place / "in.npy"
    path.write_bytes(b"x")
    monkeypatch.setattr(os, "readv", failing)
    monkeypatch.setattr(os, "read", failing)
    with pytest.raises(PoolnormError, match=r"in\.npy: Input/output error"):
        read_all(path)
