"""The file of a graph, around the run of its layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from poolnorm_cli.cli.backend_flags import Export, command_text, detail
from poolnorm_cli.cli.flag_groups import (
    Given,
    Inputs,
    Outputs,
    Printing,
    Training,
    Values,
    WeightFiles,
)
from poolnorm_cli.errors import UsageError
from poolnorm_cli.tensors.names import is_stream
from poolnorm_cli.tensors.sources import open_tensors


if TYPE_CHECKING:
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.report.reporter import Reporter
    from poolnorm_cli.tensors.tensor import Tensor


def only_a_graph(given: Given) -> bool:
    """Whether the graph is all that is wanted: no output, no weights and no values."""
    outputs, values = given[Outputs], given[Values].values
    saved = outputs.output or outputs.output_dir or given[WeightFiles].save_weights
    return bool(given[Export].export and not saved and not values)


@contextmanager
def exporting(given: Given, job: "Job", word: str) -> Iterator["Tensor | None"]:
    """Write the graph before the run, and give the file its name unless the run ends early.

    Args:
        given: The flags.
        job: What is run.
        word: The first input.

    Yields:
        The tensor for which the graph was made; None where no graph is wanted.

    Raises:
        PoolnormError: There can be no such graph, or the file cannot be written.
    """
    file, inputs = given[Export].export, given[Inputs]
    if file is None:
        yield None
        return
    if word == "-" or is_stream(word):
        raise UsageError("--export for standard input", "name a file of that shape as the input")
    from poolnorm_cli.engine.export import GraphOutput

    tensor = next(open_tensors(word, inputs.key, given[Outputs].dtype == "bfloat16"))
    command = command_text(job.layer, training=given[Training].training)
    outputs = given[Outputs]
    with GraphOutput(file, overwrite=outputs.overwrite, sync=bool(outputs.sync)) as output:
        output.write(job, tensor, given[Export].opset, command, detail(given[Printing].verbose))
        yield tensor
        output.commit()


def report_graph(given: Given, job: "Job", tensor: "Tensor", reporter: "Reporter") -> None:
    """Report a graph that was made without a run."""
    from poolnorm_cli.engine.outcome import Outcome

    run = job.plan_for(tensor)
    reporter.done(
        Outcome(
            input=tensor.name,
            output=given[Export].export,
            input_shape=tensor.shape,
            output_shape=tuple(int(n or 0) for n in job.layer.output_shape(tensor.shape)),
            input_dtype=tensor.dtype.name,
            dtype=run.result,
            seconds=0.0,
        )
    )
