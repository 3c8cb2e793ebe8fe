"""What a Python program gives, as the engine takes it; errors as a Python program expects them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.kernels.memory import Array
from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.dtypes import DTYPES


class ArgumentError(UsageError, ValueError):
    """An argument that a layer cannot take: a ValueError, too."""


class DataError(InputError, ValueError):
    """A file or an array with values or a structure that a layer cannot take: a ValueError, too."""


@contextmanager
def python_errors() -> Iterator[None]:
    """Raise errors as ValueErrors, in the words of Python: parameters in place of flags.

    Raises:
        ArgumentError: In place of a UsageError.
        DataError: In place of an InputError.
    """
    try:
        yield
    except (ArgumentError, DataError):
        raise
    except (UsageError, InputError) as error:
        kind = ArgumentError if isinstance(error, UsageError) else DataError
        raise kind(in_python(error.what), _advice(error.fix), error.places) from None


def with_fix(error: UsageError, fix: str) -> ArgumentError:
    """Return an error for Python with another piece of advice.

    Args:
        error: The error.
        fix: What to do about it.

    Returns:
        The error to raise.
    """
    return ArgumentError(in_python(error.what), fix, error.places)


def _advice(text: str) -> str:
    """Write `--padding same` as `padding='same'`."""

    def argument(found: re.Match[str]) -> str:
        value = found[2] if re.fullmatch(r"[\d.,e-]+", found[2]) else repr(found[2])
        return f"{found[1].replace('-', '_')}={value}"

    return in_python(re.sub(r"--([a-z][a-z-]*) ([\w.,-]*\w)", argument, text))


def in_python(text: str) -> str:
    """Write flags in a text as parameters: `--pool-size` as `pool_size`."""
    return re.sub(r"--([a-z][a-z-]*)", lambda found: found[1].replace("-", "_"), text)


def array_of(x: Any, what: str = "the input") -> Array:
    """Return anything that is an array as one of NumPy.

    Args:
        x: An array, a list, or what has `__array__` or DLPack, as tensors of other libraries do; on
            a device it is copied from there. bfloat16, which NumPy has not, becomes float32.
        what: What messages call it.

    Returns:
        A C-contiguous array of native byte order, which shares the memory of `x` where it can.

    Raises:
        ArgumentError: It is no array of numbers that a layer takes.
    """
    found = x if isinstance(x, np.ndarray) else _converted(x, what)
    if found.dtype.name == "bfloat16":  # as of ml_dtypes
        found = found.astype(np.float32)
    if found.dtype.name not in DTYPES:
        name = found.dtype.name
        raise ArgumentError(f"{what} is of dtype {name}", "give floats, integers or bools")
    native = found.astype(found.dtype.newbyteorder("="), copy=False)
    return native if native.flags.c_contiguous else np.ascontiguousarray(native)


def _converted(x: Any, what: str) -> Array:
    for method in ("detach", "cpu"):  # of torch, whose tensors else refuse to be read
        x = getattr(x, method)() if callable(getattr(x, method, None)) else x
    if str(getattr(x, "dtype", "")) == "torch.bfloat16":
        x = x.float()
    try:
        if hasattr(x, "__dlpack__") and not hasattr(x, "__array__"):
            return np.from_dlpack(x)
        return np.asarray(x)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        reason = " ".join(str(error).split())
        name = type(x).__name__
        raise ArgumentError(f"{what} is a {name}, no array: {reason}", "give an array") from None


def checked_out(out: Any, shape: Ints, dtype: str) -> Array:
    """Return the array that an output goes to.

    Args:
        out: What was given.
        shape: The shape of the output.
        dtype: Its dtype.

    Returns:
        It.

    Raises:
        ArgumentError: The output does not fit into it.
    """
    fix = f"give np.empty({shape}, '{dtype}'), or leave out= away"
    if not isinstance(out, np.ndarray):
        raise ArgumentError(f"out is a {type(out).__name__}, no array of NumPy", fix)
    if out.shape != shape or out.dtype != np.dtype(dtype):
        found = f"out has shape {out.shape} and dtype {out.dtype}"
        raise ArgumentError(f"{found}, the output {shape} and {dtype}", fix)
    if not out.flags.writeable:
        raise ArgumentError("out is read-only", fix)
    return out
