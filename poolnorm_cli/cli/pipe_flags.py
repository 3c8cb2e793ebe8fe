"""The flags of a pipe: those of a run, which stand before its first step."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from poolnorm_cli.cli.command import Option, PrintingFlags
from poolnorm_cli.cli.layer_flags import (
    DefinitionFlags,
    LayerFlags,
    LayerPictureFlags,
    OutputFlags,
    TrainingFlags,
    ValueFlags,
    WeightFlags,
)
from poolnorm_cli.cli.pipe_steps import LayerStep
from poolnorm_cli.cli.recipe_flags import RecipeFlags
from poolnorm_cli.cli.run_flags import BackendFlags, BatchFlags, ExportFlags, FileInputFlags
from poolnorm_cli.tensors.file_roles import Role
from poolnorm_cli.tensors.names import source_path
from poolnorm_cli.values import frozen


@frozen(kw_only=True)
class PipeWeightFlags(WeightFlags):
    """Where the weights of all steps are."""

    weights: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Read the weights of steps that have no --weights of their own, each by the name "
            "of its step, as bn/gamma; from what --save-weights wrote, or any file of layers.",
            rich_help_panel="Weights",
        ),
    ] = None
    save_weights: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Write the weights of all steps to this .npz after the run, as bn/gamma; "
            "FILE::bn reads those of one.",
            rich_help_panel="Weights",
        ),
    ] = None


@frozen(kw_only=True)
class PipeTrainingFlags(TrainingFlags):
    """Inference or training."""

    training: Annotated[
        bool,
        Option(
            "--training",
            help="Train every bn step: each input is a batch. In a step, for that one alone.",
            rich_help_panel="Weights",
        ),
    ] = False


@frozen(kw_only=True)
class PipeFlags(LayerFlags):
    """What was typed before the first step, and the steps.

    Attributes:
        definition: Not to be typed: a pipe is defined by its steps.
        steps: The steps that are layers, as they were typed or stand in a recipe.
    """

    inputs: FileInputFlags
    recipe: RecipeFlags = RecipeFlags()
    outputs: OutputFlags
    weights: PipeWeightFlags = PipeWeightFlags()
    training: PipeTrainingFlags = PipeTrainingFlags()
    printing: PrintingFlags
    values: ValueFlags
    pictures: LayerPictureFlags
    batch: BatchFlags
    backend: BackendFlags
    export: ExportFlags
    definition: DefinitionFlags = DefinitionFlags()
    steps: Sequence[LayerStep] = ()

    @property
    def wants_program(self) -> bool:
        """Whether a program is printed, and nothing run."""
        return self.recipe.keras or self.recipe.torch

    def more_roles(self) -> Iterator[Role]:
        """List the files that flags of the steps name."""
        if self.recipe.recipe is not None:
            yield Role("--recipe", self.recipe.recipe)
        if self.recipe.save_recipe is not None:
            yield Role("--save-recipe", self.recipe.save_recipe, written=True)
        for step in self.steps:
            yield from step_roles(step)

    @property
    def needs_no_data(self) -> bool:
        """Whether what is asked for can be made of a shape alone."""
        return self.recipe.keras or self.recipe.torch or self.export.export is not None

    @property
    def synced(self) -> bool:
        """Whether files are on the disk before they get their names: where a run relies on them."""
        in_place = any(step.flags.weights.in_place for step in self.steps)
        return super().synced or (self.outputs.sync is None and in_place)


def step_roles(step: LayerStep) -> Iterator[Role]:
    """List the files that the flags of a step name.

    Args:
        step: The step.

    Yields:
        A role for each file.
    """
    flags, weights = step.flags, step.flags.weights
    where = f"in {step.title}"
    if weights.weights is not None:
        yield Role(f"--weights {where}", str(weights.file), updated=True)
    if flags.config.config is not None:
        yield Role(f"--config {where}", flags.config.config)
    if (mask := flags.mask.mask) is not None:
        yield Role(f"--mask {where}", source_path(mask) or mask)
    if weights.save_weights is not None:
        yield Role(f"--save-weights {where}", weights.save_weights, written=True, updated=True)
