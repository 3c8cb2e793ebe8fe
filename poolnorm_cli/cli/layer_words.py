"""A layer's command line read as a value, for verbs that are about a layer."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from poolnorm_cli.cli.command import Command, Family
from poolnorm_cli.cli.groups import Given
from poolnorm_cli.cli.verb_layer import layer_command, layer_node
from poolnorm_cli.cli.verbs import LAYER_VERBS, execute
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers import LAYERS
from poolnorm_cli.layers.base import Layer


def parse_layer(words: Sequence[str]) -> tuple[Layer, Given]:
    """Read `pool max x.npy --pool-size 3` as the command would, without running it.

    Raises:
        UsageError: It does not begin with a layer, or a flag or value is not one of the layer's.
    """
    if not words or words[0] not in LAYER_VERBS:
        given = words[0] if words else ""
        raise UsageError(f"no layer {given!r}", f"give one of: {', '.join(LAYERS)}")
    read: list[tuple[Layer, Given]] = []

    def keep(layer: Layer, given: Given) -> int:
        read.append((layer, given))
        return 0

    def make(name: str) -> Command:
        return replace(layer_command(name), action=keep)

    execute(words, Family("", {verb: partial(layer_node, verb, make) for verb in LAYER_VERBS}))
    return read[0]
