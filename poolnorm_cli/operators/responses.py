"""Local response normalization as operators: see `kernels.responses`."""

from poolnorm_cli.operators.graph import Graph, GraphCall, Value, is_finite
from poolnorm_cli.operators.reductions import cell_counts
from poolnorm_cli.operators.windows import mean_windows
from poolnorm_cli.values import replace
from poolnorm_cli.windows import Window


def divided_by_neighbours(
    graph: Graph,
    x: Value,
    axis: int,
    window: Window,
    numbers: tuple[float, ...],
    call: GraphCall,
) -> Value:
    """Compute `x / (bias + alpha * squares)**beta` in float64.

    Args:
        graph: The graph.
        x: float32 or float64.
        axis: The axis of the window.
        window: Has a place for each cell of the axis.
        numbers: As in `kernels.responses`.
        call: Shape and dtype of `x`.

    Returns:
        The output, in the dtype of `x`.
    """
    alpha, beta, bias, scale, left = numbers
    counts = cell_counts({axis: window.cells(call.sizes[axis])}, call.rank) * alpha
    cells = graph.constant(counts, "float64")
    inside = replace(call, dtype="float64", exact=False)

    def divided(wide: Value, bias: float, factor: float) -> tuple[Value, Value]:
        means = mean_windows(graph, graph.op("Mul", wide, wide), {axis: window}, inside)
        added = graph.op("Mul", means, cells)
        divisor = graph.op("Add", added, graph.constant(bias, "float64"))
        power = graph.op("Pow", divisor, graph.constant(-beta, "float64"))
        y = graph.op("Mul", wide, power)
        return divisor, y if factor == 1 else graph.op("Mul", y, graph.constant(factor, "float64"))

    wide = graph.cast(x, "float64")
    divisor, y = divided(wide, bias, 1.0)
    if call.exact and call.dtype == "float64" and alpha:
        small = graph.op("Mul", wide, graph.constant(scale, "float64"))
        _, scaled = divided(small, bias * scale * scale, left)
        y = graph.op("Where", is_finite(graph, divisor, "float64"), y, scaled)
    return graph.cast(y, call.dtype)
