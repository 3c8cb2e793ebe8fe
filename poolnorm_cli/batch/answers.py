"""What a worker answers for an input: most inputs of many differ in nothing but their names.

Names are known where the question came from. So what goes from process to process for one of them
is the seconds it took, and what it has in common with others, which is sent once in a message.
"""

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from poolnorm_cli.batch.tasks import Result
from poolnorm_cli.engine.outcome import Outcome


if TYPE_CHECKING:
    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.engine.outcome import StepOutcome
    from poolnorm_cli.shapes import Ints


_MOST_KINDS = 64
"""Kinds that a worker knows; those of inputs that all differ are not worth more."""


class Kind(NamedTuple):
    """What outcomes have in common, as they have it."""

    input_shape: "Ints"
    output_shape: "Ints"
    input_dtype: str
    dtype: str
    steps: "tuple[StepOutcome, ...]"
    unbatched: bool


Answer: TypeAlias = "tuple[float, Kind] | Result"
"""Seconds and kind of the only outcome of an input; a result where there is more to tell."""


class Kinds:
    """The kinds that were met: one that is the same object is sent once in a message."""

    def __init__(self) -> None:
        """Begin with none."""
        self._known: dict[Kind, Kind] = {}

    def answer(self, item: "Input", result: Result) -> Answer:
        """Shorten a result.

        Args:
            item: Its input.
            result: The result.

        Returns:
            What `outcome_of` makes the outcome of; the result, where that would not tell all.
        """
        if result.error is not None or result.statistics or result.fingerprint is not None:
            return result
        if len(result.outcomes) != 1:
            return result
        only = result.outcomes[0]
        if only.edges is not None or only.explanation or only.penalties:
            return result
        if only.notes or only.pictures or (only.input, only.output) != _names(item):
            return result
        kind = Kind(
            only.input_shape,
            only.output_shape,
            only.input_dtype,
            only.dtype,
            only.steps,
            only.unbatched,
        )
        if len(self._known) >= _MOST_KINDS:
            self._known.clear()
        return only.seconds, self._known.setdefault(kind, kind)


def outcome_of(item: "Input", seconds: float, kind: Kind) -> Outcome:
    """Return the outcome of an input.

    Args:
        item: The input.
        seconds: The time it took.
        kind: What it has in common with others.

    Returns:
        What the worker had.
    """
    name, target = _names(item)
    shape, output_shape, input_dtype, dtype, steps, unbatched = kind
    return Outcome(
        name,
        target,
        shape,
        output_shape,
        input_dtype,
        dtype,
        seconds,
        steps=steps,
        unbatched=unbatched,
    )


def result_of(item: "Input", answer: Answer) -> Result:
    """Return the result that a worker had.

    Args:
        item: The input.
        answer: What was answered for it.

    Returns:
        The result.
    """
    if isinstance(answer, Result):
        return answer
    return Result(answer[0], (outcome_of(item, *answer),))


def _names(item: "Input") -> tuple[str, str | None]:
    """Return what an outcome calls an input and its output."""
    return item.name, item.shown_target
