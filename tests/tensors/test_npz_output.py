"""A `.npz` is the same bytes for the same arrays, and NumPy and zip tools read it."""

from __future__ import annotations

import struct
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from poolnorm_cli.errors import UsageError
from poolnorm_cli.tensors import zip_writer
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.tensors.sources import open_tensors


if TYPE_CHECKING:
    from pathlib import Path

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "d/é": np.zeros((3, 400), np.int16)}


def write(target: Path) -> None:
    with open_output(str(target), overwrite=True) as output:
        for key, array in ARRAYS.items():
            writer = output.add(key, array.shape, DTYPES[array.dtype.name], compressed=key != "a")
            for row in array:
                writer.write(row)
            writer.close()


def check(target: Path) -> None:
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert [info.compress_type for info in archive.infolist()] == [0, 8]
    with np.load(target) as loaded:
        for key, array in ARRAYS.items():
            np.testing.assert_array_equal(loaded[key], array)
    found = {tensor.key: next(tensor.blocks(9)) for tensor in open_tensors(str(target))}
    assert {key: array.tolist() for key, array in found.items()} == {
        key: array.tolist() for key, array in ARRAYS.items()
    }


def test_two_writes_are_the_same_bytes_and_readable(tmp_path: Path) -> None:
    write(tmp_path / "x.npz")
    write(tmp_path / "y.npz")
    check(tmp_path / "x.npz")
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y.npz").read_bytes()


@pytest.mark.parametrize("limit", ["LARGE_MEMBER_BYTES", "_MANY"])
def test_the_64_bit_fields_are_readable(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "x.npz")
    monkeypatch.setattr(zip_writer, limit, 2)  # so that small files take the way of large ones
    write(tmp_path / "y.npz")
    check(tmp_path / "y.npz")
    assert (tmp_path / "y.npz").stat().st_size > (tmp_path / "x.npz").stat().st_size


def test_more_members_than_a_plain_archive_counts(tmp_path: Path) -> None:
    with open_output(str(tmp_path / "x.npz"), overwrite=False) as output:
        for _ in range(2**16):
            output.add(None, (0,), DTYPES["uint8"])
    with np.load(tmp_path / "x.npz") as loaded:
        assert len(loaded.files) == 2**16
    (tensor,) = open_tensors(str(tmp_path / "x.npz"), "arr_65535")
    assert list(tensor.blocks(1)) == []


def test_names_by_default_are_those_of_numpy(tmp_path: Path) -> None:
    with open_output(str(tmp_path / "x.npz"), overwrite=False) as output:
        for _ in range(3):
            output.add(None, (1,), DTYPES["uint8"]).write(np.ones(1, np.uint8))
    with np.load(tmp_path / "x.npz") as loaded:
        assert loaded.files == ["arr_0", "arr_1", "arr_2"]


def test_one_name_twice_and_two_arrays_in_a_npy_are_refused(tmp_path: Path) -> None:
    for name, told in (("x.npz", "two arrays called k"), ("x.npy", r"a \.npy holds one array")):
        output = open_output(str(tmp_path / name), overwrite=False)
        output.add("k", (0,), DTYPES["uint8"])
        with pytest.raises(UsageError, match=told), output:
            output.add("k", (0,), DTYPES["uint8"])
    assert list(tmp_path.iterdir()) == []


def test_no_array_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no array"), open_output(str(tmp_path / "x.npz"), False):
        pass
    assert list(tmp_path.iterdir()) == []


def test_sizes_in_a_wide_local_header_are_64_bit() -> None:
    entry = zip_writer._Entry(b"k.npy", 0, 0, wide=True, offset=0, size=2**33, packed=2**33)
    assert struct.pack("<2Q", 2**33, 2**33) in entry.local()
    assert struct.pack("<3Q", 2**33, 2**33, 0) in entry.central()
