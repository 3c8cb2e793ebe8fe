"""How far two arrays are apart, against a count one by one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from poolnorm_cli.kernels.differences import Tolerance, item_differences


def one(a: Any, b: Any, dtype: str, **tolerance: Any) -> Any:
    kind = "float32" if dtype == "bfloat16" else dtype
    found = item_differences(
        np.array([a], kind), np.array([b], kind), Tolerance(**tolerance), dtype
    )
    ulp = None if found.ulp is None else int(found.ulp[0])
    return float(found.absolute[0]), float(found.relative[0]), ulp, bool(found.unequal[0])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@given(start=st.floats(-100, 100, width=16), steps=st.integers(0, 40))
@example(start=-0.0, steps=1)
@example(start=-1e-7, steps=40)
def test_units_are_the_numbers_between(dtype: str, start: float, steps: int) -> None:
    kind = np.dtype(dtype).type
    a = kind(start)
    b = a
    for _ in range(steps):
        b = np.nextafter(b, kind(np.inf))
    _, _, ulp, unequal = one(a, b, dtype)
    assert ulp == steps
    assert unequal == (steps > 0)


def test_units_of_bfloat16_are_its_own() -> None:
    assert one(1.0, 1.0078125, "bfloat16")[2] == 1


@pytest.mark.parametrize(
    ("a", "b", "dtype", "apart_by"),
    [
        (-128, 127, "int8", 255),
        (0, 2**64 - 1, "uint64", 2**64 - 1),
        (-(2**63), 2**63 - 1, "int64", 2**64 - 1),
        (True, False, "bool", 1),
    ],
)
def test_integers_are_subtracted_exactly(a: Any, b: Any, dtype: str, apart_by: int) -> None:
    for first, second in ((a, b), (b, a)):
        absolute, _, ulp, _ = one(first, second, dtype)
        assert ulp == apart_by
        assert absolute == float(apart_by)


@pytest.mark.parametrize(
    ("a", "b", "tolerance", "unequal"),
    [
        (1.0, 1.0, {}, False),
        (0.0, -0.0, {}, False),
        (1.0, 1.5, {}, True),
        (1.0, 1.5, {"atol": 0.5}, False),
        (1.0, 2.0, {"rtol": 0.5}, False),
        (2.0, 1.0, {"rtol": 0.5}, True),
        (1.0, 1.5, {"max_ulp": 10}, True),
        (1.0, np.nextafter(np.float32(1), np.float32(2)), {"max_ulp": 1}, False),
        (np.nan, np.nan, {}, True),
        (np.nan, np.nan, {"equal_nan": True}, False),
        (np.nan, 1.0, {"equal_nan": True, "atol": 9.0}, True),
        (np.inf, np.inf, {}, False),
        (np.inf, 1.0, {"rtol": 1.0}, True),
        (1.0, np.inf, {"rtol": 1.0}, True),
        (np.inf, -np.inf, {"rtol": 1.0}, True),
    ],
)
def test_what_is_equal(a: float, b: float, tolerance: dict[str, Any], unequal: bool) -> None:
    assert one(a, b, "float32", **tolerance)[3] is unequal


@given(
    npst.arrays(np.float32, 5, elements=st.floats(width=32)),
    npst.arrays(np.float32, 5, elements=st.floats(width=32)),
    st.floats(0, 1),
    st.floats(0, 10),
)
def test_equality_within_tolerances_is_that_of_numpy(
    a: NDArray[np.float32], b: NDArray[np.float32], rtol: float, atol: float
) -> None:
    found = item_differences(a, b, Tolerance(rtol, atol, equal_nan=True), "float32")
    with np.errstate(all="ignore"):
        close = np.isclose(a.astype(float), b.astype(float), rtol, atol, equal_nan=True)
    np.testing.assert_array_equal(~found.unequal, close)


def test_there_are_no_units_between_dtypes() -> None:
    found = item_differences(np.ones(2, "float32"), np.ones(2, "float64"), Tolerance(), None)
    assert found.ulp is None
    assert not found.unequal.any()
