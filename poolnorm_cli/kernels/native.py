"""The compiled loops, where the build made them. Without them NumPy does the same, slower.

They are compiled from `native/` when the package is built, if there is a C compiler. The
environment variable `POOLNORM_KERNELS=numpy` leaves them aside.
"""

import os
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray


Array = NDArray[Any]

FLOAT32 = (np.dtype(np.float32),)
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

_VARIABLE = "POOLNORM_KERNELS"


def _compiled() -> ModuleType | None:
    if os.environ.get(_VARIABLE) == "numpy":
        return None
    try:
        from poolnorm_cli.kernels import _native
    except ImportError:
        return None
    return _native


_LOOPS: Any = _compiled()


def compiled() -> bool:
    """Whether the compiled loops are there and in use."""
    return _LOOPS is not None


def loops_for(x: Array, dtypes: tuple[np.dtype[Any], ...]) -> Any:
    """Return the compiled loops where they serve for `x`, else None.

    Args:
        x: Any array.
        dtypes: Those for which there is a loop.
    """
    if _LOOPS is None or x.dtype not in dtypes or not x.dtype.isnative:
        return None
    return _LOOPS if x.flags.carray or (x.flags.c_contiguous and x.flags.aligned) else None
