"""The file of a graph, around the run of its layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from poolnorm_cli.cli.backend_flags import command_text, detail
from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.errors import UsageError
from poolnorm_cli.tensors.names import STDIN, is_stream


if TYPE_CHECKING:
    from poolnorm_cli.cli.layer_report import LayerReport
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.tensors.sources import FirstInput
    from poolnorm_cli.tensors.tensor import Tensor


def only_a_graph(flags: LayerFlags) -> bool:
    """Whether the graph is all that is wanted: no output, no weights and no values."""
    outputs, values = flags.outputs, flags.values.values
    saved = outputs.output or outputs.output_dir or flags.weights.save_weights
    return bool(flags.export.export and not saved and not values)


@contextmanager
def exporting(flags: LayerFlags, job: "Job", first: "FirstInput") -> Iterator["Tensor | None"]:
    """Write the graph before the run, and give the file its name unless the run ends early.

    Args:
        flags: What a person typed.
        job: What is run.
        first: The first input.

    Yields:
        The tensor for which the graph was made; None where no graph is wanted.

    Raises:
        PoolnormError: There can be no such graph, or the file cannot be written.
    """
    file = flags.export.export
    if file is None:
        yield None
        return
    if first.word == STDIN or is_stream(first.word):
        raise UsageError("--export for standard input", "name a file of that shape as the input")
    from poolnorm_cli.engine.export import GraphOutput

    tensor = first.tensors()[0]
    command = command_text(job.layer, training=flags.training.training)
    outputs = flags.outputs
    with GraphOutput(file, overwrite=outputs.overwrite, sync=bool(outputs.sync)) as output:
        output.write(job, tensor, flags.export.opset, command, detail(flags.printing.verbose))
        yield tensor
        output.commit()


def report_graph(flags: LayerFlags, job: "Job", tensor: "Tensor", reporter: "LayerReport") -> None:
    """Report a graph that was made without a run."""
    from poolnorm_cli.engine.outcome import Outcome

    run = job.plan_for(tensor)
    reporter.done(
        Outcome(
            input=tensor.name,
            output=flags.export.export,
            input_shape=tensor.shape,
            output_shape=tuple(int(n or 0) for n in job.layer.output_shape(tensor.shape)),
            input_dtype=tensor.dtype.name,
            dtype=run.result,
            seconds=0.0,
        )
    )
