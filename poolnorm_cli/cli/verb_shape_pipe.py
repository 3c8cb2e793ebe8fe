"""`shape pipe`: the shapes after each of several layers, and what an output depends on."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from poolnorm_cli.calculator.answer import pipe_document
from poolnorm_cli.calculator.steps import Step, follow, size_text
from poolnorm_cli.cli.command import Command, PrintingFlags
from poolnorm_cli.cli.pipe_steps import TypedStep, pipeline_of, require_rank
from poolnorm_cli.cli.recipe_flags import RecipeFileFlags
from poolnorm_cli.cli.shape_flags import (
    AnswerFlags,
    DrawFlags,
    ShapeArgument,
    beside_field,
    print_field,
    read_shape,
)
from poolnorm_cli.errors import UsageError
from poolnorm_cli.report.emit import emit, note
from poolnorm_cli.report.rows import Row
from poolnorm_cli.report.text import keras_shape, wrapped
from poolnorm_cli.shapes import Shape, format_shape
from poolnorm_cli.values import frozen, replace


_LONGEST = 28
"""Characters of a cell of the table."""
_EXAMPLE = "poolnorm shape pipe N,224,224,3 ! pool max --pool-size 3 --strides 2 ! gpool average"


@frozen(kw_only=True)
class _Flags:
    """What was typed after `shape pipe`, apart from the steps."""

    shape: ShapeArgument
    recipe: RecipeFileFlags
    answer: AnswerFlags
    picture: DrawFlags
    printing: PrintingFlags


def _run(flags: _Flags, steps: Sequence[TypedStep] = ()) -> int:
    steps = _with_recipe(flags, steps)
    if not steps:
        raise UsageError("no step", f"add one behind a !, as {_EXAMPLE}")
    pipeline = pipeline_of(steps)
    shape = read_shape(flags.shape.shape)
    require_rank(getattr(steps[0], "rank", None), shape)
    followed = follow(pipeline, shape)
    if flags.answer.field is not None:
        beside = beside_field(flags.answer, flags.picture)
        return print_field(followed, flags.answer.field, beside)
    style = flags.printing.style()
    drawing = None
    if flags.picture.is_wanted:
        from poolnorm_cli.cli.shape_pictures import draw_steps

        drawing = draw_steps(followed, flags.shape.shape, flags.picture, style)
    explained = flags.answer.explain
    last = followed[-1]
    source = followed[0].before
    rows = [_StepRow(step, source, explained=explained, last=step is last) for step in followed]

    def document(entries: dict[str, list[Any]]) -> Mapping[str, Any]:
        told = pipe_document(followed) | {"steps": entries[_StepRow.section]}
        return told | (drawing.entry() if drawing else {})

    emit(rows, document, style)
    if drawing is not None:
        drawing.print(style)
    return 0


def _with_recipe(flags: _Flags, typed: Sequence[TypedStep]) -> Sequence[TypedStep]:
    """Put the steps of a recipe before those that were typed."""
    if flags.recipe.recipe is None:
        return typed
    from poolnorm_cli.cli.pipe_recipe import recipe_steps

    own, notes = recipe_steps(flags.recipe.recipe)
    for text in notes:
        note(text, flags.printing.style())
    return [*own, *(replace(step, number=step.number + len(own)) for step in typed)]


class _StepRow(Row):
    """What becomes of a shape at one step."""

    section = "steps"

    def __init__(self, step: Step, source: Shape, *, explained: bool, last: bool) -> None:
        """Keep what is known.

        Args:
            step: The step.
            source: Shape of the input of the first step.
            explained: It is wanted how that comes.
            last: No step comes after it.
        """
        self._step, self._source = step, source
        self._explained, self._last = explained, last

    @property
    def heading(self) -> str:
        """The shape that goes in."""
        return f"input {keras_shape(self._source)}"

    def cells(self) -> Mapping[str, str]:
        """Return the layer, the shape after it, and the receptive field."""
        names = ("receptive field", "jump", "start")
        return {
            "step": f"{self._step.number} {self._step.layer.words}",
            "output shape": keras_shape(self._step.after),
            **{name: _brief(text) for name, text in zip(names, self._reach(), strict=True)},
        }

    def fields(self) -> Sequence[str]:
        """Return number, layer as Keras prints it, shape, and receptive field, jump and start."""
        step = self._step
        text = step.layer.call_text(step.before)
        return (str(step.number), text, keras_shape(step.after), *self._reach())

    def _reach(self) -> tuple[str, str, str]:
        fields = self._step.fields.values()
        return (
            size_text([field.size for field in fields] or [1]),
            size_text([field.jump for field in fields] or [1]),
            size_text([field.start for field in fields] or [0.5]),
        )

    def essential(self) -> str | None:
        """Return the last shape."""
        return format_shape(self._step.after) if self._last else None

    def details(self, width: int) -> Iterable[str]:
        """Return the lines of the explanation."""
        if self._explained:
            yield from wrapped(self._step.layer.explain_shape(self._step.before), width)
            yield from wrapped(self._step.lines(), width)

    def entry(self) -> Mapping[str, Any]:
        """Return the step."""
        step = self._step
        return step.entry() | (
            {"explanation": [*self.details(sys.maxsize)]} if self._explained else {}
        )


def _brief(text: str) -> str:
    """Cut an expression that is too long for a table; --explain, plain lines and --json have it."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


COMMAND = Command(
    groups=_Flags,
    text="Print the shape after each of several layers, and what an output depends on.\n\n"
    "That is its receptive field, the jump to the next one's, and start, the middle of the first "
    f"one's, where cell 0 of the input goes from 0 to 1.\n\nExample: {_EXAMPLE}",
    action=_run,
    takes_steps=True,
)
