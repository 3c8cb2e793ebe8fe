"""Normalization of samples too large for a block, without NumPy: statistics first, then strips."""

from math import prod
from struct import pack
from typing import TYPE_CHECKING, Any

from poolnorm_cli.engine.buffer_strips import StripLoops
from poolnorm_cli.kernels.known_loops import MOST_STATISTICS, merged, strip_moments
from poolnorm_cli.kernels.strip_loops import StripCall
from poolnorm_cli.layers.normalization import Normalization
from poolnorm_cli.sizes import PIECE_BYTES
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolnorm_cli.engine.blocks import BlockPlan
    from poolnorm_cli.kernels.known_loops import KnownCall, Pair
    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.strips import Strip
    from poolnorm_cli.tensors.array_writer import ArrayWriter
    from poolnorm_cli.tensors.tensor import Tensor

    Weights = Mapping[str, memoryview]
    Part = tuple[int, int]
    """The first of some numbers, and how many they are."""

_NEUTRAL = {"gamma": 1.0, "scale": 1.0, "beta": 0.0}


@frozen(eq=False)
class _Gathering(StripLoops):
    """What takes the statistics of strips; `run` says which ones loops do not give."""

    lost: "list[int]"

    def run(self, index: int, cells: memoryview, out: memoryview) -> None:
        if not self.calls[index % len(self.strips)].run(cells, out):
            self.lost.append(index)

    def rounded(self, out: memoryview, dtype: str) -> memoryview:
        del dtype
        return out


@frozen(eq=False)
class _Normalizing(StripLoops):
    """What normalizes strips by the statistics of their samples."""

    known: "KnownStrips"
    found: "list[tuple[Pair, int]]"

    def run(self, index: int, cells: memoryview, out: memoryview) -> None:
        sample, place = divmod(index, len(self.strips))
        known, (pair, count) = self.known, self.found[sample]
        first, some = known.statistics[place]
        mean, squares = (values[first : first + some] for values in pair)
        known.calls[place].run(cells, out, (mean, squares), count, *known.weights_of(place))


