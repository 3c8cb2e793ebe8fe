"""Two tensors against each other, or one layer in several ways, block by block."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.backends import Backend
from poolnorm_cli.engine.threads import ONE_THREAD
from poolnorm_cli.errors import UsageError
from poolnorm_cli.kernels.differences import ItemDifferences, Tolerance, item_differences
from poolnorm_cli.kernels.tolerances import NeededTolerance
from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import BLOCK_BYTES
from poolnorm_cli.tensors.codecs import as_stored
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.names import STDIN, identity, is_stream
from poolnorm_cli.tensors.sources import open_input
from poolnorm_cli.weights.naming import FORMER_CHECKSUM


if TYPE_CHECKING:
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.tensors.tensor import Tensor

Extreme = tuple[float, Ints]
"""A value, and the index at which it stands."""


@dataclass(slots=True)
class Difference:
    """How two tensors differ.

    Attributes:
        a: Name of the first, which may be missing.
        b: Name of the second, which may be missing.
        shapes: Their shapes.
        dtypes: Their dtypes; None for one that is missing.
        ignore_dtype: Whether different dtypes are no difference.
        unequal: Items that are not equal within the tolerance.
        first: Index of the first of them, which may be a NaN that has no distance.
        total: Items that were compared.
        absolute: The largest absolute difference and where; None where all are equal or NaN.
        relative: The same, relative to the second.
        ulp: The same, in units in the last place; None where the dtypes differ.
        needed: What tolerance would do.
    """

    a: str
    b: str
    shapes: tuple[Ints | None, Ints | None]
    dtypes: tuple[str | None, str | None]
    ignore_dtype: bool = False
    unequal: int = 0
    first: Ints | None = None
    total: int = 0
    absolute: Extreme | None = None
    relative: Extreme | None = None
    ulp: Extreme | None = None
    needed: NeededTolerance = field(default_factory=NeededTolerance)
    _start: int = field(default=0, repr=False)

    @property
    def equal(self) -> bool:
        """Whether shapes, dtypes and values are the same within the tolerance."""
        same_dtype = self.ignore_dtype or self.dtypes[0] == self.dtypes[1]
        return self.comparable and same_dtype and not self.unequal

    @property
    def comparable(self) -> bool:
        """Whether both are there and have one shape."""
        return self.shapes[0] is not None and self.shapes[0] == self.shapes[1]

    def add(self, a: NDArray[Any], b: NDArray[Any], tolerance: Tolerance) -> None:
        """Add the next blocks.

        Args:
            a: Of the first tensor.
            b: Of the second, in the same shape.
            tolerance: How far apart equal values may be.
        """
        dtype = self.dtypes[0] if self.dtypes[0] == self.dtypes[1] else None
        found = item_differences(a, b, tolerance, dtype)
        count = int(np.count_nonzero(found.unequal))
        if count and not self.unequal:
            self.first = self._index(int(found.unequal.argmax()))
        self.needed.add(a, b, found, tolerance)
        self.unequal += count
        self.total += found.unequal.size
        self._widen(found)
        self._start += found.unequal.size

    def _widen(self, found: ItemDifferences) -> None:
        self.absolute = self._larger(self.absolute, found.absolute)
        self.relative = self._larger(self.relative, found.relative)
        if found.ulp is not None:
            self.ulp = self._larger(self.ulp, found.ulp)

    def _larger(self, old: Extreme | None, values: NDArray[Any]) -> Extreme | None:
        known = np.where(np.isnan(values), -1.0, values) if values.dtype.kind == "f" else values
        place = int(known.argmax()) if known.size else 0
        if not known.size or known[place] <= (old[0] if old else 0):
            return old
        return known[place].item(), self._index(place)

    def _index(self, place: int) -> Ints:
        """Return the index of an item of the block that is being added."""
        index = np.unravel_index(self._start + place, self.shapes[0] or ())
        return tuple(int(i) for i in index)


def passing_flags(found: "Sequence[Difference]", tolerance: Tolerance) -> list[str]:
    """Return the flags of which each would make all of these comparisons equal.

    Args:
        found: What was compared.
        tolerance: What counted as equal.

    Returns:
        Flags with values, the tightest first; none where something differs by more than rounding.
    """
    unequal = [each for each in found if not each.equal]
    if not unequal or not all(each.comparable for each in unequal):
        return []
    needed = reduce(NeededTolerance.merged, (each.needed for each in unequal))
    dtypes = [str(dtype) for each in unequal for dtype in each.dtypes]
    flags = needed.flags(dtypes, tolerance)
    if not any(len(set(each.dtypes)) > 1 for each in unequal):
        return flags
    if not any(each.unequal for each in unequal):
        return ["--ignore-dtype"]
    return [f"{flag} --ignore-dtype" for flag in flags]


OnPair: TypeAlias = Callable[["Difference", Callable[[], Iterable[Sequence[NDArray[Any]]]]], None]
"""Called with what was found of two tensors, and with what returns their blocks once more."""


def compare_files(
    a: str,
    b: str,
    key: str | None,
    tolerance: Tolerance,
    *,
    ignore_dtype: bool,
    on_note: Callable[[str], None],
    on_pair: OnPair | None = None,
) -> Iterator[Difference]:
    """Compare the arrays of two files, those of two `.npz` by their keys.

    Args:
        a: The first file.
        b: The second.
        key: The one array of each that is compared; all without it.
        tolerance: How far apart equal values may be.
        ignore_dtype: Whether different dtypes are no difference.
        on_note: Called with each note about a file.
        on_pair: Called with each pair of one shape.

    Yields:
        A difference for each pair of arrays.

    Raises:
        PoolnormError: One cannot be read, or it is not clear which arrays to compare.
    """
    streams = [word == STDIN or is_stream(word) for word in (a, b)]
    if all(streams) and _stream_id(a) == _stream_id(b):
        what = "standard input" if a == b == STDIN else "one stream"
        raise UsageError(f"both inputs are {what}", "name a file")
    sides = [_arrays(word, key, on_note) for word in (a, b)]
    # The arrays of a stream come one after another: the second is there when the first is read.
    firsts, seconds = (
        _taken(side) if comes else list(side) for side, comes in zip(sides, streams, strict=True)
    )
    if len(firsts) == len(seconds) == 1:
        yield _compared(firsts[0], seconds[0], tolerance, ignore_dtype, on_pair)
        for word, side, comes in zip((a, b), sides, streams, strict=True):
            if comes and next(side, None) is not None:
                name = "standard input" if word == STDIN else word
                raise UsageError(f"{name} has several arrays", "give one")
        return
    for one, other in _paired(firsts, seconds):
        yield _compared(one, other, tolerance, ignore_dtype, on_pair)


def _paired(
    firsts: "list[Tensor]", seconds: "list[Tensor]"
) -> "Iterator[tuple[Tensor | None, Tensor | None]]":
    """Pair the arrays of two files by their keys, which all of them must have."""
    if any(tensor.key is None for tensor in (*firsts, *seconds)):
        several = max(firsts, seconds, key=len)
        names = ", ".join(str(tensor.key) for tensor in several)
        what = f"one array to compare with {len(several)}: {names}"
        raise UsageError(what, "--key names one of them")
    by_key = [{str(tensor.key): tensor for tensor in side} for side in (firsts, seconds)]
    for name in dict.fromkeys((*by_key[0], *by_key[1])):
        yield by_key[0].get(name), by_key[1].get(name)


def _taken(side: "Iterator[Tensor]") -> "list[Tensor]":
    """Take the first array of a stream, or all where they are not read as they come."""
    first = list(islice(side, 1))
    return first if first and first[0].path is None else [*first, *side]


def _stream_id(word: str) -> tuple[int, int] | None:
    """Return what tells one stream from another, under whichever of its names."""
    return identity("/dev/stdin" if word == STDIN else word)


def _arrays(word: str, key: str | None, on_note: Callable[[str], None]) -> "Iterator[Tensor]":
    """Open a file, less the checksum that was saved beside weights unless it is asked for."""
    asked = key == FORMER_CHECKSUM or word.endswith(f"::{FORMER_CHECKSUM}")
    for tensor in open_input(word, key, True):  # noqa: FBT003
        for note in tensor.notes:
            on_note(note)
        if asked or tensor.key != FORMER_CHECKSUM:
            yield tensor


def _compared(
    a: "Tensor | None",
    b: "Tensor | None",
    tolerance: Tolerance,
    ignore_dtype: bool,  # noqa: FBT001
    on_pair: OnPair | None,
) -> Difference:
    result = Difference(
        a.name if a else "-",
        b.name if b else "-",
        (a.shape if a else None, b.shape if b else None),
        (a.dtype.name if a else None, b.dtype.name if b else None),
        ignore_dtype,
    )
    if a is None or b is None or not result.comparable:
        return result
    width = max(t.dtype.itemsize for t in (a, b)) * prod(a.shape[1:])
    rows = max(BLOCK_BYTES // width if width else a.shape[0], 1)
    if on_pair is not None:
        a.spool()
        b.spool()

    def pairs() -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        return zip(a.blocks(rows), b.blocks(rows), strict=True)

    for one, other in pairs():
        result.add(one, other, tolerance)
    if on_pair is not None:
        on_pair(result, pairs)
    return result


def compare_backends(
    job: "Job",
    tensor: "Tensor",
    backends: Mapping[str, Backend],
    tolerance: Tolerance,
    on_pair: OnPair | None = None,
) -> Sequence[Difference]:
    """Run a layer on each backend at once, and compare all others with the first.

    Args:
        job: The layer and how it is run.
        tensor: The input.
        backends: Opened backends, by name.
        tolerance: How far apart equal values may be.
        on_pair: Called with the first backend and each other one.

    Returns:
        A difference for each backend but the first.

    Raises:
        PoolnormError: The layer cannot take the tensor, or it cannot be read.
    """
    tensor.spool()
    plan = job.plan_for(tensor)
    shape = plan.output_shape
    weights = job.state.weights_for(plan)
    moments = None
    if plan.statistics_axes:
        moments = plan.moments(plan.blocks(tensor), job.under_mask(plan, tensor)[1])

    alone = replace(plan, pool=ONE_THREAD)

    def outputs(backend: Backend) -> Iterable[NDArray[Any]]:
        masked, masks = job.under_mask(alone, tensor)
        own = replace(masked, backend=backend)  # all are given the same blocks
        return own.outputs(alone.blocks(tensor), weights, moments, masks)

    first, *others = backends
    results = [
        Difference(first, name, (shape, shape), (plan.result, plan.result)) for name in others
    ]

    def together(*computed_by: Backend) -> Iterator[list[NDArray[Any]]]:
        for blocks in zip(*map(outputs, computed_by), strict=True):
            yield [as_stored(block, DTYPES[plan.result]) for block in blocks]

    for reference, *rest in together(*backends.values()):
        for result, block in zip(results, rest, strict=True):
            result.add(reference, block, tolerance)
    for result, name in zip(results, others, strict=True):
        if on_pair is not None:
            on_pair(result, partial(together, backends[first], backends[name]))
    return results
