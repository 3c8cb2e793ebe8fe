"""Which verbs there are, and how a command line finds its way to one of them."""

import os
from collections.abc import Sequence
from functools import partial
from importlib import import_module

from poolnorm_cli.cli.command import Command, Family, Node


COMPLETE = "_POOLNORM_COMPLETE"
"""Variable of the environment by which a shell asks for completions."""
LAYER_VERBS = ("pool", "gpool", "apool", "bn", "ln", "gn", "in", "rms", "unit")
OTHER_VERBS = ("shape", "info", "generate", "compare", "doctor")


def _node(verb: str) -> Node:
    """Say what is below a verb; only that verb's module is imported, to keep the start short."""
    if verb in LAYER_VERBS:
        from poolnorm_cli.cli.verb_layer import layer_command, layer_node

        return layer_node(verb, layer_command)
    found: Node = import_module(f"poolnorm_cli.cli.verb_{verb}").NODE
    return found


ROOT = Family(
    "Apply Keras' pooling and normalization layers to .npy and .npz tensors.",
    {verb: partial(_node, verb) for verb in (*LAYER_VERBS, *OTHER_VERBS)},
)


def execute(words: Sequence[str], root: Family = ROOT) -> int:
    """Run a command line, and return its exit code.

    One that has nothing wrong with it needs no Typer.

    Raises:
        PoolnormError: It cannot be parsed, or whatever comes of it.
    """
    command, left = (None, words) if COMPLETE in os.environ else find(words, root)
    if command is not None:
        from poolnorm_cli.cli.fast_parser import read

        values = read(command, left)
        if values is not None:
            return command.run(values, values.keys())
    from poolnorm_cli.cli.typer_app import run

    return run(words, root)


def find(words: Sequence[str], root: Family) -> tuple[Command | None, Sequence[str]]:
    """Find the command that words begin with, and what is left of them."""
    found: Node = root
    while not isinstance(found, Command):
        if not words or words[0] not in found.members:
            return None, words
        found, words = found.members[words[0]](), words[1:]
    return found, words
