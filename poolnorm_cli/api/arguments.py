"""What a Python program gives, as the engine takes it; errors as a Python program expects them."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.tensors.dtypes import DTYPES


if TYPE_CHECKING:
    from types import TracebackType

    from poolnorm_cli.kernels.memory import Array
    from poolnorm_cli.shapes import Ints


class ArgumentError(UsageError, ValueError):
    """An argument that a layer cannot take: a ValueError, too."""


class DataError(InputError, ValueError):
    """A file or an array with values or a structure that a layer cannot take: a ValueError, too."""


class python_errors:  # noqa: N801 - used as a function, of which a generator would be the slow form
    """Raise errors as ValueErrors, in the words of Python: parameters in place of flags.

    A UsageError becomes an ArgumentError, an InputError a DataError.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, UsageError | InputError) and not isinstance(error, ValueError):
            own = ArgumentError if isinstance(error, UsageError) else DataError
            raise own(in_python(error.what), _advice(error.fix), error.places) from None


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


_NATIVE = {np.dtype(name) for name in DTYPES if name != "bfloat16"}


def array_of(x: Any, what: str = "the input") -> Array:
    """Return anything that is an array as one of NumPy.

    Args:
        x: An array, a list, or what has `__array__` or DLPack, as tensors of other libraries do; on
            a device it is copied from there. torch's bfloat16 becomes that of `ml_dtypes`, float32
            where this is not installed.
        what: What messages call it.

    Returns:
        A C-contiguous array of native byte order, which shares the memory of `x` where it can.

    Raises:
        ArgumentError: It is no array of numbers that a layer takes.
    """
    if type(x) is np.ndarray and x.dtype in _NATIVE and x.flags.c_contiguous:
        return x  # at once, for this is much of the time that a small array takes
    found = x if isinstance(x, np.ndarray) else _converted(x, what)
    if found.dtype.name not in DTYPES:
        name = found.dtype.name
        raise ArgumentError(f"{what} is of dtype {name}", "give floats, integers or bools")
    native = found.astype(found.dtype.newbyteorder("="), copy=False)
    return native if native.flags.c_contiguous else np.ascontiguousarray(native)


def weight_of(x: Any, name: str) -> Array:
    """Return a weight as `array_of`; bfloat16 as float32, as layers have it.

    Args:
        x: The weight.
        name: Its Keras name.

    Returns:
        The array.

    Raises:
        ArgumentError: It is no array of numbers.
    """
    found = array_of(x, name)
    return found.astype(np.float32) if found.dtype.name == "bfloat16" else found


def batch_of(x: Any) -> Array:
    """Return the samples of a call, as `array_of`.

    Raises:
        ArgumentError: It is no array of numbers that a layer takes, or a single number.
    """
    array = array_of(x)
    if array.ndim == 0:
        raise ArgumentError("the input is a single number", "layers need a batch axis")
    return array


def fits(out: Array, dtype: str) -> bool:
    """Whether an output of a dtype can be computed where it goes to.

    Args:
        out: The array that it goes to.
        dtype: Name of the dtype.

    Returns:
        Whether the array is of that dtype, and its items lie one after another.
    """
    return out.flags.c_contiguous and out.dtype.name == dtype


def _converted(x: Any, what: str) -> Array:
    if callable(getattr(x, "detach", None)):  # of torch, whose tensors else refuse to be read
        x = x.detach().cpu()
    try:
        if str(getattr(x, "dtype", "")) == "torch.bfloat16":
            return _bfloat16_of_torch(x)
        if hasattr(x, "__dlpack__") and not hasattr(x, "__array__"):
            return np.from_dlpack(x)
        return np.asarray(x)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        reason = " ".join(str(error).split())
        name = type(x).__name__
        raise ArgumentError(f"{what} is a {name}, no array: {reason}", "give an array") from None


def _bfloat16_of_torch(x: Any) -> Array:
    kind = bfloat16()
    if kind is None:
        return np.asarray(x.float())
    return np.asarray(x.contiguous().view(sys.modules["torch"].int16)).view(kind)


def bfloat16() -> np.dtype[Any] | None:
    """Return the bfloat16 of `ml_dtypes`, for NumPy has none; None where it is not installed."""
    try:
        import ml_dtypes
    except ImportError:
        return None
    found: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return found


_RESULTS = ("float16", "bfloat16", "float32", "float64")


def result_name(dtype: Any, natural: str) -> str:
    """Return the name of the dtype of an output.

    Args:
        dtype: What was asked for: a name, or a type of NumPy; None for what the layer gives.
        natural: What the layer gives.

    Returns:
        The name.

    Raises:
        ArgumentError: It is none that outputs can have, or `ml_dtypes` is not installed.
    """
    if dtype is None:
        return natural
    fix = f"give one of {', '.join(_RESULTS)}"
    if dtype == "bfloat16" and bfloat16() is None:
        raise ArgumentError("dtype bfloat16 without the package ml_dtypes", "pip install ml_dtypes")
    try:
        name = str(np.dtype(dtype).name)
    except TypeError:
        raise ArgumentError(f"dtype is {dtype!r}"[:80], fix) from None
    if name not in _RESULTS:
        raise ArgumentError(f"dtype is {name}", fix)
    return name


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
