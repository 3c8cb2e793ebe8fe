"""Groups of flags that verbs share, each written once."""

from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar

from poolnorm_cli.cli.options import Argument, Option
from poolnorm_cli.errors import UsageError
from poolnorm_cli.report.reporter import Color, Style
from poolnorm_cli.values import frozen


FloatName = Literal["float16", "bfloat16", "float32", "float64"]

LAYER_PANEL = "Layer"
_OUTPUT = "Output"
_PRINT = "Printing"
WEIGHTS_PANEL = "Weights"


@frozen(kw_only=True)
class Inputs:
    """Which tensors go in."""

    inputs: Annotated[
        list[str],
        Argument(
            metavar="INPUT...",
            help="A .npy or .npz file, file.npz::NAME, or - for .npy arrays on standard input.",
            show_default=False,
        ),
    ]
    key: Annotated[str | None, Option(metavar="NAME", help="The one array of a .npz to use.")] = (
        None
    )


@frozen(kw_only=True)
class Outputs:
    """Where results go."""

    output: Annotated[
        str | None,
        Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to this .npy or .npz file, or - for standard output.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    output_dir: Annotated[
        str | None,
        Option(
            "--output-dir",
            "-O",
            metavar="DIR",
            help="Write one file per input into this directory, names kept.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    output_name: Annotated[
        str | None,
        Option(
            metavar="TEMPLATE",
            help="Names for -O, as '{stem}_{op}{ext}'; also {name}, {parent}, {index}, {key}.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    overwrite: Annotated[
        bool,
        Option("--overwrite", help="Replace outputs that exist.", rich_help_panel=_OUTPUT),
    ] = False
    skip_existing: Annotated[
        bool,
        Option(
            "--skip-existing",
            help="Leave outputs that exist, and go on.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False
    sync: Annotated[
        bool | None,
        Option(
            "--sync/--no-sync",
            help="Have outputs on the disk before they get their names, so that a power cut tears "
            "none.  [default: with --journal and with weights in place]",
            show_default=False,
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    dtype: Annotated[
        FloatName | None,
        Option(
            help="Dtype of the output; bfloat16 also reads inputs saved as raw V2.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    fail_fast: Annotated[
        bool,
        Option("--fail-fast", help="Stop at the first input that fails.", rich_help_panel=_OUTPUT),
    ] = False

    def __post_init__(self) -> None:
        """Refuse flags that contradict each other."""
        if self.output is not None and self.output_dir is not None:
            raise UsageError("both --output and --output-dir", "give one of them")
        if self.output_name is not None and self.output_dir is None:
            raise UsageError("--output-name without --output-dir", "give --output-dir DIR too")
        if self.overwrite and self.skip_existing:
            raise UsageError("both --overwrite and --skip-existing", "give one of them")


@frozen(kw_only=True)
class WeightFiles:
    """Where weights come from."""

    weights: Annotated[
        str | None,
        Option(
            metavar="FILE[::LAYER]",
            help="Read the weights of the layer, and what else the file says of it, from .npz, "
            ".keras, .h5, .safetensors or .onnx; `poolnorm info FILE` lists the layers.",
            rich_help_panel=WEIGHTS_PANEL,
        ),
    ] = None
    save_weights: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Write all weights to this .npz after the run; may be the one of --weights.",
            rich_help_panel=WEIGHTS_PANEL,
        ),
    ] = None


@frozen(kw_only=True)
class Training:
    """Inference or training."""

    training: Annotated[
        bool,
        Option(
            "--training",
            help="Use each input's own statistics, and update the moving ones.",
            rich_help_panel=WEIGHTS_PANEL,
        ),
    ] = False


@frozen(kw_only=True)
class Mask:
    """Which cells count."""

    mask: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="A .npy of numbers: cells where it is 0 do not count; size 1 along an axis stands "
            "for all of it. An .npz with several masks is matched by the names of the input's "
            "arrays.",
            rich_help_panel=LAYER_PANEL,
        ),
    ] = None


@frozen(kw_only=True)
class Printing:
    """What is printed, and how."""

    json: Annotated[
        bool, Option("--json", help="Print one JSON document.", rich_help_panel=_PRINT)
    ] = False
    quiet: Annotated[
        bool,
        Option("--quiet", "-q", help="Print only the essential.", rich_help_panel=_PRINT),
    ] = False
    color: Annotated[
        Color, Option(help="Colour the output; NO_COLOR is heeded.", rich_help_panel=_PRINT)
    ] = "auto"
    verbose: Annotated[
        int,
        Option(
            "--verbose",
            "-v",
            count=True,
            help="Say what is done; twice: show the traceback of an error.",
            show_default=False,
            rich_help_panel=_PRINT,
        ),
    ] = 0

    def style(self, *, precision: int | None = None, to_stderr: bool = False) -> Style:
        """Return the style that a report is printed in."""
        return Style(self.json, self.quiet, self.color, precision, to_stderr)


@frozen(kw_only=True)
class Values:
    """Which values are printed."""

    values: Annotated[
        bool | None,
        Option(
            "--values/--no-values",
            help="Print values; they are by default where nothing is written.",
            show_default=False,
            rich_help_panel=_PRINT,
        ),
    ] = None
    precision: Annotated[
        int | None,
        Option(
            metavar="DIGITS",
            min=0,
            max=100,
            help="Digits of the values printed.",
            rich_help_panel=_PRINT,
        ),
    ] = None
    explain: Annotated[
        bool,
        Option(
            "--explain",
            help="Say how the output came about: the formula, with the numbers of this run.",
            rich_help_panel=_PRINT,
        ),
    ] = False


Group = TypeVar("Group")


class Given:
    """The groups of flags that a verb was given; one that it does not have is as by default."""

    def __init__(self, groups: Iterable[object]) -> None:
        """Hold one value per group."""
        self._groups = list(groups)

    def add(self, group: object) -> None:
        """Hold one more value, which came of the others."""
        self._groups.append(group)

    def __getitem__(self, kind: type[Group]) -> Group:
        """Return the value of a group."""
        return next((group for group in self._groups if isinstance(group, kind)), None) or kind()


@frozen(kw_only=True)
class Folding:
    """Whether a layer is run, or folded."""

    fold: Annotated[
        bool,
        Option(
            "--fold",
            help="Print the scale and shift that inference with --weights amounts to, and their "
            "largest error on each INPUT; -o FILE.npz keeps them.",
            rich_help_panel=WEIGHTS_PANEL,
        ),
    ] = False
