"""The flags of a layer verb, apart from the layer's own parameters."""

import os
from typing import TYPE_CHECKING, Annotated, Literal

from poolnorm_cli.cli.choice_flags import ChoiceFlags
from poolnorm_cli.cli.command import LAYER_PANEL, PRINTING_PANEL, Option, PrintingFlags
from poolnorm_cli.cli.picture_flags import PICTURE_PANEL, PictureFlags
from poolnorm_cli.cli.run_flags import BackendFlags, BatchFlags, ExportFlags, FileInputFlags
from poolnorm_cli.errors import UsageError
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Iterable

    from poolnorm_cli.tensors.file_roles import Role
    from poolnorm_cli.tensors.sources import FirstInput

FloatName = Literal["float16", "bfloat16", "float32", "float64"]

_OUTPUT_PANEL = "Output"
_FRAMEWORKS_PANEL = "Other frameworks"
_WEIGHTS_PANEL = "Weights"


@frozen(kw_only=True)
class OutputFlags:
    """Where results go."""

    output: Annotated[
        str | None,
        Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to this .npy or .npz file, or - for standard output.",
            rich_help_panel=_OUTPUT_PANEL,
        ),
    ] = None
    output_dir: Annotated[
        str | None,
        Option(
            "--output-dir",
            "-O",
            metavar="DIR",
            help="Write one file per input to this directory, under the same name.",
            rich_help_panel=_OUTPUT_PANEL,
        ),
    ] = None
    output_name: Annotated[
        str | None,
        Option(
            metavar="TEMPLATE",
            help="Names for -O, as '{stem}_{op}{ext}'; also {name}, {parent}, {index}, {key}.",
            rich_help_panel=_OUTPUT_PANEL,
        ),
    ] = None
    overwrite: Annotated[
        bool,
        Option("--overwrite", help="Replace outputs that exist.", rich_help_panel=_OUTPUT_PANEL),
    ] = False
    skip_existing: Annotated[
        bool,
        Option(
            "--skip-existing",
            help="Skip inputs whose outputs exist.",
            rich_help_panel=_OUTPUT_PANEL,
        ),
    ] = False
    sync: Annotated[
        bool | None,
        Option(
            "--sync/--no-sync",
            help="Flush outputs to disk before they get their names, so that a power cut leaves "
            "none unfinished.  [default: with --journal, and with weights updated in place]",
            show_default=False,
            rich_help_panel=_OUTPUT_PANEL,
        ),
    ] = None
    dtype: Annotated[
        FloatName | None,
        Option(
            help="Dtype of the output; bfloat16 also reads inputs saved as raw V2.",
            rich_help_panel=_OUTPUT_PANEL,
        ),
    ] = None
    fail_fast: Annotated[
        bool,
        Option(
            "--fail-fast", help="Stop at the first input that fails.", rich_help_panel=_OUTPUT_PANEL
        ),
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
class ValueFlags:
    """Which values are printed."""

    values: Annotated[
        bool | None,
        Option(
            "--values/--no-values",
            help="Print values; the default is to do so where nothing is written.",
            show_default=False,
            rich_help_panel=PRINTING_PANEL,
        ),
    ] = None
    precision: Annotated[
        int | None,
        Option(
            metavar="DIGITS",
            min=0,
            max=100,
            help="Digits of the values printed.",
            rich_help_panel=PRINTING_PANEL,
        ),
    ] = None
    explain: Annotated[
        bool,
        Option(
            "--explain",
            help="Explain the output: the formula, with the numbers of this run.",
            rich_help_panel=PRINTING_PANEL,
        ),
    ] = False


@frozen(kw_only=True)
class LayerPictureFlags(ChoiceFlags, PictureFlags):
    """Whether input and output are drawn."""

    show: Annotated[
        bool,
        Option(
            "--show",
            help="Draw the input and the output side by side, on one scale, in place of values.",
            rich_help_panel=PICTURE_PANEL,
        ),
    ] = False
    own_scale: Annotated[
        bool,
        Option(
            "--own-scale",
            help="Draw each on a scale of its own.",
            rich_help_panel=PICTURE_PANEL,
        ),
    ] = False

    def __post_init__(self) -> None:
        """Refuse flags that do nothing without a picture."""
        given = {
            "--sample": self.sample is not None,
            "--channel": self.channel is not None,
            "--own-scale": self.own_scale,
        }
        for flag, is_given in given.items():
            if is_given and not self.is_wanted:
                raise UsageError(f"{flag} without a picture", "give --show too")

    @property
    def is_wanted(self) -> bool:
        """Whether pictures are made."""
        return self.show or self.is_kept


@frozen(kw_only=True)
class DefinitionFlags:
    """How the layer is defined other than by flags, and in what other forms it is written."""

    config: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Take the parameters from the JSON of Keras' get_config().",
            rich_help_panel=_FRAMEWORKS_PANEL,
        ),
    ] = None
    save_config: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Write the JSON from which Keras' from_config() makes the layer.",
            rich_help_panel=_FRAMEWORKS_PANEL,
        ),
    ] = None
    keras: Annotated[
        bool,
        Option(
            "--keras",
            help="Print a program that gives the same output in Keras, and do nothing else.",
            rich_help_panel=_FRAMEWORKS_PANEL,
        ),
    ] = False
    torch: Annotated[
        bool,
        Option(
            "--torch",
            help="Print a program that gives the same output in torch, and do nothing else.",
            rich_help_panel=_FRAMEWORKS_PANEL,
        ),
    ] = False


