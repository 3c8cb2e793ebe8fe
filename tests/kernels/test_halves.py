"""float16 and bfloat16 become float32 and back as in NumPy and ml_dtypes, every bit pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.halves import (
    narrow_bfloat16,
    narrow_float16,
    widen_bfloat16,
    widen_float16,
)


if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY = np.arange(2**16, dtype=np.uint16)


@pytest.fixture(params=["processor", "portable", "numpy"], autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Convert by the processor's own instructions, by a loop that needs none, and by NumPy."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "numpy":
            patch.setattr(native, "_LOOPS", None)
            yield
            return
        if not native.compiled():
            pytest.skip("built without a C compiler")
        used = native.loops().use_vectors(1024 * (request.param == "processor"))
        if request.param == "processor" and not used:
            pytest.skip("this processor has no conversions of its own")
        yield
        native.loops().use_vectors(1024)


def float32s() -> Any:
    """Give what lies around every float16 and every tie between two, and numbers at random."""
    edges = EVERY.view(np.float16).astype(np.float32).view(np.uint32).astype(np.int64)
    away = [-1, 0, 1, 4095, 4096, 4097, 8191]
    near = (edges[:, None] + away).clip(0, 2**32 - 1).astype(np.uint32).reshape(-1)
    tiny = np.ldexp(np.arange(4097.0), -26).astype(np.float32).view(np.uint32)
    upper = ((EVERY.astype(np.uint32) << 16)[:, None] + [0, 0x7FFF, 0x8000, 0x8001]).reshape(-1)
    drawn = np.random.default_rng(0).integers(0, 2**32, 1 << 17, np.uint32)
    return np.concatenate([near, tiny, upper.astype(np.uint32), drawn]).view(np.float32)


def test_every_float16_is_widened_as_in_numpy() -> None:
    found = widen_float16(EVERY.view(np.float16))

    assert found.dtype == np.float32
    expected = EVERY.view(np.float16).astype(np.float32)
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))


def test_every_bfloat16_is_widened_as_in_ml_dtypes() -> None:
    expected = EVERY.view(ml_dtypes.bfloat16).astype(np.float32)

    np.testing.assert_array_equal(widen_bfloat16(EVERY).view("u4"), expected.view("u4"))


def test_float32_is_rounded_to_float16_as_in_numpy() -> None:
    wide = float32s()
    with np.errstate(all="ignore"):
        expected = wide.astype(np.float16)

    found = narrow_float16(wide)

    assert found.dtype == np.float16
    np.testing.assert_array_equal(found.view("u2"), expected.view("u2"))


def test_float32_is_rounded_to_bfloat16_as_in_ml_dtypes() -> None:
    wide = float32s()
    nan = np.isnan(wide)
    with np.errstate(all="ignore"):
        expected = wide.astype(ml_dtypes.bfloat16).view(np.uint16)

    found = narrow_bfloat16(wide)

    np.testing.assert_array_equal(found[~nan], expected[~nan])
    # ml_dtypes keeps nothing of a NaN but its sign, and we what there is room for.
    bits = wide[nan].view(np.uint32)
    np.testing.assert_array_equal(found[nan], ((bits >> 16) | 0x40).astype(np.uint16))


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1023, 1024, 1033])
def test_any_number_of_items_is_converted(count: int) -> None:
    x = np.random.default_rng(count).standard_normal(count).astype(np.float32)
    x[count // 2 : count // 2 + 1] = np.nan

    narrow = narrow_float16(x)

    np.testing.assert_array_equal(narrow, x.astype(np.float16))
    np.testing.assert_array_equal(widen_float16(narrow), narrow.astype(np.float32))


def test_any_order_is_taken() -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4).T

    narrow = narrow_float16(x)

    assert narrow.flags.c_contiguous
    np.testing.assert_array_equal(narrow, x)
    np.testing.assert_array_equal(widen_float16(narrow[:, ::2].astype(">f2")), x[:, ::2])
    assert widen_bfloat16(np.asarray(0x3F80, np.uint16)).shape == ()
