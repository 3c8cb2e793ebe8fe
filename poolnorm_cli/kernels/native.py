"""The compiled loops, where the build made them; without them NumPy does the same, slower.

They are compiled from `native/` when the package is built, if there is a C compiler. The
environment variable `POOLNORM_KERNELS=numpy` leaves them aside. Where they are there and do not
load, nothing else takes their place: sums may differ in their last digits.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import UnavailableError


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from poolnorm_cli.kernels.memory import Array
    from poolnorm_cli.windows import Reduction

    Buffer = Any
    """What compiled loops are called on: C-contiguous items of native byte order."""
    LoopCall = Callable[[Buffer, Buffer], bool]
    """Computes a block: takes its items, and the memory of the result. False where that is not the
    result, for a reason in the values: NumPy has to compute the block then."""
    LoopMaker = Callable[[Mapping[str, memoryview]], LoopCall | None]
    """Makes the call for weights; None where there is none."""

FLOAT32 = "f"
"""Dtypes for which there is a loop, by their characters in NumPy, which nobody needs here."""
FLOAT64 = "d"
FLOATS = "fd"
HALF = "e"
HALVES = "eE"
"""float16, and bfloat16 of `ml_dtypes`."""
INTEGERS = "?bhilqBHILQ"
"""Those for which there are loops of maxima."""

KINDS = {
    "float16": "e",
    "bfloat16": "E",
    "float32": "f",
    "float64": "d",
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
}
"""Name of a dtype -> the letter by which loops know it."""
KIND_BYTES = dict(zip("eEfd?bhiqBHIQ", (2, 2, 4, 8, 1, 1, 2, 4, 8, 1, 2, 4, 8), strict=True))
"""That letter -> bytes of an item."""

REDUCTIONS: "dict[Reduction, int]" = {"max": 0, "mean": 1, "min": 2}
"""What loops make of the cells under a window, and the number by which they know it."""

_NAME = "poolnorm_cli.kernels._native"
_VARIABLE = "POOLNORM_KERNELS"


def _compiled() -> "ModuleType | None":
    if os.environ.get(_VARIABLE) == "numpy":
        return None
    try:
        return import_module(_NAME)
    except ModuleNotFoundError as error:
        if error.name == _NAME:
            return None
        raise _broken(error) from error
    except (ImportError, OSError) as error:
        raise _broken(error) from error


def _broken(error: Exception) -> UnavailableError:
    """Return the error of loops that are there and do not load: NumPy's bytes are not theirs."""
    reason = " ".join(str(error).split())
    from poolnorm_cli.packages import pip_reinstall

    fix = f"{pip_reinstall()}, or set {_VARIABLE}=numpy"
    return UnavailableError(f"the compiled loops do not load: {reason}", fix)


_LOOPS: Any = _compiled()


def compiled() -> bool:
    """Whether the compiled loops are there and in use."""
    return _LOOPS is not None


def loops() -> Any:
    """Return the module of the compiled loops; None without them."""
    return _LOOPS


def loops_for(x: "Array", dtypes: str) -> Any:
    """Return the compiled loops where they serve for `x`, else None.

    Args:
        x: Any array.
        dtypes: Those for which there is a loop, by their characters.

    Returns:
        The module of the loops, if `x` is C-contiguous, aligned and of native byte order.
    """
    if _LOOPS is None or x.dtype.char not in dtypes or not x.dtype.isnative:
        return None
    return _LOOPS if x.flags.carray or (x.flags.c_contiguous and x.flags.aligned) else None


def served_kind(dtype: str, reduction: "Reduction" = "max", *, halves: bool = False) -> str | None:
    """Return the kind of items that a loop of a pooling serves for.

    Args:
        dtype: Name of the dtype of the cells and of the result.
        reduction: What it makes of cells.
        halves: It takes float16 and bfloat16.

    Returns:
        The letter of the dtype; None where no loop serves for it, or there are no loops.
    """
    kind = KINDS.get(dtype)
    if not compiled() or kind is None or (kind in HALVES and not halves):
        return None
    return None if reduction != "max" and kind in INTEGERS else kind