@frozen(kw_only=True)
class WeightFlags:
    """Where weights come from."""

    weights: Annotated[
        str | None,
        Option(
            metavar="FILE[::LAYER]",
            help="Read the weights of the layer, and parameters that the file has, from .npz, "
            ".keras, .h5, .safetensors or .onnx; `poolnorm info FILE` lists the layers.",
            rich_help_panel=_WEIGHTS_PANEL,
        ),
    ] = None
    save_weights: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Write all weights to this .npz after the run; may be the one of --weights.",
            rich_help_panel=_WEIGHTS_PANEL,
        ),
    ] = None

    @property
    def file(self) -> str | None:
        """The file in `FILE` or `FILE::LAYER` of --weights."""
        if self.weights is None:
            return None
        from poolnorm_cli.weights.formats import split_layer

        return split_layer(self.weights)[0]

    @property
    def in_place(self) -> bool:
        """Whether the weights that are read are those that are written, by whatever names."""
        if self.save_weights is None or self.file is None:
            return False
        return os.path.realpath(self.file) == os.path.realpath(self.save_weights)


@frozen(kw_only=True)
class TrainingFlags:
    """Inference or training."""

    training: Annotated[
        bool,
        Option(
            "--training",
            help="Use each input's own statistics, and update the moving ones.",
            rich_help_panel=_WEIGHTS_PANEL,
        ),
    ] = False


@frozen(kw_only=True)
class FoldingFlags:
    """Whether a layer is run, or folded."""

    fold: Annotated[
        bool,
        Option(
            "--fold",
            help="Print the scale and shift that inference with --weights amounts to, and their "
            "largest error on each INPUT; -o FILE.npz saves them.",
            rich_help_panel=_WEIGHTS_PANEL,
        ),
    ] = False


@frozen(kw_only=True)
class MaskFlags:
    """Which cells count."""

    mask: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="A .npy of numbers: cells where it is 0 do not count; size 1 along an axis is "
            "for all of it. The masks of an .npz are matched by the names of the input's arrays.",
            rich_help_panel=LAYER_PANEL,
        ),
    ] = None


@frozen(kw_only=True)
class IndicesFlags:
    """What else is told of maxima."""

    indices: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Also write where each maximum is to this .npy or .npz: int64, counted over the "
            "spatial axes, as torch's return_indices.",
            rich_help_panel=_OUTPUT_PANEL,
        ),
    ] = None


@frozen(kw_only=True)
class PlacesFlags:
    """Where values go: a file that is read."""

    indices: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Where each value goes, as pool max --indices writes it. Required.",
            rich_help_panel=LAYER_PANEL,
        ),
    ] = None


@frozen(kw_only=True)
class LayerFlags:
    """What was typed after a layer verb, one field for each group, in the order of the help.

    The groups with a default are those of some layers; of others, nothing of the kind is asked for.
    """

    inputs: FileInputFlags
    outputs: OutputFlags
    printing: PrintingFlags
    values: ValueFlags
    pictures: LayerPictureFlags
    backend: BackendFlags
    export: ExportFlags
    definition: DefinitionFlags
    batch: BatchFlags
    weights: WeightFlags = WeightFlags()
    training: TrainingFlags = TrainingFlags()
    folding: FoldingFlags = FoldingFlags()
    mask: MaskFlags = MaskFlags()
    indices: IndicesFlags = IndicesFlags()
    places: PlacesFlags = PlacesFlags()

    def more_roles(self) -> "Iterable[Role]":
        """List the files that are named by other flags than these: a layer alone has none."""
        return ()

    def first_input(self) -> "FirstInput":
        """Return the first input, not opened yet."""
        from poolnorm_cli.tensors.sources import FirstInput

        name = (self.inputs.inputs or [""])[0]
        if self.needs_no_data and len(self.inputs.inputs or ()) == 1:
            from poolnorm_cli.tensors.shape_tensor import ShapeInput, is_shape

            if is_shape(name):
                dtype = self.outputs.dtype or "float32"
                return ShapeInput(name, dtype, unbatched=self.inputs.unbatched)
        bfloat16, limit = self.outputs.dtype == "bfloat16", self.backend.memory(1)
        return FirstInput(
            name,
            self.inputs.key,
            bfloat16=bfloat16,
            limit=limit,
            unbatched=self.inputs.unbatched,
        )

    @property
    def needs_no_data(self) -> bool:
        """Whether what is asked for can be made of a shape alone."""
        definition = self.definition
        wanted = (self.export.export, definition.save_config)
        return wanted != (None, None) or definition.keras or definition.torch

    @property
    def wants_program(self) -> bool:
        """Whether a program is printed, and nothing run."""
        return self.definition.keras or self.definition.torch

    @property
    def has_extras(self) -> bool:
        """Whether a flag was typed that does nothing in some runs."""
        outputs, values, inputs = self.outputs, self.values, self.inputs
        given = outputs.overwrite or outputs.skip_existing or outputs.fail_fast
        given = given or inputs.recursive or values.explain or self.backend.profile
        given = given or self.pictures.is_wanted
        others = (outputs.sync, values.values, values.precision, inputs.relative_to)
        return given or others != (None,) * 4 or self.export != ExportFlags()

    @property
    def synced(self) -> bool:
        """Whether files are on the disk before they get their names: where a run relies on them."""
        if self.outputs.sync is not None:
            return self.outputs.sync
        return self.batch.journal is not None or self.weights.in_place
