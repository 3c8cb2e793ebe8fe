"""`shape solve`: which windows make one size of another, and of which sizes a window does."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from poolnorm_cli.calculator.solve import (
    MAX_SIZE,
    SizeRange,
    Solution,
    entry,
    head,
    inputs_of,
    solve,
    spatial_sizes,
)
from poolnorm_cli.cli.command import (
    LAYER_PANEL,
    Argument,
    Command,
    Option,
    PrintingFlags,
    parse_ints,
)
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import positive_ints
from poolnorm_cli.report.emit import emit
from poolnorm_cli.report.rows import Row, print_note
from poolnorm_cli.shapes import Ints, format_shape, per_axis
from poolnorm_cli.values import frozen
from poolnorm_cli.windows import Padding


NONE_FOUND = 1
"""Exit code where there is no solution: the answer is no, as that of `compare` or grep."""
_EXAMPLE = "poolnorm shape solve 224,224 112,112"
_INPUT_EXAMPLE = "poolnorm shape solve --input 14,14 --pool-size 3 --strides 2 --padding same"


@frozen(kw_only=True)
class SolveArguments:
    """The sizes on both sides."""

    before: Annotated[
        str | None,
        Argument(
            metavar="FROM", help="Spatial sizes of the input, as 224,224.", show_default=False
        ),
    ] = None
    after: Annotated[
        str | None,
        Argument(metavar="TO", help="Spatial sizes of the output, as 112,112.", show_default=False),
    ] = None


@frozen(kw_only=True)
class SolveFlags:
    """What is looked for."""

    max_size: Annotated[
        int, Option(metavar="N", min=1, help="The largest window and stride that are tried.")
    ] = MAX_SIZE
    input: Annotated[
        str | None,
        Option(
            metavar="SIZES",
            help="Instead of FROM and TO: list the inputs of which the window below makes an "
            "output of these spatial sizes.",
            rich_help_panel=LAYER_PANEL,
        ),
    ] = None
    pool_size: Annotated[
        str | None,
        Option(
            metavar="INTS",
            parser=parse_ints,
            help="With --input: the window.  [default: 2]",
            show_default=False,
            rich_help_panel=LAYER_PANEL,
        ),
    ] = None
    strides: Annotated[
        str | None,
        Option(
            metavar="INTS",
            parser=parse_ints,
            help="With --input: its step; the default is its size.",
            show_default=False,
            rich_help_panel=LAYER_PANEL,
        ),
    ] = None
    padding: Annotated[
        Padding | None,
        Option(
            help="With --input: its padding.  [default: valid]",
            show_default=False,
            rich_help_panel=LAYER_PANEL,
        ),
    ] = None


@frozen(kw_only=True)
class _Flags:
    """What was typed after `shape solve`."""

    sizes: SolveArguments
    solve: SolveFlags
    printing: PrintingFlags


def _run(flags: _Flags) -> int:
    asked, sizes = flags.solve, flags.sizes
    if asked.input is not None:
        if sizes.before is not None:
            raise UsageError(
                "FROM with --input", f"give sizes after --input alone: {_INPUT_EXAMPLE}"
            )
        return _list_inputs(flags, asked.input)
    for name in ("pool_size", "strides", "padding"):
        if getattr(asked, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} without --input", f"solve finds it: {_EXAMPLE}")
    if sizes.before is None or sizes.after is None:
        raise UsageError("FROM or TO is missing", f"give both: {_EXAMPLE}")
    return _list_solutions(flags, sizes.before, sizes.after)


def _list_solutions(flags: _Flags, from_text: str, to_text: str) -> int:
    before, after = spatial_sizes(from_text, "FROM"), spatial_sizes(to_text, "TO")
    most = flags.solve.max_size
    found = solve(before, after, most)

    def document(entries: dict[str, list[Any]]) -> Mapping[str, Any]:
        return head(before, after, most) | {"solutions": entries.get(_SolutionRow.section, [])}

    emit([_SolutionRow(each, before) for each in found], document, flags.printing.style())
    if found:
        return 0
    print_note(
        f"no window and stride up to {min(most, *before)}, the same for all axes, make "
        f"{format_shape(before)} into {format_shape(after)}, with 'valid' or 'same'"
    )
    return NONE_FOUND


class _SolutionRow(Row):
    """One window, stride and padding."""

    section = "solutions"

    def __init__(self, solution: Solution, before: Ints) -> None:
        """Keep the solution, and the sizes that it is for."""
        self._solution, self._before = solution, before

    def cells(self) -> Mapping[str, str]:
        """Return it by the names of Keras, with pads and cells never read."""
        solution, before = self._solution, self._before
        pads = [f"{low}:{high}" for low, high in solution.pads(before)]
        return {
            "pool_size": str(solution.pool_size),
            "strides": str(solution.strides),
            "padding": solution.padding,
            "pads": ",".join(pads),
            "never read": ",".join(map(str, solution.never_read(before))),
        }

    def essential(self) -> str:
        """Return the flags."""
        return self._solution.flags

    def entry(self) -> Mapping[str, Any]:
        """Return all of it."""
        return entry(self._solution, self._before)


def _list_inputs(flags: _Flags, text: str) -> int:
    asked: Any = flags.solve  # its sizes are read already
    after = spatial_sizes(text, "--input")
    rank = len(after)
    window = positive_ints(asked.pool_size or 2, "--pool-size")
    sizes = per_axis(window, rank, "--pool-size")
    stride = positive_ints(asked.strides or window, "--strides")
    strides = per_axis(stride, rank, "--strides")
    padding: Padding = asked.padding or "valid"
    row = _InputsRow(list(inputs_of(after, sizes, strides, padding)))

    def document(entries: dict[str, list[Any]]) -> Mapping[str, Any]:
        (inputs,) = entries[row.section]
        given = {"output": after, "pool_size": sizes, "strides": strides, "padding": padding}
        return {"schema": 1, "command": "shape solve"} | given | {"inputs": inputs}

    emit([row], document, flags.printing.style())
    return 0


class _InputsRow(Row):
    """The inputs that give an output."""

    def __init__(self, ranges: Sequence[tuple[int, SizeRange]]) -> None:
        """Keep the sizes of each axis."""
        self._ranges = ranges

    def cells(self) -> Mapping[str, str]:
        """Return both sides."""
        return {
            "output": format_shape(tuple(n for n, _ in self._ranges)),
            "input": self.essential(),
        }

    def essential(self) -> str:
        """Return the sizes of inputs."""
        return ",".join(str(sizes) for _, sizes in self._ranges)

    def entry(self) -> Iterable[Mapping[str, int]]:
        """Return the sizes, axis by axis."""
        return [{"smallest": sizes.smallest, "largest": sizes.largest} for _, sizes in self._ranges]


COMMAND = Command(
    groups=_Flags,
    text="Find every window, stride and padding that makes one size of another, simplest first.\n\n"
    f"Example: {_EXAMPLE}\n\nOr the sizes of inputs that give an output: {_INPUT_EXAMPLE}",
    action=_run,
)
