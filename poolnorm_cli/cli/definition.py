"""A layer's definition in other words: Keras' and torch's calls, and Keras' config."""

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from poolnorm_cli.cli.flag_groups import Given, Inputs, Outputs, Printing, Training
from poolnorm_cli.cli.options import Option
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from poolnorm_cli.shapes import Ints

_PANEL = "Other frameworks"
LARGEST_CONFIG = 1 << 20


@frozen(kw_only=True)
class Definition:
    """How the layer is given besides flags, and how it is told."""

    config: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Take the parameters from the JSON of Keras' get_config().",
            rich_help_panel=_PANEL,
        ),
    ] = None
    save_config: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Write the JSON from which Keras' from_config() makes the layer.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    keras: Annotated[
        bool,
        Option(
            "--keras",
            help="Print a program that gives the same output in Keras, and do nothing else.",
            rich_help_panel=_PANEL,
        ),
    ] = False
    torch: Annotated[
        bool,
        Option(
            "--torch",
            help="Print a program that gives the same output in torch, and do nothing else.",
            rich_help_panel=_PANEL,
        ),
    ] = False


def read_config(kind: type[Layer], file: str) -> dict[str, Any]:
    """Read the parameters of a layer from a config in JSON.

    Raises:
        InputError: It cannot be read, or a value is not of the parameter's type.
        UsageError: It is of another class, or has a parameter that the layer has not.
    """
    from poolnorm_cli.layers.keras.config import from_config
    from poolnorm_cli.weights.untrusted import parse, whole

    span = whole(file)
    text = span.at(0, min(span.size, LARGEST_CONFIG + 1))
    return from_config(kind, parse(text, file, largest=LARGEST_CONFIG), file)


@contextmanager
def saved_config(layer: Layer, given: Given, word: str) -> "Iterator[Callable[[], None]]":
    """Write the config, where that is wanted: whole or not at all.

    Args:
        layer: The layer.
        given: The flags.
        word: The first input.

    Yields:
        What gives the file its name, to be called once nothing is refused any more.

    Raises:
        UsageError: Keras 3 has no such layer, or the file is there.
        OutputError: It cannot be written.
    """
    file = given[Definition].save_config
    if file is None:
        yield _nothing
        return
    import json

    from poolnorm_cli.layers.keras.config import keras_config
    from poolnorm_cli.tensors.atomic import AtomicFile

    config = keras_config(layer, _input_shape(layer, given, word, "--save-config"))
    outputs = given[Outputs]
    output = AtomicFile(file, overwrite=outputs.overwrite, sync=bool(outputs.sync))
    try:
        output.write(json.dumps(config, indent=2, allow_nan=False).encode() + b"\n")
        yield output.commit
    finally:
        output.discard()


def only_a_call(layer: Layer, given: Given, words: "Sequence[str]") -> bool:
    """Print the programs that are wanted, and say whether that is all there is to do.

    Args:
        layer: The layer.
        given: The flags.
        words: The inputs; programs are for the first one.

    Raises:
        UsageError: A framework has no such layer, or an output is wanted too.
    """
    wanted = given[Definition]
    flag = "--keras" if wanted.keras else "--torch"
    if not (wanted.keras or wanted.torch):
        return False
    outputs, training = given[Outputs], given[Training].training
    if outputs.output is not None or outputs.output_dir is not None:
        raise UsageError(f"{flag} with an output", f"{flag} prints and runs nothing: leave one out")
    if len(words) > 1 and layer.is_synchronized(training=training):
        raise UsageError(f"{flag} with --synchronized and {len(words)} inputs", "give one input")
    _input_shape(layer, given, words[0], flag)
    from poolnorm_cli.cli.programs import programs

    _print(programs(layer, given, words[0]), as_json=given[Printing].json)
    return True


def _input_shape(layer: Layer, given: Given, word: str, flag: str) -> "Ints":
    """Return the shape of an input, once the layer has said that it can take it.

    Raises:
        UsageError: It comes from standard input, or the layer cannot take it.
        InputError: It cannot be read.
    """
    from poolnorm_cli.tensors.names import STDIN
    from poolnorm_cli.tensors.sources import open_tensors

    # A pipe can be read once, and holds something else the next time.
    if word == STDIN or (os.path.exists(word) and not os.path.isfile(word)):  # noqa: PTH110, PTH113
        raise UsageError(
            f"{flag} for {'standard input' if word == STDIN else 'a pipe'}",
            "name a file of that shape as the input",
        )
    shape = next(open_tensors(word, given[Inputs].key, True)).shape  # noqa: FBT003
    layer.output_shape(shape)
    return shape


def _print(calls: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        import json

        json.dump({"schema": 1, **calls}, sys.stdout)
        print()
        return
    print("\n\n".join(calls.values()))


def _nothing() -> None:
    """Keep nothing."""
