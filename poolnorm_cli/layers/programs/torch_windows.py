"""Pooling by a sliding window in torch: its module, or its operators where that has no such window.

torch pads both ends alike, by half a window at most, and its averages have no dilation.
"""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.layers.programs.program import Lines, ProgramContext, one_or_tuple


if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolnorm_cli.layers.axis_rules import WindowRule
    from poolnorm_cli.windows import Window

PAD = "torch.nn.functional.pad"


def pooling(
    kind: str, layer: Any, context: ProgramContext, *, whole: bool
) -> tuple[str, Lines, Lines]:
    """Write pooling of an input with its channels at axis 1.

    Args:
        kind: `Max` or `Avg`.
        layer: The layer.
        context: Its input.
        whole: The input is integers, which the modules do not take.

    Returns:
        The module, empty for none; the lines that make `y` of `x`, none for those that call the
        module; and notes.
    """
    rules = layer.rules(context.shape)
    windows = list(layer.windows(context.shape).values())
    if whole:
        least = "torch.iinfo(x.dtype).min"
        pads = pads_of([(w.low, w.high) for w in windows])
        lines = [f"x = {PAD}(x, {pads}, value={least})"] if any(pads) else []
        return "", [*lines, *unfolded("x", windows, "amax"), "y = x"], []
    if kind == "Max":
        return _maximum(rules, windows)
    return _average(rules, windows)


def _maximum(
    rules: "Sequence[WindowRule]", windows: "Sequence[Window]"
) -> tuple[str, Lines, Lines]:
    module = f"torch.nn.MaxPool{len(windows)}d"
    apart = [w.dilation for w in windows]
    dilation = f", dilation={one_or_tuple(apart)}" if max(apart) > 1 else ""
    text = f"{sizes_of(windows)}"
    both = _alike(rules, windows)
    if both is not None:
        ceil = ", ceil_mode=True" if rules[0].placing.ceil else ""
        return f"{module}({text}, padding={one_or_tuple(both)}{dilation}{ceil})", [], []
    pads = pads_of([(w.low, w.high) for w in windows])
    lines = [f"y = layer({PAD}(x, {pads}, value=-torch.inf))"]
    return f"{module}({text}{dilation})", lines, [_note(rules)]


def _average(
    rules: "Sequence[WindowRule]", windows: "Sequence[Window]"
) -> tuple[str, Lines, Lines]:
    rank, placing = len(windows), rules[0].placing
    module, counts = f"torch.nn.AvgPool{rank}d", rules[0].counts_padding
    divisor = 1
    for rule in rules:
        divisor *= rule.divisor
    dilated = any(w.dilation > 1 for w in windows)
    # AvgPool3d refuses a window larger than the input, whatever padding there is.
    lengths = [int(rule.length or 0) for rule in rules]
    large = any(w.size > length for w, length in zip(windows, lengths, strict=True))
    refused = (large and rank == 3) or dilated or (divisor and rank == 1)
    both = None if refused else _alike(rules, windows)
    if both is not None:
        more = ", ceil_mode=True" if placing.ceil else ""
        more += f", count_include_pad={counts}"
        more += f", divisor_override={divisor}" if divisor else ""
        return f"{module}({sizes_of(windows)}, padding={one_or_tuple(both)}{more})", [], []
    pads = pads_of([(w.low, w.high) for w in windows])
    padded = f"{PAD}(x, {pads})" if any(pads) else "x"
    if not (dilated or divisor or counts):
        note = f"{_note(rules)}, and counts real cells only"
        ones = f"{PAD}(torch.ones_like(x), {pads})"
        lines = [f"y = layer({padded}) / layer({ones})"]
        return f"{module}({sizes_of(windows)})", lines, [note]
    sums = [f"sums = {padded}", *unfolded("sums", windows, "sum")]
    if divisor:
        return "", [*sums, f"y = sums / {divisor}"], []
    ones = _counted(rules, windows) if counts else f"{PAD}(torch.ones_like(x), {pads})"
    return (
        "",
        [*sums, f"cells = {ones}", *unfolded("cells", windows, "sum"), "y = sums / cells"],
        [],
    )


def _counted(rules: "Sequence[WindowRule]", windows: "Sequence[Window]") -> str:
    """Write ones where an average counts: on the input and on the padding that was asked for."""
    given = [(int(rule.pads[0] or 0), int(rule.pads[1] or 0)) for rule in rules]
    inner = [(a, min(b, w.high)) for (a, b), w in zip(given, windows, strict=True)]
    outer = [(0, w.high - b) for (_, b), w in zip(inner, windows, strict=True)]
    ones = f"{PAD}(torch.ones_like(x), {pads_of(inner)}, value=1.0)"
    return f"{PAD}({ones}, {pads_of(outer)})" if any(pads_of(outer)) else ones


def sizes_of(windows: "Sequence[Window]") -> str:
    """Write the arguments of size and stride of a module."""
    sizes = one_or_tuple([w.size for w in windows])
    return f"kernel_size={sizes}, stride={one_or_tuple([w.stride for w in windows])}"


def unfolded(name: str, windows: "Sequence[Window]", reduction: str) -> Lines:
    """Write the reduction of one axis after another.

    Args:
        name: What is reduced, with its spatial axes from 2 on.
        windows: One for each of them.
        reduction: Name of the method that reduces, as `amax`.

    Returns:
        The lines.
    """
    lines = []
    for axis, w in enumerate(windows, 2):
        cells = f"[..., ::{w.dilation}]" if w.dilation > 1 else ""
        unfolded = f"{name}.unfold{(axis, w.extent, w.stride)}{cells}"
        lines.append(f"{name} = {unfolded}.{reduction}(-1)")
    return lines


def pads_of(ends: "Sequence[tuple[int, int]]") -> tuple[int, ...]:
    """Return padding as torch wants it: that of the last axis first."""
    return tuple(cells for both in reversed(ends) for cells in both)


def _alike(rules: "Sequence[WindowRule]", windows: "Sequence[Window]") -> list[int] | None:
    """Return the padding of both ends of each axis, where torch's modules have such padding."""
    if rules[0].placing.pads is None and not rules[0].placing.ceil:
        ends = [(w.low, w.high) for w in windows]
    else:
        ends = [(int(rule.pads[0] or 0), int(rule.pads[1] or 0)) for rule in rules]
        if any(
            (w.size, w.stride) != (r.size, r.stride) for w, r in zip(windows, rules, strict=True)
        ):
            return None  # larger than the axis: torch may refuse it
    halves = [w.size // 2 for w in windows]
    fit = all(a == b <= half for (a, b), half in zip(ends, halves, strict=True))
    return [low for low, _ in ends] if fit else None


def _note(rules: "Sequence[WindowRule]") -> str:
    own = "'same' here does not" if rules[0].placing.pads is None else "--pads here need not"
    return f"# torch pads both ends alike; {own}"
