"""Reductions over whole axes, as operators: see `kernels.reductions`."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.operators.graph import Graph, GraphCall, Value, cut, where_finite
from poolnorm_cli.shapes import Ints


SMALL = ("bool", "int8", "int16", "uint8", "uint16")
"""Types that Max has no kernel for, and whose values int32 holds."""


def lowest_outside(graph: Graph, x: Value, mask: Value, dtype: str, kind: str = "Max") -> Value:
    """Put the lowest value of the dtype, for minima the highest, where a mask lets nothing count.

    Args:
        graph: The graph.
        x: Any float or integer dtype; bool counts as integer.
        mask: Which cells count; bool, it broadcasts against `x`.
        dtype: The dtype of `x`.
        kind: What is taken then, `Max` or `Min`.

    Returns:
        A value of the shape and dtype of `x`.
    """
    never = _lowest(dtype) if kind == "Max" else _highest(dtype)
    if dtype in SMALL:  # for which runtimes have no Where
        wide = graph.cast(x, "int32")
        outside = graph.constant(int(never), "int32")
        return graph.cast(graph.op("Where", mask, wide, outside), dtype)
    return graph.op("Where", mask, x, graph.constant(never, dtype))


def _lowest(dtype: str) -> float | int:
    if dtype.startswith("float"):
        return -math.inf
    return 0 if dtype == "bool" else int(np.iinfo(dtype).min)


def _highest(dtype: str) -> float | int:
    if dtype.startswith("float"):
        return math.inf
    return 1 if dtype == "bool" else int(np.iinfo(dtype).max)


def max_over(
    graph: Graph, x: Value, axes: Ints, call: GraphCall, *, keepdims: bool, kind: str = "Max"
) -> Value:
    """Take the maximum, or minimum, over consecutive axes by halving; NaN propagates.

    Args:
        graph: The graph.
        x: Any float or integer dtype; bool counts as integer.
        axes: Consecutive axes, the batch not among them.
        call: Shape and dtype of `x`.
        keepdims: Keep these axes with size 1.
        kind: Which of the two, `Max` or `Min`.

    Returns:
        The maxima, in the dtype of `x`.
    """
    word = "maximum" if kind == "Max" else "minimum"
    graph.note(f"{call.dtype}: the {word} of halves, where Reduce{kind} would lose a NaN or a type")
    x = graph.cast(x, "int32") if call.dtype in SMALL else x
    length = math.prod(call.sizes[axis] for axis in axes)
    after = call.sizes[axes[-1] + 1 :]
    x = graph.reshape(x, [0, *call.sizes[1 : axes[0]], length, *after])
    while length > 1:
        half = -(-length // 2)  # an odd length lets the halves overlap by one, which is harmless
        halves = (cut(graph, x, axes[0], s, s + half) for s in (0, length - half))
        x, length = graph.op(kind, *halves), half
    return graph.cast(graph.reshape(x, _reduced(call, axes, keepdims=keepdims)), call.dtype)


def mean_over(graph: Graph, x: Value, axes: Ints, call: GraphCall, *, keepdims: bool) -> Value:
    """Take the mean over `axes`, in float64; an exact graph overflows only where the mean does.

    Args:
        graph: The graph.
        x: float32 or float64.
        axes: Axes to average over.
        call: Shape and dtype of `x`.
        keepdims: Keep these axes with size 1.

    Returns:
        The means, in the dtype of `x`.
    """
    graph.note(f"{call.dtype}: the mean is taken in float64")

    def mean(wide: Value) -> Value:
        return graph.reduce("ReduceMean", wide, axes, keepdims=keepdims)

    cells = math.prod(call.sizes[axis] for axis in axes)
    return mean_without_overflow(graph, mean, graph.cast(x, "float64"), cells, call)


def masked_mean(
    graph: Graph, x: Value, axes: Ints, call: GraphCall, mask: Value, *, keepdims: bool
) -> Value:
    """Take the mean over those cells of `axes` that count; NaN where none does.

    Args:
        graph: The graph.
        x: float32 or float64.
        axes: Axes to average over.
        call: Shape and dtype of `x`.
        mask: Which cells count; bool, it broadcasts against `x`.
        keepdims: Keep these axes with size 1.

    Returns:
        The means, in the dtype of `x`.
    """
    zero = graph.constant(0.0, "float64")
    wide = graph.op("Where", mask, graph.cast(x, "float64"), zero)
    count = graph.reduce("ReduceSum", graph.cast(mask, "float64"), axes, keepdims=keepdims)

    def mean(wide: Value) -> Value:
        return graph.op("Div", graph.reduce("ReduceSum", wide, axes, keepdims=keepdims), count)

    cells = math.prod(call.sizes[axis] for axis in axes)
    return mean_without_overflow(graph, mean, wide, cells, call)


def mean_without_overflow(
    graph: Graph, mean: Callable[[Value], Value], x: Value, cells: int, call: GraphCall
) -> Value:
    """Take means in float64; in an exact graph none overflows because its sum does.

    A sum of float64 cells can overflow where its mean does not. The mean is then taken of cells
    times a power of two, by which numbers are scaled without rounding.

    Args:
        graph: The graph.
        mean: Adds the operators that average a float64 value.
        x: What is averaged, float64.
        cells: Cells of one mean, or more.
        call: Dtype of the input of the layer, and whether the graph is exact.

    Returns:
        The means, in the dtype of `call`.
    """
    plain = mean(x)
    if call.exact and call.dtype == "float64":
        power = cells.bit_length()
        small = graph.op("Mul", x, graph.constant(math.ldexp(1.0, -power), "float64"))
        scaled = graph.op("Mul", mean(small), graph.constant(math.ldexp(1.0, power), "float64"))
        plain = where_finite(graph, plain, scaled, "float64")
    return graph.cast(plain, call.dtype)


def cell_counts(cells: Mapping[int, Sequence[int]], rank: int) -> NDArray[np.float64]:
    """Count the cells under each place of windows on several axes.

    Args:
        cells: Axis -> cells under each place of the window on it.
        rank: Number of axes of the input.

    Returns:
        The products, float64, which broadcast against what the windows make of the input.
    """
    counts = np.ones((1,) * rank)
    for axis, each in cells.items():
        along_axis = np.array(each, dtype=np.float64)
        counts = counts * along_axis.reshape([-1 if a == axis else 1 for a in range(rank)])
    return counts


def drop_axes(graph: Graph, x: Value, axes: Ints, call: GraphCall) -> Value:
    """Drop axes that were reduced to size 1.

    Args:
        graph: The graph.
        x: A value in which `axes` have size 1.
        axes: The axes.
        call: Shape of the input, whose other axes `x` has.

    Returns:
        The value without these axes.
    """
    return graph.reshape(x, _reduced(call, axes, keepdims=False))


def _reduced(call: GraphCall, axes: Ints, *, keepdims: bool) -> Sequence[int]:
    kept = [1 if axis in axes else size for axis, size in enumerate(call.sizes)]
    sizes = kept if keepdims else [s for axis, s in enumerate(call.sizes) if axis not in axes]
    return [0, *sizes[1:]]
