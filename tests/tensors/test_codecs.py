"""bfloat16 and the narrowing of floats agree with ml_dtypes and NumPy for every bit pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np
import pytest

from poolnorm_cli.errors import InputError
from poolnorm_cli.kernels.halves import BITS
from poolnorm_cli.tensors.codecs import as_bits, decode, encode
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.tensors.sources import open_tensors


if TYPE_CHECKING:
    from pathlib import Path

BFLOAT16 = DTYPES["bfloat16"]
EVERY = np.arange(2**16, dtype=np.uint16)


@pytest.mark.parametrize("swapped", [False, True])
def test_every_bfloat16_is_read_exactly(swapped: bool) -> None:
    raw = EVERY.byteswap() if swapped else EVERY
    expected = EVERY.view(ml_dtypes.bfloat16).astype(np.float32)
    found = decode(raw.tobytes(), BFLOAT16, swapped)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("writable", [False, True])
def test_bfloat16_that_is_left_as_it_is_stored_loses_no_bit(swapped: bool, writable: bool) -> None:
    raw = (EVERY.byteswap() if swapped else EVERY).tobytes()
    found = as_bits(memoryview(bytearray(raw) if writable else raw), swapped=swapped)
    assert found.dtype == BITS
    np.testing.assert_array_equal(encode(found.reshape(256, 256), BFLOAT16).reshape(-1), EVERY)


def test_every_bfloat16_survives_and_nan_gets_quiet() -> None:
    wide = decode(EVERY.tobytes(), BFLOAT16, swapped=False)
    nan = np.isnan(wide)
    np.testing.assert_array_equal(encode(wide, BFLOAT16)[~nan], EVERY[~nan])
    np.testing.assert_array_equal(encode(wide, BFLOAT16)[nan], EVERY[nan] | 0x40)


def test_rounding_to_bfloat16_is_that_of_ml_dtypes() -> None:
    low = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    wide = ((EVERY.astype(np.uint32) << 16)[:, None] | low).view(np.float32).ravel()
    wide = wide[~np.isnan(wide)]
    expected = wide.astype(ml_dtypes.bfloat16).view(np.uint16)
    np.testing.assert_array_equal(encode(wide, BFLOAT16), expected)


def test_no_nan_becomes_a_number_or_changes_its_sign() -> None:
    bits = np.array([0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000], np.uint32)
    back = decode(encode(bits.view(np.float32), BFLOAT16).tobytes(), BFLOAT16, swapped=False)
    assert np.isnan(back).all()
    assert np.signbit(back).tolist() == [False, True, False, True, False]


@pytest.mark.parametrize(("name", "large"), [("float16", 1e6), ("float32", 1e300)])
def test_what_is_too_large_becomes_infinite_silently(name: str, large: float) -> None:
    block = np.array([large, -large, np.nan, 0.5])
    assert encode(block, DTYPES[name])[:2].tolist() == [np.inf, -np.inf]
    assert encode(block, DTYPES[name])[3] == 0.5


def test_integers_are_not_converted() -> None:
    block = np.array([1, 2], np.int64)
    assert encode(block, DTYPES["int64"]).tolist() == [1, 2]
    with pytest.raises(TypeError, match="a block of int64 is not int8"):
        encode(block, DTYPES["int8"])


def test_a_bfloat16_file_needs_to_be_called_so(tmp_path: Path) -> None:
    values = np.array([[1.5, -2.0], [np.inf, 3e38]], ml_dtypes.bfloat16)
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(InputError, match="--dtype bfloat16"):
        list(open_tensors(str(tmp_path / "x.npy")))
    (tensor,) = open_tensors(str(tmp_path / "x.npy"), bfloat16=True)
    with open_output(str(tmp_path / "y.npy"), overwrite=False) as output:
        writer = output.add(None, tensor.shape, tensor.dtype)
        for block in tensor.blocks(1):
            writer.write(block)
    assert (tmp_path / "y.npy").read_bytes() == (tmp_path / "x.npy").read_bytes()