@frozen(eq=False)
class KnownStrips:
    """What loops make of the strips of samples whose statistics they take first.

    Attributes:
        plan: An inner plan.
        layer: Its layer.
        gathering: Takes the statistics.
        calls: What normalizes each strip of a sample.
        statistics: Which statistics of a sample are those of each strip.
        weighted: Which weights of a sample are those of each strip.
        weights: Factors and addends, float64; None for ones and zeros.
        cells: Cells of each statistic.
    """

    plan: "BlockPlan"
    layer: Normalization
    gathering: _Gathering
    calls: "list[KnownCall]"
    statistics: "list[Part]"
    weighted: "list[Part]"
    weights: "tuple[memoryview | None, memoryview | None]"
    cells: int

    def write(self, tensor: "Tensor", writer: "ArrayWriter | None") -> bool:
        """Take the statistics of all samples, normalize their strips and write these.

        Args:
            tensor: The tensor.
            writer: Takes the outputs; None to compute only.

        Returns:
            False where float64 does not hold the statistics, and nothing was written.

        Raises:
            PoolnormError: The tensor cannot be read, or the outputs not be written.
        """
        tensor.spool()
        found = self._found(tensor)
        if found is None:
            return False
        plan, dtype = self.plan, self.plan.compute_dtype.name
        strips = plan.strips
        sizes = [prod(strip.shape(plan.shape)) * DTYPES[dtype].itemsize for strip in strips]
        calls = [StripCall(_none, dtype)] * len(strips)  # `run` has its own
        loops = _Normalizing(plan, strips, calls, sizes, False, self, found)  # noqa: FBT003 - as its field
        return loops.write(tensor, writer)

    def _found(self, tensor: "Tensor") -> "list[tuple[Pair, int]] | None":
        """Return the statistics by which each sample is normalized."""
        parts: dict[int, memoryview] = {}
        gathering, strips = self.gathering, len(self.plan.strips)
        gathering.lost.clear()
        gathering.for_each(tensor, parts.__setitem__, parts.__setitem__)
        if gathering.lost:
            return None
        found = []
        for sample in range(len(parts) // strips):
            own = [parts[sample * strips + place] for place in range(strips)]
            whole = merged(map(self._part, range(strips), own), self._count)
            each = None if whole is None else self.layer.sample_statistics(whole, self.cells)
            if each is None or not all(call.serves(*each) for call in self.calls[:1]):
                return None
            found.append(each)
        return found

    @property
    def _count(self) -> int:
        """Statistics of a sample."""
        return max(first + some for first, some in self.statistics)

    def _part(self, place: int, out: memoryview) -> "tuple[int, int, Pair]":
        """Return which statistics a strip is a part of, its cells to each, and what was found."""
        first, some = self.statistics[place]
        both = out.cast("d").tolist()
        cells = prod(self.plan.strips[place].shape(self.plan.shape)) // some
        return first, cells, (both[:some], both[some:])

    def weights_of(self, place: int) -> "tuple[memoryview | None, ...]":
        """Return the factors and addends for a strip of a sample."""
        first, some = self.weighted[place]
        return tuple(None if w is None else w[first : first + some] for w in self.weights)


def known_strips(plan: "BlockPlan", weights: "Weights") -> KnownStrips | None:
    """Return what normalizes the strips of samples by statistics of these.

    Args:
        plan: An inner plan, the samples of which are cut into strips.
        weights: Those of the layer, float64.

    Returns:
        None where NumPy is needed.

    Raises:
        UsageError: The layer does not take the tensor.
    """
    layer, dtype, rank = plan.layer, plan.compute_dtype.name, len(plan.shape)
    axes = plan.statistics_axes
    if (
        not isinstance(layer, Normalization)
        or axes[0] == 0
        or layer.weight_shapes(plan.shape).keys() != weights.keys()
    ):
        return None
    kept = [axis for axis in range(1, rank) if axis not in axes]
    if kept and plan.shape[kept[0]] == 1 and layer.axes(rank) != tuple(kept):
        kept = []
    if len(kept) > 1 or prod(plan.shape[axis] for axis in kept) > MOST_STATISTICS:
        return None
    cells = prod(plan.shape[axis] for axis in axes)
    joined = cells * layer.joined_channels(plan.shape)
    calls, taking, sizes, statistics, weighted = [], [], [], [], []
    for strip in plan.strips:
        shape = strip.shape(plan.shape)
        of_strip, normalizing = (
            strip_moments(shape, axes, dtype),
            layer.known_call(shape, dtype, joined),
        )
        if of_strip is None or normalizing is None:
            return None
        part = (strip.corner(rank)[kept[0]], shape[kept[0]]) if kept else (0, 1)
        calls.append(normalizing)
        taking.append(StripCall(of_strip.run, "float64"))
        sizes.append(16 * part[1])
        statistics.append(part)
        weighted.append(part if kept else _items_of(strip, plan.shape))
    gathering = _Gathering(plan, plan.strips, taking, sizes, False, [])  # noqa: FBT003 - as its field
    given = _given(weights, ("gamma", "scale")), _given(weights, ("beta",))
    return KnownStrips(plan, layer, gathering, calls, statistics, weighted, given, cells)


def _items_of(strip: "Strip", shape: "Ints") -> "Part":
    """Return the items of a sample that a strip is."""
    width = prod(shape[strip.axis + 1 :])
    return (strip.start + strip.first) * width, (strip.end - strip.first) * width


def _given(weights: "Weights", names: "tuple[str, ...]") -> memoryview | None:
    """Return the weight of one of these names as items in a row; None where it changes nothing."""
    for name in names:
        if name in weights:
            raw: Any = weights[name].cast("B")
            one = pack("d", _NEUTRAL[name]) * (min(PIECE_BYTES, len(raw)) // 8)
            starts = range(0, len(raw), PIECE_BYTES)
            if all(raw[start : start + PIECE_BYTES] == one[: len(raw) - start] for start in starts):
                return None
            items: memoryview = raw.cast("d")
            return items
    return None


def _none(cells: memoryview, out: memoryview) -> bool:
    del cells, out
    return True
