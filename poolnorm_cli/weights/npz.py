"""Weights in `.npz` files, one array per weight."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.layers.spelling import has_suffix
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.tensors.sources import open_tensors
from poolnorm_cli.weights.naming import IGNORED
from poolnorm_cli.weights.seal import LARGEST_SEAL, SEAL, check_seal, sealed


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolnorm_cli.tensors.tensor import Tensor
    from poolnorm_cli.weights import Weights

LARGEST_ITEMS = 1 << 26


def load(file: str) -> "Weights":
    """Read all arrays of an `.npz` file, and check them against its seal if it has one.

    Raises:
        InputError: It cannot be read, holds an array that no layer has as a weight, or is not
            what was saved.
        UsageError: It is not an `.npz` file.
    """
    if not has_suffix(file, ".npz"):
        raise UsageError(f"--weights {file!r} is not an .npz file", "np.savez(file, gamma=...)")
    weights: Weights = {}
    seal = None
    for tensor in open_tensors(file):
        if tensor.key == SEAL and tensor.dtype.name == "uint8" and tensor.nbytes <= LARGEST_SEAL:
            seal = b"".join(block.tobytes() for block in tensor.blocks(LARGEST_SEAL))
        elif tensor.key not in IGNORED:
            weights[str(tensor.key)] = read(tensor)
    if seal is not None:
        check_seal(file, seal, weights)
    return weights


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
