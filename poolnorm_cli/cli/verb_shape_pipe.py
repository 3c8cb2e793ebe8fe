"""`shape pipe`: the shapes after each of several layers, and what an output depends on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from poolnorm_cli.calculator.answer import pipe_document
from poolnorm_cli.calculator.steps import Step, follow, size_text
from poolnorm_cli.cli.command import Command, PrintingFlags
from poolnorm_cli.cli.draw_flags import DrawFlags, draw_steps
from poolnorm_cli.cli.pipe_steps import TypedStep, pipeline_of
from poolnorm_cli.cli.shape_flags import AnswerFlags, ShapeArgument, print_field, read_shape
from poolnorm_cli.errors import UsageError
from poolnorm_cli.report.emit import emit
from poolnorm_cli.report.rows import Row
from poolnorm_cli.report.text import keras_shape
from poolnorm_cli.shapes import format_shape
from poolnorm_cli.values import frozen


_EXAMPLE = "poolnorm shape pipe N,224,224,3 ! pool max --pool-size 3 --strides 2 ! gpool average"


@frozen(kw_only=True)
class _Flags:
    """What was typed after `shape pipe`, apart from the steps."""

    shape: ShapeArgument
    answer: AnswerFlags
    picture: DrawFlags
    printing: PrintingFlags


def _run(flags: _Flags, steps: Sequence[TypedStep] = ()) -> int:
    if not steps:
        raise UsageError("no step", f"add one behind a !, as {_EXAMPLE}")
    pipeline = pipeline_of(steps)
    followed = follow(pipeline, read_shape(flags.shape.shape))
    if flags.answer.field is not None:
        return print_field(followed, flags.answer.field)
    style = flags.printing.style()
    drawing = draw_steps(followed, flags.shape.shape, flags.picture, style)
    explained = flags.answer.explain
    last = followed[-1]
    rows = [_StepRow(step, explained=explained, last=step is last) for step in followed]

    def document(entries: dict[str, list[Any]]) -> Mapping[str, Any]:
        told = pipe_document(followed) | {"steps": entries[_StepRow.section]}
        return told | drawing.entry()

    emit(rows, document, style)
    drawing.print(style)
    return 0


class _StepRow(Row):
    """What becomes of a shape at one step."""

    section = "steps"

    def __init__(self, step: Step, *, explained: bool, last: bool) -> None:
        """Keep what is known.

        Args:
            step: The step.
            explained: It is wanted how that comes.
            last: No step comes after it.
        """
        self._step, self._explained, self._last = step, explained, last

    def cells(self) -> Mapping[str, str]:
        """Return the layer, the shape after it, and the receptive field."""
        fields = self._step.fields.values()
        return {
            "step": str(self._step.number),
            "layer": self._step.layer.call_text(self._step.before),
            "output shape": keras_shape(self._step.after),
            "receptive field": size_text([field.size for field in fields] or [1]),
            "jump": size_text([field.jump for field in fields] or [1]),
            "start": size_text([field.start for field in fields] or [0.5]),
        }

    def essential(self) -> str | None:
        """Return the last shape."""
        return format_shape(self._step.after) if self._last else None

    def details(self, width: int) -> Iterable[str]:
        """Return the lines of the explanation."""
        del width
        if self._explained:
            yield from self._step.layer.explain_shape(self._step.before)
            yield from self._step.lines()

    def entry(self) -> Mapping[str, Any]:
        """Return the step."""
        step = self._step
        return step.entry() | ({"explanation": [*self.details(0)]} if self._explained else {})


COMMAND = Command(
    groups=_Flags,
    text="Print the shape after each of several layers, and what an output depends on.\n\n"
    "That is its receptive field, the jump to the next one's, and start, the middle of the first "
    f"one's, where cell 0 of the input goes from 0 to 1.\n\nExample: {_EXAMPLE}",
    action=_run,
    takes_steps=True,
)
