"""What a run would do to an input, from its header alone."""

from typing import TYPE_CHECKING

from poolnorm_cli.engine.memory_estimate import memory_of
from poolnorm_cli.errors import error_context
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.batch.plan import Plan
    from poolnorm_cli.engine.job import Job


@frozen
class Estimate:
    """What would be done to one tensor.

    Attributes:
        input: Its name.
        output: Where the output would go; None where nowhere.
        input_shape: Its shape.
        output_shape: Shape of the output.
        input_dtype: Its dtype.
        dtype: Dtype of the output.
        nbytes: Bytes of the output's values.
        memory: About the largest number of bytes that a process would have.
    """

    input: str
    output: str | None
    input_shape: Ints
    output_shape: Ints
    input_dtype: str
    dtype: str
    nbytes: int
    memory: int


def estimates(plan: "Plan", job: "Job", item: "Input") -> "Iterator[Estimate]":
    """Say what would be done to the tensors of an item; those on standard input are not read.

    Raises:
        PoolnormError: What the run would raise for the headers.
    """
    for tensor in plan.tensors(item):
        with error_context(tensor.name):
            if item.target is not None:
                job.require_room(item.target, tensor)
            run = job.expect(tensor)
        yield Estimate(
            input=tensor.name,
            output=item.place,
            input_shape=tensor.shape,
            output_shape=run.output_shape,
            input_dtype=tensor.dtype.name,
            dtype=run.result,
            nbytes=run.output_bytes,
            memory=memory_of(run, tensor),
        )
