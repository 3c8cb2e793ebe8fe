"""The layer verbs: `pool`, `gpool`, `bn`, `ln`, and whatever else `LAYERS` names."""

from collections.abc import Callable, Sequence

import typer

from poolnorm_cli.cli.batch_flags import Batch, FileInputs
from poolnorm_cli.cli.checkpoint import made_of_files
from poolnorm_cli.cli.definition import Definition
from poolnorm_cli.cli.engine import Engine, Export
from poolnorm_cli.cli.flags import command
from poolnorm_cli.cli.fold_flags import Folding
from poolnorm_cli.cli.groups import (
    Given,
    Mask,
    Outputs,
    Printing,
    Training,
    Values,
    WeightFiles,
)
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.base import Layer


_FAMILIES = {
    "pool": "Pool below a sliding window: MaxPooling and AveragePooling, 1D to 3D.",
    "apool": "Pool to a size: AdaptiveMaxPooling and AdaptiveAveragePooling, 1D to 3D.",
    "gpool": "Pool over all of space: GlobalMaxPooling and GlobalAveragePooling, 1D to 3D.",
}


def add(app: typer.Typer, verb: str, words: Sequence[str]) -> None:
    """Add a layer verb to the application, with the one kind that `words` name or with all."""
    add_layers(app, verb, words, _layer_command)


def add_layers(
    app: typer.Typer,
    verb: str,
    words: Sequence[str],
    make: Callable[[str], Callable[..., None]],
) -> None:
    """Add a command for a layer, or a group of commands for the layers of a family."""
    kinds = [name.split()[1] for name in LAYERS if name.startswith(f"{verb} ")]
    if not kinds:
        app.command(verb)(make(verb))
        return
    family = typer.Typer()
    for kind in [word for word in words[:1] if word in kinds] or kinds:
        family.command(kind)(make(f"{verb} {kind}"))
    app.add_typer(family, name=verb, help=_FAMILIES[verb])


def _layer_command(name: str) -> Callable[..., None]:
    return layer_command(name, _run)


def layer_command(name: str, action: Callable[[Layer, Given], None]) -> Callable[..., None]:
    """Make the function of the command of a layer, which does `action` with what it was given."""
    layer = find(*name.split())
    groups: list[type] = [FileInputs, Outputs, Printing, Values, Engine, Export, Definition, Batch]
    if layer.has_weights:
        groups.append(WeightFiles)
    if layer.has_training:
        groups.append(Training)
    if layer.folds:
        groups.append(Folding)
    if layer.accepts_mask:
        groups.append(Mask)
    example = " ".join(["poolnorm", name, "x.npy", *layer.example.split(), "-o", "y.npy"])
    text = f"{layer.__doc__}\n\nExample: {example}"
    return command(action, layer, groups, text, made_of_files)


def _run(layer: Layer, given: Given) -> None:
    if given[Folding].fold:
        from poolnorm_cli.cli.run_fold import run_fold

        raise typer.Exit(run_fold(layer, given))
    from poolnorm_cli.cli.run_layer import run_layer

    raise typer.Exit(run_layer(layer, given))
