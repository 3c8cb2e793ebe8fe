"""Which verbs there are; each is a module that is imported when its word stands there."""

from functools import partial
from importlib import import_module

from poolnorm_cli.cli.command import LAYER_VERBS, Family, Node, layer_node


OTHER_VERBS = ("unpool", "pipe", "shape", "info", "show", "generate", "compare", "doctor", "help")


def _node(verb: str) -> Node:
    """Say what is below a verb; only that verb's module is imported, to keep the start short."""
    if verb in LAYER_VERBS:
        from poolnorm_cli.cli.verb_layer import layer_command

        return layer_node(verb, layer_command)
    found: Node = import_module(f"poolnorm_cli.cli.verb_{verb}").NODE
    return found


ROOT = Family(
    "Apply Keras' pooling and normalization layers to .npy and .npz tensors.",
    {verb: partial(_node, verb) for verb in (*LAYER_VERBS, *OTHER_VERBS)},
)
