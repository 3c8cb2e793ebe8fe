"""`pipe --keras` and `pipe --torch`: the program of a model that gives what the steps give."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolnorm_cli.cli.checkpoint import Checkpoint, find_entry
from poolnorm_cli.cli.exporting import input_shape
from poolnorm_cli.cli.layer_report import emit_programs
from poolnorm_cli.cli.pipe_flags import PipeFlags
from poolnorm_cli.cli.pipe_setup import MadeStep, pipeline_of_steps
from poolnorm_cli.cli.programs import Given, input_text, setting_of
from poolnorm_cli.engine.step_tensor import VirtualTensor
from poolnorm_cli.engine.training import with_constants
from poolnorm_cli.errors import UsageError, error_context
from poolnorm_cli.layers.programs.pipeline import keras_pipeline, torch_pipeline
from poolnorm_cli.layers.programs.program import Placed
from poolnorm_cli.tensors.dtypes import DTYPES


if TYPE_CHECKING:
    from poolnorm_cli.tensors.sources import FirstInput
    from poolnorm_cli.tensors.tensor import Tensor


def print_pipe_programs(made: Sequence[MadeStep], flags: PipeFlags, first: "FirstInput") -> None:
    """Print the programs that are wanted.

    Args:
        made: The steps.
        flags: What was typed.
        first: The first input, which programs are for.

    Raises:
        PoolnormError: A framework has no such layer, a file cannot be read, or an output is wanted
            too.
    """
    wanted = flags.recipe
    flag, outputs = "--keras" if wanted.keras else "--torch", flags.outputs
    if outputs.output is not None or outputs.output_dir is not None:
        raise UsageError(f"{flag} with an output", f"{flag} prints and runs nothing: leave one out")
    input_shape(pipeline_of_steps(made), first, flag)
    placed = _placed(made, flags, first.tensors()[0])
    written = {}
    if wanted.keras:
        written["keras"] = keras_pipeline(placed)
    if wanted.torch:
        written["torch"] = torch_pipeline(placed)
    if flags.inputs.unbatched:
        written = {name: f"{text.rstrip()}\ny = y[0]" for name, text in written.items()}
    emit_programs(written, flags.printing.style())


def _placed(made: Sequence[MadeStep], flags: PipeFlags, tensor: "Tensor") -> list[Placed]:
    """Return each layer with what its program is written for."""
    text, placed = input_text(tensor, flags), []
    dtypes = pipeline_of_steps(made).dtypes(tensor.dtype.name, flags.outputs.dtype)
    for each, dtype in zip(made, dtypes, strict=True):
        with error_context(each.step.title):
            layer, checkpoint = with_constants(each.step.layer), each.checkpoint
            file = each.flags.weights.weights
            if file is not None and checkpoint.entry is None:  # it is also written
                checkpoint = Checkpoint(entry=find_entry(type(layer), file))
            given = Given(tensor, text, dtype)
            context = setting_of(layer, checkpoint, each.flags, each.first, given)
            placed.append(Placed(each.step.title, layer, context))
            shape = layer.block_shape(tensor.shape, None)
        tensor = VirtualTensor(tensor, shape, DTYPES[dtype])
    return placed
