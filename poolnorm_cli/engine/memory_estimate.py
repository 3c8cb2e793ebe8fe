"""How much memory a run takes, and how it is kept within what is allowed."""

import re
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Protocol

from poolnorm_cli.backends import row_of
from poolnorm_cli.engine.threads import ONE_THREAD
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.machine import built_in_memory
from poolnorm_cli.sizes import SCRATCH_BYTES, WINDOW_BYTES


if TYPE_CHECKING:
    from poolnorm_cli.engine.layer_pass import LayerPass
    from poolnorm_cli.tensors.tensor import Tensor


_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_SIZE = r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?"


class MemoryLimiter(Protocol):
    """What several tasks of one process share."""

    def admit(self, plan: "LayerPass", tensor: "Tensor") -> None:
        """Wait until there is memory for a tensor.

        Args:
            plan: The layer on the tensor.
            tensor: The tensor.

        Raises:
            UsageError: It takes more than there is, even alone.
        """


def parse_size(text: str, flag: str) -> int:
    """Read a number of bytes, as `512M`, `1.5G` or `800000`; K, M, G and T are powers of 1024.

    Raises:
        UsageError: It is none.
    """
    found = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE)
    size = float(found[1]) * 2 ** _UNITS[found[2].upper()] if found else 0.0
    if not 1 <= size < 2**62:
        raise UsageError(f"{flag} {text!r} is no number of bytes", f"give {flag} 512M or 2G")
    return int(size)


def format_size(size: int) -> str:
    """Write a number of bytes as it is typed, rounded up: `73M`."""
    return f"{-(-size // 2**20)}M"


def memory_of(run: "LayerPass", tensor: "Tensor") -> int:
    """Estimate the largest number of bytes that a process has while it works on a tensor.

    These are the blocks that are held at once: as stored, as computed with where that is another
    dtype, the output, and in each thread what a layer needs on the way, which may be in float64.
    A graph has the results of its nodes there, and a layer tables made of its weights.
    """
    wide, inner = run.compute_dtype.itemsize, run.inner
    share = prod(inner.output_shape[1:]) / max(prod(inner.shape[1:]), 1)
    items = min(inner.block_items, prod(inner.shape))
    stored = items * tensor.dtype.itemsize
    computed = items * wide if run.compute_dtype.name != tensor.dtype.name else 0
    block = stored + computed + int(items * share) * wide
    backend = row_of(run.backend)
    base = backend.process_bytes
    sizes = (n for axis, n in enumerate(run.shape) if axis not in run.statistics_axes)
    base += 16 * prod(sizes) if run.statistics_axes else 0
    turned = 2 * tensor.nbytes if tensor.fortran_order else 0
    own = backend.computing_bytes(block, items)
    each = SCRATCH_BYTES + own + _tables(run) + _windows(run)
    return base + turned + block * run.pool.max_in_flight + each * run.pool.threads


def require_memory(run: "LayerPass", tensor: "Tensor") -> None:
    """Refuse a tensor whose blocks, outputs or weights no memory of this machine could hold.

    Raises:
        UsageError: They take more than it has.
    """
    found = built_in_memory()
    needed = memory_of(replace(run, pool=ONE_THREAD), tensor) if found is not None else 0
    if found is not None and needed > found:
        raise UsageError(
            f"shape {tensor.shape} needs about {format_size(needed)} of memory, and this machine "
            f"has {format_size(found)}",
            "give smaller samples, or ask for less",
        )


def _windows(run: "LayerPass") -> int:
    """Estimate the bytes of windows that are listed one by one, as those of adaptive pooling."""
    counts = getattr(run.layer, "window_counts", None)
    return WINDOW_BYTES * sum(counts(run.shape).values()) if counts is not None else 0


def _tables(run: "LayerPass") -> int:
    """Estimate the bytes of weights, of statistics as large, and of what is made of both."""
    items = sum(map(prod, run.layer.weight_shapes(run.shape).values()))
    stored = 8 if run.compute_dtype.name == "float64" else 4
    return items * ((24 if isinstance(run.layer, Trainable) else 8) + 2 * stored)


def within(run: "LayerPass", tensor: "Tensor", limit: int) -> "LayerPass":
    """Return a pass that takes no more memory than allowed: with fewer threads, if need be.

    What is computed, and so its bytes, does not depend on the limit.

    Raises:
        UsageError: Even one thread takes more.
    """
    for pool in (run.pool, ONE_THREAD):
        fitted = replace(run, pool=pool)
        needed = memory_of(fitted, tensor)
        if needed <= limit:
            return fitted
    raise UsageError(
        f"shape {tensor.shape} needs about {format_size(needed)} of memory, and --max-memory "
        f"allows {format_size(limit)}",
        f"give --max-memory {format_size(needed)} or more",
    )
