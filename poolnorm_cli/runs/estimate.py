"""What a run would do to an input, from its header alone."""

from math import prod
from typing import TYPE_CHECKING

from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.runs.files import Job
    from poolnorm_cli.runs.passes import Pass
    from poolnorm_cli.runs.plan import Item, Plan
    from poolnorm_cli.tensors.tensor import Tensor


_BASE = 40 << 20
"""Bytes of a process that has begun and holds no tensor yet."""


@frozen
class Estimate:
    """What would be done to one tensor.

    Attributes:
        input: Its name.
        output: Where the output would go; None where nowhere.
        input_shape: Its shape.
        output_shape: Shape of the output.
        input_dtype: Its dtype.
        dtype: Dtype of the output.
        nbytes: Bytes of the output's values.
        memory: About the largest number of bytes that a process would have.
    """

    input: str
    output: str | None
    input_shape: Ints
    output_shape: Ints
    input_dtype: str
    dtype: str
    nbytes: int
    memory: int


def estimates(plan: "Plan", job: "Job", item: "Item") -> "Iterator[Estimate]":
    """Say what would be done to the tensors of an item; those on standard input are not read.

    Raises:
        PoolnormError: What the run would raise for the headers.
    """
    for tensor in plan.tensors(item):
        run = job.expect(tensor)
        yield Estimate(
            input=tensor.name,
            output=item.target,
            input_shape=tensor.shape,
            output_shape=run.output_shape,
            input_dtype=tensor.dtype.name,
            dtype=run.result,
            nbytes=run.output_bytes,
            memory=_memory(run, tensor),
        )


def _memory(run: "Pass", tensor: "Tensor") -> int:
    """Add up the blocks that are held at once: as stored, as computed with, twice the output."""
    wide, inner = DTYPES[run.compute].itemsize, run.inner
    items = prod(inner.shape[1:])
    share = prod(inner.output_shape[1:]) / max(items, 1)
    block = min(inner.block_items, prod(inner.shape)) * run.lanes.held
    blocks = block * (tensor.dtype.itemsize + 2 * wide) + 2 * int(block * share) * wide
    return _BASE + blocks + (2 * tensor.nbytes if tensor.header.fortran_order else 0)
