"""What NumPy writes is read bit for bit, and what is written NumPy reads."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from poolnorm_cli.errors import InputError
from poolnorm_cli.tensors.dtypes import DTYPES, descr_of, parse_descr
from poolnorm_cli.tensors.header import build_header, read_header
from poolnorm_cli.tensors.npy import NpyTensor
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.tensors.sources import open_tensors


if TYPE_CHECKING:
    from poolnorm_cli.tensors.tensor import Tensor

    Array = np.ndarray[Any, np.dtype[Any]]

QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
_MOST_ITEMS = 512
"""Hypothesis draws 8 KiB at most; of items that have 16 bytes these are as many."""
PLAIN = [name for name in DTYPES if name != "bfloat16"]


def gathered(tensor: Tensor, rows: int = 3) -> Array:
    blocks = [block.copy() for block in tensor.blocks(rows)]
    empty = np.empty((0, *tensor.shape[1:]), "f4" if tensor.dtype.name == "bfloat16" else None)
    return np.concatenate(blocks) if blocks else empty.astype(tensor.dtype.name)


@st.composite
def arrays(draw: st.DrawFn) -> Array:
    shapes = hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=6)
    shape = draw(shapes.filter(lambda shape: np.prod(shape) <= _MOST_ITEMS))
    dtype = np.dtype(draw(st.sampled_from(PLAIN))).newbyteorder(draw(st.sampled_from("<>")))
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    array = (raw & 1).view("?") if dtype == "?" else raw.view(dtype)
    return np.asarray(array.reshape(shape), order=draw(st.sampled_from("CF")))


def same_bits(left: Array, right: Array) -> bool:
    native = right.astype(right.dtype.newbyteorder("="), copy=False)
    as_bytes = np.ascontiguousarray(native).tobytes()
    return left.shape == right.shape and left.dtype == native.dtype and left.tobytes() == as_bytes


@QUICK
@given(array=arrays(), rows=st.integers(1, 7), version=st.sampled_from([(1, 0), (2, 0), (3, 0)]))
def test_a_npy_is_read_bit_for_bit(
    array: Array, rows: int, version: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version)
    (tensor,) = open_tensors(str(path))
    assert isinstance(tensor, NpyTensor)
    assert tensor.header.version == version
    assert same_bits(gathered(tensor, rows), array)
    assert same_bits(gathered(tensor, rows + 1), np.load(path))


@QUICK
@given(first=arrays(), second=arrays(), deflated=st.booleans())
def test_a_npz_is_read_bit_for_bit(
    first: Array, second: Array, deflated: bool, tmp_path: Path
) -> None:
    path = tmp_path / "x.npz"
    save = np.savez_compressed if deflated else np.savez
    both = {"first": first, "a/b": second}
    save(path, **both)  # type: ignore[arg-type] # allow_pickle, which NumPy 2.0 takes for an array
    tensors = list(open_tensors(str(path)))
    assert [tensor.key for tensor in tensors] == ["first", "a/b"]
    assert all(tensor.compressed == deflated for tensor in tensors)
    assert same_bits(gathered(tensors[1], 2), second)
    assert same_bits(gathered(tensors[0], 2), first)
    assert same_bits(gathered(tensors[1], 9), second)


@QUICK
@given(array=arrays(), rows=st.integers(1, 7), kind=st.sampled_from(["npy", "stored", "deflated"]))
def test_what_is_written_is_what_numpy_saves(
    array: Array, rows: int, kind: str, tmp_path: Path
) -> None:
    native = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
    target = str(tmp_path / ("y.npy" if kind == "npy" else "y.npz"))
    with open_output(target, overwrite=True) as output:
        writer = output.add(None, native.shape, DTYPES[native.dtype.name], kind == "deflated")
        for start in range(0, len(native), rows):
            writer.write(native[start : start + rows])
    if kind == "npy":
        expected = io.BytesIO()
        np.save(expected, native)
        assert Path(target).read_bytes() == expected.getvalue()
    else:
        with np.load(target) as loaded:
            assert same_bits(loaded["arr_0"], native)


@QUICK
@given(
    shape=hnp.array_shapes(min_dims=0, max_dims=32, min_side=0, max_side=2**62),
    dtype=st.sampled_from(list(DTYPES)),
)
def test_headers_are_those_of_numpy(shape: tuple[int, ...], dtype: str) -> None:
    descr = descr_of(DTYPES[dtype])
    file = io.BytesIO()
    entries = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, entries)
    assert build_header(shape, descr) == file.getvalue()
    header = read_header(io.BytesIO(file.getvalue()).read, "x")
    assert (header.shape, header.descr, header.size) == (shape, descr, len(file.getvalue()))


@pytest.mark.parametrize("name", DTYPES)
def test_a_dtype_is_written_as_numpy_writes_it(name: str) -> None:
    scalar = ml_dtypes.bfloat16 if name == "bfloat16" else name
    file = io.BytesIO()
    np.save(file, np.zeros(1, scalar))
    assert read_header(io.BytesIO(file.getvalue()).read, "x").descr == descr_of(DTYPES[name])
    assert parse_descr(descr_of(DTYPES[name]), bfloat16=True) == (DTYPES[name], False)


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }",
        "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}\n",
        '{"fortran_order":False,"descr":"<f4","shape":(2,3,)}',
        "  { 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 2 , 3 ) , } \n",
        "{'descr': '|f4', 'fortran_order': False, 'shape': (2, 3)}",
    ],
)
def test_headers_of_other_writers_are_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    length = len(text).to_bytes(2, "little")
    path.write_bytes(b"\x93NUMPY\1\0" + length + text.encode() + bytes(range(24)))
    (tensor,) = open_tensors(str(path))
    assert gathered(tensor).tobytes() == bytes(range(24))
    assert tensor.shape == (2, 3)


def test_any_bool_byte_but_zero_is_true(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(build_header((4,), "|b1") + bytes([0, 1, 2, 255]))
    (tensor,) = open_tensors(str(tmp_path / "x.npy"))
    assert gathered(tensor).view(np.uint8).tolist() == [0, 1, 1, 1]


def test_a_sample_without_items_still_has_blocks(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((5, 0, 2), "f4"))
    (tensor,) = open_tensors(str(tmp_path / "x.npy"))
    assert [block.shape for block in tensor.blocks(2)] == [(2, 0, 2), (2, 0, 2), (1, 0, 2)]


def test_fortran_order_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(np.ones((9, 9))))
    (tensor,) = open_tensors(str(tmp_path / "x.npy"))
    tensor.limit = 647
    with pytest.raises(InputError, match=r"648 bytes, 647 allowed; save it with"):
        gathered(tensor)
    tensor.limit = 648
    assert gathered(tensor).sum() == 81
