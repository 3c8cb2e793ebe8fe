"""A layer's definition in other words: Keras' and torch's calls, and Keras' config."""

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.sizes import LARGEST_CONFIG_BYTES


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from poolnorm_cli.cli.checkpoint import Checkpoint
    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.sources import FirstInput


def read_config(kind: type[Layer], file: str) -> dict[str, Any]:
    """Read the parameters of a layer from a config in JSON.

    Raises:
        InputError: It cannot be read, or a value is not of the parameter's type.
        UsageError: It is of another class, or has a parameter that the layer has not.
    """
    from poolnorm_cli.layers.keras.config import from_config
    from poolnorm_cli.weights.untrusted import read_json

    return from_config(kind, read_json(file, LARGEST_CONFIG_BYTES), file)


@contextmanager
def saved_config(
    layer: Layer, flags: LayerFlags, first: "FirstInput"
) -> "Iterator[Callable[[], None]]":
    """Write the config, where that is wanted: whole or not at all.

    Args:
        layer: The layer.
        flags: What a person typed.
        first: The first input.

    Yields:
        What gives the file its name, to be called once nothing is refused any more.

    Raises:
        UsageError: Keras 3 has no such layer, or the file is there.
        OutputError: It cannot be written.
    """
    file = flags.definition.save_config
    if file is None:
        yield _nothing
        return
    import json

    from poolnorm_cli.layers.keras.config import keras_config
    from poolnorm_cli.tensors.atomic import AtomicFile

    config = keras_config(layer, _input_shape(layer, first, "--save-config"))
    outputs = flags.outputs
    output = AtomicFile(file, overwrite=outputs.overwrite, sync=bool(outputs.sync))
    try:
        output.write(json.dumps(config, indent=2, allow_nan=False).encode() + b"\n")
        yield output.commit
    finally:
        output.discard()


def only_a_call(
    layer: Layer,
    checkpoint: "Checkpoint",
    flags: LayerFlags,
    words: "Sequence[str]",
    first: "FirstInput",
) -> bool:
    """Print the programs that are wanted, and say whether that is all there is to do.

    Args:
        layer: The layer.
        checkpoint: Where its weights are.
        flags: What a person typed.
        words: The inputs.
        first: The first of them, which programs are for.

    Raises:
        UsageError: A framework has no such layer, or an output is wanted too.
    """
    wanted = flags.definition
    flag = "--keras" if wanted.keras else "--torch"
    if not (wanted.keras or wanted.torch):
        return False
    outputs, training = flags.outputs, flags.training.training
    if outputs.output is not None or outputs.output_dir is not None:
        raise UsageError(f"{flag} with an output", f"{flag} prints and runs nothing: leave one out")
    together = isinstance(layer, Trainable) and layer.is_synchronized(training=training)
    if len(words) > 1 and together:
        raise UsageError(f"{flag} with --synchronized and {len(words)} inputs", "give one input")
    _input_shape(layer, first, flag)
    from poolnorm_cli.cli.layer_report import emit_programs
    from poolnorm_cli.cli.programs import programs

    emit_programs(programs(layer, checkpoint, flags, first), flags.printing.style())
    return True


def _input_shape(layer: Layer, first: "FirstInput", flag: str) -> "Ints":
    """Return the shape of an input, once the layer has said that it can take it.

    Raises:
        UsageError: It comes from standard input, or the layer cannot take it.
        InputError: It cannot be read.
    """
    from poolnorm_cli.tensors.names import STDIN

    word = first.word
    # A pipe can be read once, and holds something else the next time.
    if word == STDIN or (os.path.exists(word) and not os.path.isfile(word)):  # noqa: PTH110, PTH113
        raise UsageError(
            f"{flag} for {'standard input' if word == STDIN else 'a pipe'}",
            "name a file of that shape as the input",
        )
    shape = first.tensors()[0].shape
    layer.output_shape(shape)
    return shape


def _nothing() -> None:
    """Keep nothing."""
