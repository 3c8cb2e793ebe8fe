"""Minima and p-norms in torch: maxima of negative values, LPPool, or operators."""

import math
from typing import TYPE_CHECKING, Any

from poolnorm_cli.layers.programs.torch_windows import PAD, pads_of, sizes_of, unfolded


if TYPE_CHECKING:
    from poolnorm_cli.layers.programs.program import Lines, ProgramContext


def minimum(
    layer: Any, context: "ProgramContext", made: tuple[str, "Lines"]
) -> tuple[str, "Lines"]:
    """Write the minimum as the maximum of the negative input.

    Args:
        layer: The layer.
        context: Its input.
        made: Module and lines of the maximum; no module where integers are unfolded.

    Returns:
        The module, empty for none, and the lines that make `y` of `x`.
    """
    module, lines = made
    if module:
        return module, ["x = -x", *(lines or ["y = layer(x)"]), "y = -y"]
    windows = list(layer.windows(context.shape).values())
    pads = pads_of([(w.low, w.high) for w in windows])
    most = "torch.iinfo(x.dtype).max"
    padded = [f"x = {PAD}(x, {pads}, value={most})"] if any(pads) else []
    return "", [*padded, *unfolded("x", windows, "amin"), "y = x"]


def norm(layer: Any, context: "ProgramContext") -> tuple[str, "Lines"]:
    """Write the p-norm under a window, of magnitudes, whose odd powers torch would subtract.

    torch multiplies by the cells of a whole window where one at the edge has fewer, so that the
    padding is written out.

    Args:
        layer: The layer.
        context: Its input.

    Returns:
        The module, empty for none, and the lines that make `y` of `x`.
    """
    windows = list(layer.windows(context.shape).values())
    pads = pads_of([(w.low, w.high) for w in windows])
    even = layer.p % 2 == 0
    if any(w.dilation > 1 for w in windows):
        return "", [*_powers(layer.p, pads), *_unfolded_norm(layer.p, windows)]
    power = "float('inf')" if math.isinf(layer.p) else f"{layer.p:g}"
    module = f"torch.nn.LPPool{len(windows)}d(norm_type={power}, {sizes_of(windows)})"
    x = "x" if even else "x.abs()"
    return module, [f"y = layer({PAD}({x}, {pads}))" if any(pads) else f"y = layer({x})"]


def _powers(p: float, pads: tuple[int, ...]) -> "Lines":
    power = "x.abs()" if math.isinf(p) or p == 1 else f"x.abs() ** {p!r}"
    return [f"powers = {PAD}({power}, {pads})" if any(pads) else f"powers = {power}"]


def _unfolded_norm(p: float, windows: Any) -> "Lines":
    if math.isinf(p):
        return [*unfolded("powers", windows, "amax"), "y = powers"]
    root = "y = powers" if p == 1 else f"y = powers ** (1 / {p!r})"
    return [*unfolded("powers", windows, "sum"), root]
