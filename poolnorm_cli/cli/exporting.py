"""A layer in other forms, beside its run or instead: a graph, Keras' config, programs."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.tensors.names import STDIN, is_stream


if TYPE_CHECKING:
    from poolnorm_cli.cli.checkpoint import Checkpoint
    from poolnorm_cli.cli.layer_report import LayerReport
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.layers.pipeline import Pipeline
    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.sources import FirstInput
    from poolnorm_cli.tensors.tensor import Tensor


def only_a_graph(flags: LayerFlags) -> bool:
    """Whether the graph is all that is wanted: no output, no weights and no values."""
    outputs, values = flags.outputs, flags.values.values
    saved = outputs.output or outputs.output_dir or flags.weights.save_weights
    return not (saved or values)


@contextmanager
def exporting(flags: LayerFlags, job: "Job", first: "FirstInput") -> Iterator["Tensor"]:
    """Write the graph before the run, and give the file its name unless the run ends early.

    Args:
        flags: What was typed.
        job: What is run.
        first: The first input.

    Yields:
        The tensor for which the graph was made.

    Raises:
        PoolnormError: There can be no such graph, or the file cannot be written.
    """
    if first.word == STDIN or is_stream(first.word):
        raise UsageError("--export for standard input", "name a file of that shape as the input")
    from poolnorm_cli.engine.export import GraphOutput

    tensor = first.tensors()[0]
    command = command_of(job)
    file, outputs = str(flags.export.export), flags.outputs
    with GraphOutput(file, overwrite=outputs.overwrite, sync=bool(outputs.sync)) as output:
        output.write(job, tensor, flags.export.opset, command, flags.printing.notify_details)
        yield tensor
        output.commit()


def report_graph(flags: LayerFlags, job: "Job", tensor: "Tensor", reporter: "LayerReport") -> None:
    """Report a graph that was made without a run.

    Args:
        flags: What was typed.
        job: What the graph does.
        tensor: The tensor for which it was made.
        reporter: Told of it.
    """
    from poolnorm_cli.engine.outcome import Outcome
    from poolnorm_cli.tensors.shape_tensor import ShapeTensor

    run = job.plan_for(tensor)
    shape: Any = tensor.named if isinstance(tensor, ShapeTensor) else tensor.shape
    layers: Any = getattr(job, "pipeline", job.layer)
    result: Any = layers.output_shape(shape)
    reporter.done(
        Outcome(
            input=tensor.name,
            output=flags.export.export,
            input_shape=shape,
            output_shape=result,
            input_dtype=tensor.dtype.name,
            dtype=run.result,
            seconds=0.0,
            unbatched=job.unbatched,
        )
    )


def command_of(job: "Job") -> str:
    """Write the command that makes the layer of a job, or its steps, as a shell takes it."""
    from poolnorm_cli.engine.pipeline_job import PipelineJob

    if not isinstance(job, PipelineJob):
        return command_text(job.layer, training=job.training)
    steps = (command_text(own.layer, training=own.training) for _, own in job.steps)
    return " ! ".join(["poolnorm pipe", *(step.removeprefix("poolnorm ") for step in steps)])


def command_text(layer: Layer, *, training: bool) -> str:
    """Write the command that makes a layer, defaults left out.

    Args:
        layer: The layer.
        training: It is in training mode.

    Returns:
        The command, as a shell takes it.
    """
    import shlex

    words = ["poolnorm", *layer.words.split()]
    for parameter in layer.parameters():
        value = getattr(layer, parameter.name)
        if value != parameter.default:
            words += _flag(parameter.flag, value)
    return shlex.join([*words, "--training"] if training else words)


def _flag(flag: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return [flag, text]


@contextmanager
def saved_config(
    layer: Layer, flags: LayerFlags, first: "FirstInput"
) -> Iterator[Callable[[], None]]:
    """Write the config, where that is wanted: whole or not at all.

    Args:
        layer: The layer.
        flags: What was typed.
        first: The first input.

    Yields:
        What gives the file its name, to be called once nothing is refused any more.

    Raises:
        UsageError: Keras 3 has no such layer, or the file is there.
        OutputError: It cannot be written.
    """
    file = flags.definition.save_config
    if file is None:
        yield lambda: None
        return
    import json

    from poolnorm_cli.layers.keras.config import keras_config
    from poolnorm_cli.tensors.atomic import AtomicFile

    config = keras_config(layer, input_shape(layer, first, "--save-config"))
    outputs = flags.outputs
    output = AtomicFile(file, overwrite=outputs.overwrite, sync=bool(outputs.sync))
    try:
        output.write(json.dumps(config, indent=2, allow_nan=False).encode() + b"\n")
        yield output.commit
    finally:
        output.discard()


def print_programs(
    layer: Layer,
    checkpoint: "Checkpoint",
    flags: LayerFlags,
    words: Sequence[str],
    first: "FirstInput",
) -> None:
    """Print the programs that are wanted.

    Args:
        layer: The layer.
        checkpoint: Where its weights are.
        flags: What was typed.
        words: The inputs.
        first: The first of them, which programs are for.

    Raises:
        UsageError: A framework has no such layer, or an output is wanted too.
    """
    flag = "--keras" if flags.definition.keras else "--torch"
    outputs, training = flags.outputs, flags.training.training
    if outputs.output is not None or outputs.output_dir is not None:
        raise UsageError(f"{flag} with an output", f"{flag} prints and runs nothing: leave one out")
    together = isinstance(layer, Trainable) and layer.is_synchronized(training=training)
    if len(words) > 1 and together:
        raise UsageError(f"{flag} with --synchronized and {len(words)} inputs", "give one input")
    input_shape(layer, first, flag)
    from poolnorm_cli.cli.layer_report import emit_programs
    from poolnorm_cli.cli.programs import programs

    emit_programs(programs(layer, checkpoint, flags, first), flags.printing.style())


def input_shape(layer: "Layer | Pipeline", first: "FirstInput", flag: str) -> "Ints":
    """Return the shape of an input, once the layer has said that it can take it.

    Args:
        layer: The layer, or layers one after another.
        first: The input.
        flag: What it is wanted for, for the error.

    Returns:
        The shape.

    Raises:
        UsageError: It comes from standard input, or the layer cannot take it.
        InputError: It cannot be read.
    """
    name = first.word
    # A pipe can be read once, and holds something else the next time.
    if name == STDIN or (os.path.exists(name) and not os.path.isfile(name)):  # noqa: PTH110, PTH113
        raise UsageError(
            f"{flag} for {'standard input' if name == STDIN else 'a pipe'}",
            "name a file of that shape as the input",
        )
    shape = first.tensors()[0].shape
    layer.output_shape(shape)
    return shape
