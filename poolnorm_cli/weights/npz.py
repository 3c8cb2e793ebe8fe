"""Weights in `.npz` files, one array per weight."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, OutputError, UsageError, shown
from poolnorm_cli.sizes import LARGEST_WEIGHT_BYTES
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.files import open_regular
from poolnorm_cli.tensors.formats import NPZ, format_of
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.tensors.sources import open_tensors
from poolnorm_cli.tensors.zip_reader import list_members
from poolnorm_cli.values import replace
from poolnorm_cli.weights.entry import Entry, StoredArray, group_by_layer
from poolnorm_cli.weights.naming import IGNORED, are_normalization_weights, layer_and_weight


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolnorm_cli.tensors.outputs import Output
    from poolnorm_cli.tensors.tensor import PassedOver, Tensor
    from poolnorm_cli.weights.fit import Weights


LARGEST_ITEMS = 1 << 26
_MOST_DEFLATED = 100
"""How often deflate may have made a large weight smaller: more is an archive bomb."""


def load(file: str, names: Sequence[str] = ()) -> "Weights":
    """Read all arrays of an `.npz` file, or of another in which arrays have names.

    Args:
        file: The file.
        names: What the arrays may be called; any name without them.

    Returns:
        The arrays by their keys, float, as the file has them.

    Raises:
        InputError: It cannot be read, or holds an array that no layer has as a weight.
        UsageError: It is not an `.npz` file, or has another array.
    """
    form = format_of(file)
    if form is None or not form.keyed:
        raise UsageError(f"--weights {file!r} is not an .npz file", "np.savez(file, gamma=...)")
    tensors = [tensor for tensor in open_tensors(file) if tensor.key not in IGNORED]
    for tensor in tensors:
        if names and tensor.key not in names:
            wanted = " and ".join(names)
            what = f"{file} has {shown(str(tensor.key), 60)}, not {wanted}"
            raise UsageError(what, f"give FILE.npz with {wanted}")
    return {str(tensor.key): read(tensor) for tensor in tensors}


def read(tensor: "Tensor") -> "NDArray[Any]":
    """Read one weight.

    Raises:
        InputError: No layer has such a weight.
    """
    if tensor.dtype.kind != "f" or not tensor.shape:
        raise InputError.at(
            tensor.name,
            f"{tensor.dtype.name} of shape {tensor.shape} is not a weight",
            "save weights as float vectors",
        )
    import numpy as np

    size = prod(tensor.shape)
    if size > LARGEST_ITEMS:
        raise InputError.at(tensor.name, f"{size} values are too many for a weight")
    if tensor.nbytes > max(LARGEST_WEIGHT_BYTES, _MOST_DEFLATED * (tensor.packed or tensor.nbytes)):
        what = f"{tensor.packed} bytes that unpack to {tensor.nbytes}, which no weights do"
        raise InputError.at(tensor.name, what, "save it with np.savez")
    blocks = [block.copy() for block in tensor.blocks(tensor.shape[0] or 1)]
    return blocks[0] if blocks else np.empty(tensor.shape, "float32")


def save(
    file: str, weights: Mapping[str, "NDArray[Any]"], *, overwrite: bool, sync: bool = False
) -> None:
    """Write weights to an `.npz` file, whole or not at all.

    Args:
        file: The file.
        weights: By name.
        overwrite: Replace a file that is there.
        sync: Have them on the disk before the file gets its name.

    Raises:
        UsageError: The file exists and is not to be overwritten, or is not an `.npz` file.
        OutputError: It cannot be written.
    """
    with _opened(file, overwrite=overwrite, sync=sync) as output:
        for name, weight in weights.items():
            writer = output.add(name, weight.shape, DTYPES[weight.dtype.name])
            writer.write(weight)
            writer.close()


def save_buffers(
    file: str,
    weights: Mapping[str, tuple[Any, str]],
    *,
    overwrite: bool,
    sync: bool = False,
) -> None:
    """Write weights that are plain memory, as `save` does.

    Args:
        file: The file.
        weights: By name: the items, of a little-endian machine, and the name of their dtype.
        overwrite: Replace a file that is there.
        sync: Have them on the disk before the file gets its name.

    Raises:
        UsageError: The file exists and is not to be overwritten, or is not an `.npz` file.
        OutputError: It cannot be written.
    """
    with _opened(file, overwrite=overwrite, sync=sync) as output:
        for name, (weight, dtype) in weights.items():
            writer = output.add(name, weight.shape, DTYPES[dtype])
            writer.write_bytes(weight.cast("B"))
            writer.close()


def _opened(file: str, *, overwrite: bool, sync: bool) -> "Output":
    if format_of(file) is not NPZ:
        raise UsageError(f"--save-weights {file!r} is not an .npz file", "name it weights.npz")
    return open_output(file, overwrite, sync=sync)


def entries(file: str) -> list[Entry]:
    """List the layers of an `.npz` file; a lone one without a name is called `""`.

    No values are read: names and shapes are enough to say which layers there are.

    Raises:
        InputError: It cannot be read.
    """
    tensors = list(open_tensors(file))
    held = {
        str(tensor.key): StoredArray(tensor.shape, _reader(tensor), tensor)
        for tensor in tensors
        if layer_and_weight(str(tensor.key))[1] not in IGNORED
    }
    _refuse_twins(file, held)
    several = any(layer_and_weight(key)[0] for key in held)
    layers = group_by_layer(held) if several else {"": held}
    found = [
        Entry(
            file=file,
            name=layer,
            path=layer,
            kind=None,
            arrays={layer_and_weight(key)[1]: array for key, array in arrays.items()},
        )
        for layer, arrays in layers.items()
    ]
    return _with_passed_over(file, found, tensors[0])


def member_keys(file: str) -> list[str]:
    """List the keys of all that is in an `.npz` file, also of what is no array.

    Raises:
        InputError: It cannot be read.
    """
    with open_regular(file, file) as descriptor:
        return [member.key for member in list_members(descriptor, file)]


def _refuse_twins(file: str, keys: Iterable[str]) -> None:
    """Refuse two arrays of one layer and weight, as `gamma` and `gamma:0`."""
    seen: dict[tuple[str, str], str] = {}
    for key in keys:
        if (twin := seen.setdefault(layer_and_weight(key), key)) != key:
            what = f"{shown(twin, 40)} and {shown(key, 40)} are one weight"
            raise InputError.at(file, what, "leave one out")


def _with_passed_over(file: str, found: list[Entry], first: "Tensor") -> list[Entry]:
    """Add what was passed over: a weight that is there and cannot be read is not missing."""
    reasons: dict[str, str] = {}
    for each in first.passed_over:
        layer, weight = layer_and_weight(each.key)
        if _is_weight(each, weight):
            reasons.setdefault(layer, f"{weight}: {each.reason}")
    listed = [replace(entry, reason=reasons.pop(entry.path, "")) for entry in found]
    listed += [
        Entry(file=file, name=layer, path=layer, kind=None, arrays={}, reason=reason)
        for layer, reason in reasons.items()
    ]
    return [replace(entry, file_notes=first.notes) for entry in listed]


def _is_weight(passed: "PassedOver", weight: str) -> bool:
    return (
        weight not in IGNORED
        and are_normalization_weights([weight])
        and not passed.key.endswith("/")
    )


def _reader(tensor: "Tensor") -> "Callable[[], NDArray[Any]]":
    return lambda: read(tensor)


@contextmanager
def locked(file: str, waits: Callable[[], None]) -> Iterator[None]:
    """Hold the lock on a file that is going to be replaced.

    The lock is the kernel's (flock), on the file itself: it ends with the process, however that
    ends, and leaves nothing behind. Whoever waited for it finds that the file has been replaced
    meanwhile, and takes the lock on the new one.

    Args:
        file: The file, which must be there.
        waits: Called once if another process holds the lock.

    Yields:
        Nothing; the lock is held meanwhile.

    Raises:
        InputError: There is no such file.
        OutputError: The file system has no locks.
    """
    try:
        held = _open_locked(file, waits)
    except FileNotFoundError:
        fix = "run once without --weights: that starts it"
        raise InputError.at(file, "no such file", fix) from None
    except OSError as error:
        what = f"cannot be locked against other processes: {error.strerror}"
        raise OutputError.at(
            file, what, "keep it on a local file system, in a directory of yours"
        ) from None
    try:
        yield
    finally:
        os.close(held)


def _open_locked(file: str, waits: Callable[[], None]) -> int:
    import fcntl

    has_waited = False
    while True:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not has_waited:
                    waits()
                has_waited = True
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(descriptor), os.stat(file)):  # noqa: PTH116 - as fstat
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
