"""Weights in `.npz` files, one array per weight."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.layers.spelling import has_suffix
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.messages import shown
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.tensors.sources import open_tensors
from poolnorm_cli.weights.entry import LARGEST_BYTES
from poolnorm_cli.weights.naming import IGNORED
from poolnorm_cli.weights.seal import LARGEST_SEAL, SEAL, check_seal, sealed


if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from poolnorm_cli.tensors.tensor import Tensor
    from poolnorm_cli.weights import Weights

LARGEST_ITEMS = 1 << 26
_MOST_OF_ONE = 100
"""Bytes that deflate may have made one of, of a large weight: more is an archive bomb."""


def load(file: str, names: Sequence[str] = ()) -> "Weights":
    """Read all arrays of an `.npz` file, and check them against its seal if it has one.

    Args:
        file: The file.
        names: What the arrays may be called; any name without them.

    Raises:
        InputError: It cannot be read, holds an array that no layer has as a weight, or is not
            what was saved.
        UsageError: It is not an `.npz` file, or has another array.
    """
    if not has_suffix(file, ".npz"):
        raise UsageError(f"--weights {file!r} is not an .npz file", "np.savez(file, gamma=...)")
    tensors = list(open_tensors(file))
    for tensor in tensors:
        if names and tensor.key not in names and not is_seal(tensor):
            wanted = " and ".join(names)
            told = f"{file} has {shown(str(tensor.key), 60)}, not {wanted}"
            raise UsageError(told, f"give FILE.npz with {wanted}")
    return Seal(file, tensors).values


def is_seal(tensor: "Tensor") -> bool:
    """Whether an array is the seal of the others.

    Raises:
        InputError: It is called so and cannot be one.
    """
    if tensor.key == SEAL and (tensor.dtype.name != "uint8" or tensor.nbytes > LARGEST_SEAL):
        told = f"{tensor.name}: {tensor.dtype.name} of shape {tensor.shape} is no weight"
        raise InputError(told, "train it again, or take it from a copy")
    return tensor.key == SEAL


class Seal:
    """The arrays of a file, of which none is given before all have been checked by its seal."""

    def __init__(self, file: str, tensors: "Sequence[Tensor]") -> None:
        """Begin with nothing read.

        Args:
            file: The file.
            tensors: Its arrays, the seal among them where it has one.
        """
        self._file, self._tensors = file, tensors
        self._values: Weights | None = None

    @property
    def values(self) -> "Weights":
        """All arrays but the seal, by their keys.

        Raises:
            InputError: One cannot be read, or they are not what was saved.
        """
        if self._values is None:
            seal, values = None, {}
            for tensor in self._tensors:
                if is_seal(tensor):
                    seal = b"".join(block.tobytes() for block in tensor.blocks(LARGEST_SEAL))
                elif tensor.key not in IGNORED:
                    values[str(tensor.key)] = read(tensor)
            if seal is not None:
                check_seal(self._file, seal, values)
            self._values = values
        return self._values

    def reader(self, tensor: "Tensor") -> "Callable[[], NDArray[Any]]":
        """Return what reads one of the arrays: alone, where there is no seal."""
        if not any(map(is_seal, self._tensors)):
            return lambda: read(tensor)
        return lambda: self.values[str(tensor.key)]


def read(tensor: "Tensor") -> "NDArray[Any]":
    """Read one weight.

    Raises:
        InputError: No layer has such a weight.
    """
    if tensor.dtype.kind != "f" or not tensor.shape:
        raise InputError(
            f"{tensor.name}: {tensor.dtype.name} of shape {tensor.shape} is no weight",
            "save weights as float vectors",
        )
    size = int(np.prod(tensor.shape, dtype=object))
    if size > LARGEST_ITEMS:
        raise InputError(f"{tensor.name}: {size} values are too many for a weight")
    if tensor.nbytes > max(LARGEST_BYTES, _MOST_OF_ONE * (tensor.packed or tensor.nbytes)):
        told = f"{tensor.nbytes} bytes out of {tensor.packed}, which no weights are"
        raise InputError(f"{tensor.name}: {told}", "save it with np.savez")
    blocks = [block.copy() for block in tensor.blocks(tensor.shape[0] or 1)]
    return blocks[0] if blocks else np.empty(tensor.shape, "float32")


def save(
    file: str, weights: Mapping[str, "NDArray[Any]"], *, overwrite: bool, sync: bool = False
) -> None:
    """Write weights and their seal to an `.npz` file, whole or not at all.

    Args:
        file: The file.
        weights: By name.
        overwrite: Replace a file that is there.
        sync: Have them on the disk before the file gets its name.

    Raises:
        UsageError: The file exists and is not to be overwritten, or is not an `.npz` file.
        OutputError: It cannot be written.
    """
    if not has_suffix(file, ".npz"):
        raise UsageError(f"--save-weights {file!r} is not an .npz file", "name it weights.npz")
    with open_output(file, overwrite, sync=sync) as output:
        for name, weight in (*weights.items(), (SEAL, sealed(weights))):
            writer = output.add(name, weight.shape, DTYPES[weight.dtype.name])
            writer.write(weight)
            writer.close()
