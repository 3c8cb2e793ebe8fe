"""`shape solve`: which windows make one size of another, and of which sizes a window does."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from poolnorm_cli.calculator.solve import (
    MAX_SIZE,
    Asked,
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
from poolnorm_cli.layers.pooling import MaxPooling
from poolnorm_cli.report.emit import emit
from poolnorm_cli.report.rows import Row, print_note
from poolnorm_cli.shapes import Ints, format_shape
from poolnorm_cli.values import frozen
from poolnorm_cli.windows import Padding, Placing


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
    max_pads: Annotated[
        int,
        Option(
            metavar="N",
            min=0,
            help="Try explicit pads, too, up to N cells at both ends and half a window, as torch.",
        ),
    ] = 0
    max_dilation: Annotated[
        int, Option(metavar="N", min=1, help="The largest dilation that is tried.")
    ] = 1
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
            help="The window, if it is given; with --input 2 unless it is.",
            show_default=False,
            rich_help_panel=LAYER_PANEL,
        ),
    ] = None
    strides: Annotated[
        str | None,
        Option(
            metavar="INTS",
            parser=parse_ints,
            help="Its step, if it is given; with --input its size unless it is.",
            show_default=False,
            rich_help_panel=LAYER_PANEL,
        ),
    ] = None
    padding: Annotated[
        Padding | None,
        Option(
            help="Its padding, if it is given; otherwise 'valid' and 'same' are tried, with "
            "--input 'valid'.",
            show_default=False,
            rich_help_panel=LAYER_PANEL,
        ),
    ] = None
    pads: Annotated[
        str | None,
        Option(
            metavar="PADS",
            help="Cells of padding in place of that: N at both ends or LOW:HIGH, one or per axis.",
            rich_help_panel=LAYER_PANEL,
        ),
    ] = None
    dilation_rate: Annotated[
        str | None,
        Option(
            metavar="INTS",
            parser=parse_ints,
            help="Its dilation, if it is given; otherwise 1, or what --max-dilation tries.",
            show_default=False,
            rich_help_panel=LAYER_PANEL,
        ),
    ] = None
    ceil_mode: Annotated[
        bool,
        Option(
            help="A last window that is not whole counts, as torch counts it.",
            rich_help_panel=LAYER_PANEL,
        ),
    ] = False


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
    if sizes.before is None or sizes.after is None:
        raise UsageError("FROM or TO is missing", f"give both: {_EXAMPLE}")
    return _list_solutions(flags, sizes.before, sizes.after)


def _list_solutions(flags: _Flags, from_text: str, to_text: str) -> int:
    before, after = spatial_sizes(from_text, "FROM"), spatial_sizes(to_text, "TO")
    asked = _asked(flags.solve, len(before))
    found = solve(before, after, asked)

    def document(entries: dict[str, list[Any]]) -> Mapping[str, Any]:
        return head(before, after, asked) | {"solutions": entries.get(_SolutionRow.section, [])}

    dilated = any(each.dilation > 1 for each in found)
    rows = [_SolutionRow(each, before, dilated=dilated) for each in found]
    emit(rows, document, flags.printing.style())
    if found:
        return 0
    print_note(
        f"no window and stride up to {min(asked.max_size, *before)}, the same for all axes, make "
        f"{format_shape(before)} into {format_shape(after)}, with {asked.text}"
    )
    return NONE_FOUND


def _asked(flags: SolveFlags, rank: int) -> Asked:
    """Return what is looked for.

    Raises:
        UsageError: Two of it exclude each other, or something is not the same on all axes.
    """
    given: dict[str, Any] = {
        "pool_size": _one(flags.pool_size, "--pool-size"),
        "strides": _one(flags.strides, "--strides"),
        "dilation": _one(flags.dilation_rate, "--dilation-rate"),
        "max_pads": flags.max_pads,
        "max_dilation": flags.max_dilation,
        "max_size": flags.max_size,
    }
    if given["dilation"] and flags.max_dilation > 1:
        raise UsageError("both --dilation-rate and --max-dilation", "give one of them")
    layer, kind = _layer(flags), flags.padding
    if layer.pads is not None:
        layer.pads.on(rank)
        if flags.max_pads:
            raise UsageError("both --pads and --max-pads", "give one of them")
    paddings: tuple[Padding, ...] = (kind,) if kind else ("valid", "same")
    if layer.ceil_mode:
        paddings = ("valid",)
    return Asked(**given, paddings=paddings, pads=layer.pads, ceil=layer.ceil_mode)


def _layer(flags: SolveFlags) -> MaxPooling:
    """Return a layer of the parameters that are given, which refuses what no layer has."""
    given: Any = flags  # its sizes are read already
    named = {
        name: getattr(given, name)
        for name in ("pool_size", "strides", "padding", "pads", "dilation_rate")
        if getattr(given, name) is not None
    }
    return MaxPooling(**named, ceil_mode=flags.ceil_mode)


def _one(given: Any, flag: str) -> int | None:
    """Return the one number of all axes; None where none is given."""
    if given is None:
        return None
    sizes = positive_ints(given, flag)
    if len(set(sizes)) > 1:
        what = f"{flag} {','.join(map(str, sizes))} differs from axis to axis"
        raise UsageError(what, "give one number: what is looked for is the same on all axes")
    return sizes[0]


class _SolutionRow(Row):
    """One window, stride and padding."""

    section = "solutions"

    def __init__(self, solution: Solution, before: Ints, *, dilated: bool) -> None:
        """Keep the solution, the sizes that it is for, and whether one of all has a dilation."""
        self._solution, self._before, self._dilated = solution, before, dilated

    def cells(self) -> Mapping[str, str]:
        """Return it by the names of Keras, with pads and cells never read."""
        solution, before = self._solution, self._before
        pads = [f"{low}:{high}" for low, high in solution.pads(before)]
        return {
            "pool_size": str(solution.pool_size),
            "strides": str(solution.strides),
            **({"dilation_rate": str(solution.dilation)} if self._dilated else {}),
            "padding": solution.padding if solution.given is None else "pads",
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
    asked = flags.solve
    for name, default in (("max_pads", 0), ("max_dilation", 1)):
        if getattr(asked, name) != default:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} with --input", f"give the window itself: {_INPUT_EXAMPLE}")
    after = spatial_sizes(text, "--input")
    layer = _layer(asked)
    placings = _placings(layer, len(after))
    ranges = list(inputs_of(after, placings))
    told: dict[str, Any] = {
        "output": after,
        "pool_size": [each.size for each in placings],
        "strides": [each.stride for each in placings],
        "padding": layer.padding if layer.pads is None else "pads",
    }
    if layer.pads is not None:
        told["pads"] = layer.pads.on(len(after))
    if any(each.dilation > 1 for each in placings):
        told["dilation_rate"] = [each.dilation for each in placings]
    if layer.ceil_mode:
        told["ceil_mode"] = True
    row = _InputsRow(ranges)

    def document(entries: dict[str, list[Any]]) -> Mapping[str, Any]:
        inputs = entries.get(row.section, [[]])[0]
        return {"schema": 1, "command": "shape solve"} | told | {"inputs": inputs}

    found = all(sizes is not None for _, sizes in ranges)
    emit([row] if found else [], document, flags.printing.style())
    if found:
        return 0
    print_note(f"no input gives an output of {format_shape(after)} under this window")
    return NONE_FOUND


def _placings(layer: MaxPooling, rank: int) -> list[Placing]:
    """Place the window of a layer on axes of any size, of which it takes some.

    Raises:
        UsageError: It has not one size per axis, or takes no axis at all.
    """
    placings = [rule.placing for rule in layer.rules((None,) * (rank + 2))]
    layer.output_shape((None,) * (rank + 2))
    return placings


class _InputsRow(Row):
    """The inputs that give an output."""

    def __init__(self, ranges: Sequence[tuple[int, SizeRange | None]]) -> None:
        """Keep the sizes of each axis, which all have some."""
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
        found = (sizes for _, sizes in self._ranges if sizes is not None)
        return [{"smallest": sizes.smallest, "largest": sizes.largest} for sizes in found]


COMMAND = Command(
    groups=_Flags,
    text="Find every window, stride and padding that makes one size of another, simplest first.\n\n"
    f"Example: {_EXAMPLE}\n\nOr the sizes of inputs that give an output: {_INPUT_EXAMPLE}",
    action=_run,
)
