"""Layers of checkpoints, with their weights."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from poolnorm_cli.api.arguments import ArgumentError, in_python, python_errors, with_fix
from poolnorm_cli.api.layers import (
    BatchNormalization,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    RMSNormalization,
)
from poolnorm_cli.api.parameters import parameters_of
from poolnorm_cli.errors import UsageError
from poolnorm_cli.weights.formats import described, entry_for, only_entry
from poolnorm_cli.weights.stated_layer import assumptions, stated_layer


if TYPE_CHECKING:
    import os

    from poolnorm_cli.api.functions import LayerFunction
    from poolnorm_cli.weights.entry import Entry


_NORMALIZATIONS: tuple[type[LayerFunction], ...] = (
    BatchNormalization,
    LayerNormalization,
    GroupNormalization,
    InstanceNormalization,
    RMSNormalization,
)


def layer_from(
    reference: str | os.PathLike[str],
    kind: type[LayerFunction] | None = None,
    *,
    rank: int | None = None,
    **parameters: Any,
) -> LayerFunction:
    """Return a normalization layer of a checkpoint, with its weights.

    What the file leaves open, such as torch's epsilon, is a UserWarning.

    Args:
        reference: `FILE::LAYER`, or `FILE` where it holds one layer: of Keras, torch, ONNX and
            other files that `poolnorm info` lists.
        kind: Its class, where the file does not say.
        rank: Axes of the inputs, where a file counts the layer's axes from the first.
        parameters: What the file does not say, such as `epsilon` and `axis`.

    Returns:
        The layer; its weights are read when it is called.

    Raises:
        ArgumentError: There is no such layer, or several, or of another class, or the file is not
            certain of its parameters.
        DataError: The file cannot be read.
    """
    with python_errors():
        word = str(reference)
        entry = _of_rank(_entry_of(word, kind), rank)
        chosen = _class_of(entry, kind)
        own = parameters_of(chosen.layer_class(), chosen.__name__, (), parameters)
        layer, lacks_epsilon = stated_layer(chosen.layer_class(), own, entry)
    for line in assumptions(layer, entry, lacks_epsilon=lacks_epsilon, training=False):
        warnings.warn(in_python(line), stacklevel=2)
    return chosen.of(layer, entry)


def _entry_of(word: str, kind: type[LayerFunction] | None) -> Entry:
    """Return the layer of a file that was named, or the one that there is.

    Raises:
        UsageError: There is none, or there are several.
        InputError: It cannot be read, or be run.
    """
    entry = only_entry(word) if kind is None else entry_for(word, kind.layer_class())
    with entry.error_context():  # which refuses one that cannot be run at all
        return entry


def _of_rank(entry: Entry, rank: int | None) -> Entry:
    """Return the layer as it is for inputs of a rank.

    Raises:
        UsageError: It depends on the rank, which was not given, or cannot be that.
    """
    try:
        return entry.for_rank(rank)
    except UsageError as error:
        if rank is not None:
            raise
        raise with_fix(error, "give rank=, the number of axes of the inputs") from None


def _class_of(entry: Entry, kind: type[LayerFunction] | None) -> type[LayerFunction]:
    """Return the class of a layer in a file.

    Raises:
        ArgumentError: It is none of ours, or the file does not say.
    """
    if kind is not None:
        return kind
    fitting = [each for each in _NORMALIZATIONS if entry.serves(each.layer_class())]
    if not fitting:
        what = f"{described(entry)}, which none of the classes here is"
        raise ArgumentError.at(entry.place, what, "name another layer")
    if len(fitting) > 1 and entry.kind is None:
        names = " or ".join(each.__name__ for each in fitting)
        what = "the file does not say of which class it is"
        raise ArgumentError.at(entry.place, what, f"give kind={names}")
    return fitting[0]
