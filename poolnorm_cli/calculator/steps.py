"""Layers one after another: the shape after each, and what its outputs depend on."""

from collections.abc import Mapping, Sequence
from typing import Any

from poolnorm_cli.calculator.axis_names import axis_names
from poolnorm_cli.calculator.fields import Field
from poolnorm_cli.errors import error_context
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.pipeline import Pipeline
from poolnorm_cli.shapes import Dim, Ints, Shape
from poolnorm_cli.values import frozen


@frozen(kw_only=True)
class Step:
    """One layer of several.

    Attributes:
        number: Its place among all steps as they were typed, from 1.
        layer: The layer.
        before: Shape that goes in.
        after: Shape that comes out.
        fields: Axis of the first layer's input -> the field of this one's outputs along it; of
            those axes along which this layer or one before it pools.
        whole: Axes of the first layer's input over which the layer takes statistics, so that each
            output depends on all of it; windows alone are what `fields` counts.
        single: Axes of the first layer's input along which there is one output.
        names: Axis of the first layer's input -> its name.
    """

    number: int
    layer: Layer
    before: Shape
    after: Shape
    fields: Mapping[int, Field]
    whole: Ints
    single: Ints
    names: Mapping[int, str]

    def axis_name(self, axis: int) -> str:
        """Return the name of an axis of the first layer's input, or its number."""
        return self.names.get(axis, str(axis))

    def lines(self) -> list[str]:
        """Describe what an output depends on, axis by axis."""
        lines = []
        for axis, field in self.fields.items():
            next_ = f", the next one on those {field.jump} further on"
            jump = "" if field.jump is None or axis in self.single else next_
            which = "the output" if axis in self.single else "the first output"
            text = f"{self.axis_name(axis)}: {which} depends on {_cells(field)}{jump}"
            lines.append(f"{text}; padding is below 0" if _is_padded(field) else text)
        if self.whole:
            names = ", ".join(self.axis_name(axis) for axis in self.whole)
            lines.append(
                f"its statistics are taken over all of {names}, so that each value depends on "
                "every cell there; receptive fields count windows alone"
            )
        return lines

    def entry(self) -> dict[str, Any]:
        """Return the step as a document has it."""
        return {
            "step": self.number,
            "layer": self.layer.words,
            "keras": self.layer.call_text(self.before),
            "input_shape": self.before,
            "output_shape": self.after,
            "weights": self.layer.weight_shapes(self.before),
            "axes": [
                {"axis": axis, "name": self.axis_name(axis)}
                | field.entry()
                | {"whole_axis": axis in self.whole}
                for axis, field in self.fields.items()
            ],
        }


def follow(pipeline: Pipeline, shape: Shape) -> list[Step]:
    """Follow a shape through layers.

    Args:
        pipeline: The layers.
        shape: Shape of the input, whose dims may be symbolic.

    Returns:
        A step for each layer.

    Raises:
        UsageError: A layer cannot take what the one before gives; it says which.
    """
    steps, names = list[Step](), _names(pipeline.layers, len(shape))
    tracked = _Tracked(list(range(len(shape))))
    for each in pipeline.steps:
        with error_context(each.title):
            steps.append(tracked.step(each.layer, shape, names, each.number))
        shape = steps[-1].after
    return steps


def follow_one(layer: Layer, shape: Shape) -> Step:
    """Return what one layer makes of a shape.

    Args:
        layer: The layer.
        shape: Shape of the input, whose dims may be symbolic.

    Returns:
        The only step.

    Raises:
        UsageError: The layer cannot take such an input.
    """
    return _Tracked(list(range(len(shape)))).step(layer, shape, axis_names(layer, len(shape)))


class _Tracked:
    """What is known of the axes of the first input, step after step."""

    def __init__(self, origins: list[int]) -> None:
        """Begin before the first layer.

        Args:
            origins: Of each axis there is, that of the first input.
        """
        self._origins = origins
        self._fields: dict[int, Field] = {}
        self._single: set[int] = set()

    def step(self, layer: Layer, shape: Shape, names: Mapping[int, str], number: int = 1) -> Step:
        """Go through one layer.

        Args:
            layer: The layer.
            shape: What goes into it.
            names: The names of the axes of the first input.
            number: Its place among all steps.

        Returns:
            The step.
        """
        after = layer.output_shape(shape)
        origins, fields = self._origins, self._fields
        rules = {origins[rule.axis]: rule for rule in layer.axis_rules(shape)}
        for origin, rule in rules.items():
            fields[origin] = fields.get(origin, Field()).through(rule)
        own = layer.statistics_axes(len(shape), training=False, in_strips=True)
        whole = tuple(origins[axis] for axis in own if shape[axis] != 1)
        if len(after) < len(shape):  # global pooling that keeps no dims
            self._origins = [origin for origin in origins if origin not in rules]
        self._single |= {origin for origin, rule in rules.items() if rule.places == 1}
        return Step(
            number=number,
            layer=layer,
            before=shape,
            after=after,
            fields=dict(sorted(fields.items())),
            whole=whole,
            single=tuple(self._single),
            names=names,
        )


def _names(layers: Sequence[Layer], rank: int) -> dict[int, str]:
    """Name the axes by the first layer that knows where the channels are."""
    knows = [layer for layer in layers if hasattr(layer, "data_format")]
    return axis_names((knows or list(layers))[0], rank) if layers else {}


def _cells(field: Field) -> str:
    """Write which cells of the input the first output depends on, as far as that is known."""
    edge, first = field.edge, field.first
    if isinstance(edge, int) and isinstance(first, int):
        return f"cells {edge} to {edge + first - 1} of the input"
    begin = "" if edge is None else f" from {edge} on"
    if first is None:
        return f"cells of the input{begin}, whose number depends on its sizes"
    return f"{first} cells of the input{begin}"


def _is_padded(field: Field) -> bool:
    return isinstance(field.edge, int) and field.edge < 0


def size_text(sizes: Sequence[Dim | float]) -> str:
    """Write a size per axis, as one where they are all the same: `3`, or `3, 5`."""
    texts = [_number(size) for size in sizes]
    return texts[0] if len(set(texts)) == 1 else ", ".join(texts)


def _number(size: Dim | float) -> str:
    if isinstance(size, float):
        return f"{size:.1f}" if abs(size) < 1 << 50 else repr(size)
    return "?" if size is None else str(size)
