"""How much memory a run takes, and how it is kept within what is allowed."""

import re
from math import prod
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from poolnorm_cli.backends import row_of
from poolnorm_cli.engine.threads import ONE_THREAD, ThreadPool
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.machine import total_memory
from poolnorm_cli.sizes import SCRATCH_BYTES, WINDOW_BYTES
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from poolnorm_cli.engine.blocks import BlockPlan
    from poolnorm_cli.tensors.tensor import Tensor


P = TypeVar("P", bound="BlockPlan")

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_SIZE = r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?"


class Needs(NamedTuple):
    """Bytes that are there at once while a layer works on a tensor.

    Attributes:
        process: Of the process itself.
        kept: Of what is there all the time: statistics, and an input that has to be turned.
        read: Of the blocks that were read.
        blocks: Of these, as they are computed with, and of what comes of them.
        computing: Of what the threads need besides.
    """

    process: int
    kept: int
    read: int
    blocks: int
    computing: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.process + self.kept + self.blocks + self.computing


class MemoryLimiter(Protocol):
    """What several tasks of one process share."""

    def admit(self, needed: int, tensor: "Tensor") -> None:
        """Wait until there is memory for a tensor.

        Args:
            needed: Bytes that a process needs for it, as `memory_needed` says.
            tensor: The tensor.

        Raises:
            UsageError: It takes more than there is, even alone.
        """


def parse_size(text: str, flag: str) -> int:
    """Read a number of bytes.

    Args:
        text: As it was typed: `512M`, `1.5G` or `800000`; K, M, G and T are powers of 1024.
        flag: The flag, for the message.

    Returns:
        Bytes.

    Raises:
        UsageError: It is not a number of bytes.
    """
    found = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE)
    size = float(found[1]) * 2 ** _UNITS[found[2].upper()] if found else 0.0
    if not 1 <= size < 2**62:
        raise UsageError(f"{flag} {text!r} is not a number of bytes", f"give {flag} 512M or 2G")
    return int(size)


def format_size(size: int) -> str:
    """Write a number of bytes as it is typed, rounded up: `73M`."""
    return f"{-(-size // 2**20)}M"


def memory_needed(plan: "BlockPlan", tensor: "Tensor") -> int:
    """Estimate the largest number of bytes that a process has while it works on a tensor.

    Args:
        plan: The layer on the tensor.
        tensor: The tensor, which is not read.

    Returns:
        Bytes, those of the process itself included.
    """
    return needs_of(plan, tensor).total


def needs_of(plan: "BlockPlan", tensor: "Tensor") -> Needs:
    """Estimate what is in memory at once while a layer works on a tensor.

    These are the blocks that are in memory at once: as stored, as computed with where that is
    another dtype, the output, and for each thread what a layer needs in between, which may be in
    float64. A graph has the results of its nodes there, a layer tables made of its weights; where a
    block goes on to other layers in a thread, there is what they make of it.

    Args:
        plan: The layer on the tensor.
        tensor: The tensor, which is not read.

    Returns:
        The bytes, by what they are for.
    """
    wide, inner = plan.compute_dtype.itemsize, plan.inner
    share = prod(inner.output_shape[1:]) / max(prod(inner.shape[1:]), 1)
    items = min(inner.block_items, prod(inner.shape))
    stored = items * tensor.dtype.itemsize
    computed = items * wide if plan.compute_dtype.name != tensor.dtype.name else 0
    block = stored + computed + int(items * share) * wide
    for follower in plan.followers:
        block += int(items / max(prod(inner.shape[1:]), 1)) * _cells(follower)
    backend = row_of(plan.backend)
    sizes = (n for axis, n in enumerate(plan.shape) if axis not in plan.statistics_axes)
    kept = 16 * prod(sizes) if plan.statistics_axes else 0
    kept += 2 * tensor.nbytes if tensor.fortran_order else 0
    own = backend.computing_bytes(block, items)
    plans = (plan, *plan.followers)
    each = own + sum(SCRATCH_BYTES + _tables(one) + _windows(one) for one in plans)
    threads, in_flight = plan.pool.threads, plan.pool.max_in_flight
    return Needs(backend.process_bytes, kept, stored * in_flight, block * in_flight, each * threads)


def _cells(plan: "BlockPlan") -> int:
    """Count the bytes of a sample that another layer made, and of what comes of it."""
    items = prod(plan.shape[1:]) + prod(plan.output_shape[1:])
    return items * plan.compute_dtype.itemsize


def require_memory(plan: "BlockPlan", tensor: "Tensor") -> None:
    """Refuse a tensor whose blocks, outputs or weights this machine's memory cannot hold.

    Args:
        plan: The layer on the tensor.
        tensor: The tensor.

    Raises:
        UsageError: They take more than it has.
    """
    found = total_memory()
    needed = memory_needed(replace(plan, pool=ONE_THREAD), tensor) if found is not None else 0
    if found is not None and needed > found:
        raise UsageError(
            f"shape {tensor.shape} needs about {format_size(needed)} of memory, and this machine "
            f"has {format_size(found)}",
            "give smaller samples, or ask for less",
        )


def _windows(plan: "BlockPlan") -> int:
    """Estimate the bytes of windows that are listed one by one, as those of adaptive pooling."""
    counts = getattr(plan.layer, "window_counts", None)
    return WINDOW_BYTES * sum(counts(plan.shape).values()) if counts is not None else 0


def _tables(plan: "BlockPlan") -> int:
    """Estimate the bytes of weights, of statistics as large, and of what is made of both."""
    items = sum(map(prod, plan.layer.weight_shapes(plan.shape).values()))
    stored = 8 if plan.compute_dtype.name == "float64" else 4
    return items * ((24 if isinstance(plan.layer, Trainable) else 8) + 2 * stored)


def within_memory(plan: P, tensor: "Tensor", limit: int) -> P:
    """Return a plan that takes no more memory than allowed: with fewer threads, if need be.

    What is computed, and so its bytes, does not depend on the limit.

    Args:
        plan: The layer on the tensor.
        tensor: The tensor.
        limit: Bytes that the process may take.

    Returns:
        The plan, with as many threads as that allows: half as many, a quarter, or one.

    Raises:
        UsageError: Even one thread takes more.
    """
    threads = plan.pool.threads
    for count in (*(threads >> shift for shift in range(threads.bit_length() - 1)), 1):
        in_order = min(count, plan.pool.in_order)
        fitted = replace(plan, pool=ThreadPool(count, in_order) if count > 1 else ONE_THREAD)
        needed = memory_needed(fitted, tensor)
        if needed <= limit:
            return fitted
    raise UsageError(
        f"shape {tensor.shape} needs about {format_size(needed)} of memory, and --max-memory "
        f"allows {format_size(limit)}",
        f"give --max-memory {format_size(needed)} or more",
    )
