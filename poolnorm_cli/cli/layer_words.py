"""A layer's command line read as a value, for verbs that are about a layer."""

from collections.abc import Callable, Sequence

import typer

from poolnorm_cli.cli.groups import Given
from poolnorm_cli.cli.verb_layer import add_layers, layer_command
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers import LAYERS
from poolnorm_cli.layers.base import Layer


def parse_layer(words: Sequence[str]) -> tuple[Layer, Given]:
    """Read `pool max x.npy --pool-size 3` as the command would, without running it.

    Raises:
        UsageError: It does not begin with a layer.
        TyperException: A flag or value is not one of the layer's.
    """
    families = list(dict.fromkeys(name.split()[0] for name in LAYERS))
    if not words or words[0] not in families:
        given = words[0] if words else ""
        raise UsageError(f"no layer {given!r}", f"give one of: {', '.join(LAYERS)}")
    read: list[tuple[Layer, Given]] = []

    def keep(layer: Layer, given: Given) -> None:
        read.append((layer, given))

    def make(name: str) -> Callable[..., None]:
        return layer_command(name, keep)

    app = typer.Typer()
    app.callback()(_nothing)
    add_layers(app, words[0], words[1:], make)
    app(list(words), prog_name="poolnorm", standalone_mode=False)
    return read[0]


def _nothing() -> None:
    """Keep Typer from making the one command the whole application."""
