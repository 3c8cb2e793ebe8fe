"""The numbers of a shape by name, for shell arithmetic: `out.h`, `pad.w.low`, `2.places.h`."""

from collections.abc import Sequence

from poolnorm_cli.calculator.axis_names import axis_names
from poolnorm_cli.calculator.steps import Step
from poolnorm_cli.errors import UsageError
from poolnorm_cli.formulas import product
from poolnorm_cli.shapes import Dim, Shape, format_shape


Value = Dim | float


def numbers_of(steps: Sequence[Step]) -> dict[str, Value]:
    """Return everything that has a name.

    Args:
        steps: The layer, or layers one after another.

    Returns:
        By name; those that are not known are None, symbolic ones a text. `in` is what goes into
        the first layer, `out` what comes out of the last; windows, pads and statistics are those
        of the last, and all of an earlier one have its number before them, as `1.out.h`.
    """
    found = _of_step(steps[-1]) | _of_shape("in", steps[0].before, steps[0])
    for step in steps if len(steps) > 1 else ():
        found |= {f"{step.number}.{name}": value for name, value in _of_step(step).items()}
    return found


def number_of(steps: Sequence[Step], name: str) -> str:
    """Write the number that has a name.

    Args:
        steps: The layer, or layers one after another.
        name: Its name.

    Returns:
        The number; a text that a shell can compute with.

    Raises:
        UsageError: There is none of that name, or it is not a number; with those that there are.
    """
    found = numbers_of(steps)
    if name not in found:
        there = ", ".join(key for key, value in found.items() if not isinstance(value, str | None))
        raise UsageError(f"no field {name!r}", f"there are: {there}")
    value = found[name]
    if isinstance(value, str | None):
        what = f"field {name} of ({format_shape(steps[0].before)}) is {value}, not a number"
        raise UsageError(what, "give that axis a size")
    return str(int(value)) if value == int(value) else str(value)


def _of_shape(word: str, shape: Shape, step: Step) -> dict[str, Value]:
    """Name the sizes of a shape by the letters of its axes, and by their numbers."""
    names = axis_names(step.layer, len(step.before))
    kept = list(range(len(step.before)))
    if len(shape) < len(kept):  # the axes that global pooling drops
        gone = {rule.axis for rule in step.layer.axis_rules(step.before)}
        kept = [axis for axis in kept if axis not in gone]
    named: dict[str, Value] = {
        f"{word}.{names[a]}": n for a, n in zip(kept, shape, strict=True) if a in names
    }
    return named | {f"{word}.{axis}": size for axis, size in enumerate(shape)}


def _of_step(step: Step) -> dict[str, Value]:
    found = _of_shape("in", step.before, step) | _of_shape("out", step.after, step)
    names = axis_names(step.layer, len(step.before))
    for rule in step.layer.axis_rules(step.before):
        name = names.get(rule.axis, str(rule.axis))
        unread = rule.unread()
        found |= {f"places.{name}": rule.places, f"window.{name}": rule.size}
        found |= {f"stride.{name}": rule.reach[1], f"dilation.{name}": rule.dilation}
        found |= {f"pad.{name}.low": rule.pads[0], f"pad.{name}.high": rule.pads[1]}
        found[f"never_read.{name}"] = None if unread is None else unread[0]
    for axis, field in step.fields.items():
        entry = field.entry()
        found |= {f"{key}.{step.axis_name(axis)}": value for key, value in entry.items()}
    statistics = step.layer.statistics(step.before)
    if statistics is not None:
        found |= {"statistics.cells": statistics.cells, "statistics.count": statistics.of_each}
    weights = step.layer.weight_shapes(step.before)
    found["parameters"] = sum(int(product(shape) or 0) for shape in weights.values())
    return found
