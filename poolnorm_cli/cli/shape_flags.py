"""What `shape LAYER` and `shape pipe` share: their flags, and how a shape is read."""

from typing import TYPE_CHECKING, Annotated

from poolnorm_cli.cli.command import PRINTING_PANEL, Argument, Option
from poolnorm_cli.cli.picture_flags import PICTURE_PANEL, PictureFileFlags
from poolnorm_cli.errors import UsageError
from poolnorm_cli.shapes import Shape, parse_shape
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poolnorm_cli.calculator.steps import Step


@frozen(kw_only=True)
class ShapeArgument:
    """The shape that goes in."""

    shape: Annotated[
        str,
        Argument(
            metavar="SHAPE",
            help="As 4,28,28,3 or None,28,28,3 or N,H,W,3; or a file whose header is read.",
            show_default=False,
        ),
    ]


@frozen(kw_only=True)
class AnswerFlags:
    """What is told of a shape besides."""

    explain: Annotated[
        bool,
        Option(
            "--explain",
            help="Explain the shape: the formula of each axis with its numbers, pads, cells that "
            "no window reaches, divisors at the borders; statistics and weights.",
            rich_help_panel=PRINTING_PANEL,
        ),
    ] = False
    field: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help="Print one number, for shell arithmetic: out.h, in.w, pad.h.low, ...; "
            "a name that is not there lists those that are.",
            rich_help_panel=PRINTING_PANEL,
        ),
    ] = None


@frozen(kw_only=True)
class _Drawn:
    """Whether a picture is drawn."""

    draw: Annotated[
        bool,
        Option(
            "--draw",
            help="Draw the windows over the input, the cells that share a statistic, or what an "
            "output of a pipeline depends on.",
            rich_help_panel=PICTURE_PANEL,
        ),
    ] = False


@frozen(kw_only=True)
class DrawFlags(PictureFileFlags, _Drawn):
    """Whether a picture is drawn, and where it is kept."""

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to draw."""
        return self.draw or self.is_kept


def print_field(steps: "Sequence[Step]", name: str, beside: "Iterable[tuple[str, object]]") -> int:
    """Print one number, and nothing else.

    Args:
        steps: The layer, or the layers one after another.
        name: Which number, as `out.h`.
        beside: Other flags, and whether they were given: what they ask for is not printed.

    Returns:
        The exit code.

    Raises:
        UsageError: There is no such number, or one of the other flags was given.
    """
    from poolnorm_cli.calculator.numbers import number_of

    for flag, is_given in beside:
        if is_given:
            raise UsageError(
                f"--field with {flag}", "leave one of them out: --field is all that is printed"
            )
    print(number_of(steps, name))
    return 0


def beside_field(answer: AnswerFlags, picture: DrawFlags) -> "list[tuple[str, object]]":
    """List the flags that ask for more than --field prints.

    Args:
        answer: What is told of a shape.
        picture: Whether it is drawn.

    Returns:
        Each with whether it was given.
    """
    return [
        ("--explain", answer.explain),
        ("--draw", picture.draw),
        ("--save-svg", picture.save_svg),
        ("--save-png", picture.save_png),
    ]


def read_shape(text: str) -> Shape:
    """Return the shape that a text spells, or that the header of the file it names gives.

    Raises:
        UsageError: It is neither, or the file holds several arrays.
        InputError: The file cannot be read.
    """
    if text != "-" and not any(mark in text for mark in "./"):  # neither a suffix nor a path
        return parse_shape(text)
    from poolnorm_cli.tensors.names import names_tensor
    from poolnorm_cli.tensors.sources import open_input

    if not names_tensor(text):
        return parse_shape(text)
    first, *others = open_input(text, None, True)  # noqa: FBT003 - any dtype has a shape
    if others:
        names = ", ".join(str(tensor.key) for tensor in (first, *others))
        raise UsageError.at(text, f"holds {names}", f"name one of them, as {text}::{first.key}")
    return first.shape
