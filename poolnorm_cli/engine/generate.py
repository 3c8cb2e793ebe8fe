"""Tensors made up for examples, written block by block."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import BLOCK_BYTES
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.outputs import open_output


def write_tensor(
    kind: str,
    shape: Ints,
    dtype: str,
    seed: int,
    output: str,
    *,
    overwrite: bool,
    sync: bool = False,
) -> None:
    """Write a tensor of made-up values.

    Args:
        kind: `normal` (mean 0, deviation 1), `uniform` (from 0 to 1), `arange`, `zeros`, `ones`.
        shape: Its shape.
        dtype: Its dtype; values are made in float64 and rounded to it once.
        seed: For the random kinds: NumPy's PCG64 is seeded with it.
        output: A `.npy` or `.npz` file, or `-`.
        overwrite: Replace the file.
        sync: Have it on the disk before it has its name.

    Raises:
        PoolnormError: The output cannot be written.
    """
    with open_output(output, overwrite, sync=sync) as target:
        writer = target.add(None, shape, DTYPES[dtype])
        for block in _blocks(kind, math.prod(shape), seed):
            kept = block if DTYPES[dtype].kind == "f" else block.astype(dtype)
            writer.write(kept)
        writer.close()


def _blocks(kind: str, items: int, seed: int) -> Iterator[NDArray[Any]]:
    random = np.random.Generator(np.random.PCG64(seed))
    step = BLOCK_BYTES // 8
    for start in range(0, items, step):
        count = min(step, items - start)
        if kind == "normal":
            yield random.standard_normal(count)
        elif kind == "uniform":
            yield random.random(count)
        elif kind == "arange":
            yield np.arange(start, start + count)
        else:
            yield np.full(count, 0.0 if kind == "zeros" else 1.0)
