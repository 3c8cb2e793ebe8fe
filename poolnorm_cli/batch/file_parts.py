"""A large `.npy` in parts along its batch axis, each read, computed and written apart.

The parts write disjoint ranges of one file, which gets its name when all are there. A part is a
power of two of grains long, so that the statistics of the parts fold to those of the whole.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING

from poolnorm_cli.engine.buffer_pass import BufferPass
from poolnorm_cli.engine.training_step import BatchStatistics, TrainingStep
from poolnorm_cli.errors import OutputError, error_context, reason_of
from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import PART_BYTES, SPLIT_BYTES
from poolnorm_cli.strips import grain_rows
from poolnorm_cli.tensors.array_writer import ArrayWriter
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.files import Version, stamp_of, write_all_at
from poolnorm_cli.tensors.formats import format_of
from poolnorm_cli.tensors.npy import NpyTensor, RangeTensor
from poolnorm_cli.tensors.tensor import even_ranges
from poolnorm_cli.urls import is_url
from poolnorm_cli.values import frozen, replace


if TYPE_CHECKING:
    from poolnorm_cli.batch.inputs import Input, Reading
    from poolnorm_cli.engine.batch_job import BatchJob
    from poolnorm_cli.engine.blocks import BlockPlan
    from poolnorm_cli.engine.buffer_job import BufferJob
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.tensors.tensor import Tensor


@frozen
class Part:
    """Some of the samples of a tensor, and where their outputs go.

    Attributes:
        start: The first sample of the inner pass.
        stop: The sample after the last.
        version: Size of the input and time of its last change, which every part has to find.
        file: The unfinished output; None to gather statistics.
        offset: Where in that file the outputs of the first sample of the tensor go.
    """

    start: int
    stop: int
    version: Version
    file: str | None = None
    offset: int = 0

    def gather(self, job: "Job", whole: "Tensor") -> BatchStatistics:
        """Gather the statistics of the part.

        Args:
            job: What is done to the tensor.
            whole: The tensor that the part is of.

        Returns:
            Shape and dtype of the whole tensor, and the statistics of the part.

        Raises:
            PoolnormError: The input cannot be read or has changed.
        """
        with error_context(whole.name):
            run = job.plan_for(whole)
            return BatchStatistics(
                run.shape, run.dtype, run.moments(run.blocks(self._of(run, whole)))
            )

    def write(
        self,
        job: "Job | BufferJob",
        whole: "Tensor",
        step: TrainingStep,
        target: str,
        *,
        sync: bool,
    ) -> None:
        """Write the outputs of the part to their place in the unfinished output.

        Args:
            job: What runs the tensor.
            whole: The tensor that the part is of.
            step: The weights and the statistics of the whole tensor.
            target: The name that the output is going to have, for errors.
            sync: What is written is to be on the disk.

        Raises:
            PoolnormError: The input cannot be read or has changed, or the output not be written.
        """
        with error_context(whole.name):
            run = job.plan_for(whole)
            part = self._of(run, whole)
            try:
                with _opened(str(self.file)) as fd:
                    writer = self._writer(fd, run.of_parts, target)
                    if isinstance(run, BufferPass):
                        run.write_outputs(part, writer)
                    else:
                        from poolnorm_cli.engine.streaming import write_blocks

                        inner = replace(run.inner, first_sample=self.start, step=step.step)
                        write_blocks(inner, None, step, part, writer)
                    writer.close()
                    if sync:  # the machine that gives the file its name may be another
                        os.fsync(fd)
            except OSError as error:
                raise OutputError.at(target, reason_of(error)) from error

    def _writer(self, fd: int, plan: "BlockPlan", target: str) -> ArrayWriter:
        """Return what writes the outputs of the part, in order or each where it belongs."""
        shape, dtype = plan.output_shape[1:], DTYPES[plan.result]
        start = self.offset + self.start * prod(shape) * dtype.itemsize
        done = 0

        def append(data: memoryview | bytes) -> None:
            nonlocal done
            write_all_at(fd, data, start + done)
            done += len(data)

        return ArrayWriter(
            target,
            (self.stop - self.start, *shape),
            dtype,
            append,
            header=b"",
            patch=lambda data, place: write_all_at(fd, data, start + place),
        )

    def _of(self, run: "BlockPlan", whole: "Tensor") -> RangeTensor:
        assert isinstance(whole, NpyTensor)  # noqa: S101 - only such a one is split
        return RangeTensor(whole, run.of_parts.shape, (self.start, self.stop), self.version)


@contextmanager
def _opened(file: str) -> Iterator[int]:
    fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def parts_of(
    reading: "Reading", job: "Job | BatchJob", item: "Input"
) -> "tuple[NpyTensor, list[Part]] | None":
    """Cut an input into parts; None where it is small, or cannot be done apart.

    Args:
        reading: How it is read.
        job: What is done to it.
        item: The input.

    Returns:
        Its only tensor, and the parts of that in order.

    Raises:
        PoolnormError: The input cannot be read, or the layer cannot take it.
    """
    if item.uses_stream or item.target is None or not _is_positional(item.target):
        return None
    if is_url(item.word) or is_url(item.target):
        return None
    if not job.is_divisible:
        return None
    if not _is_positional(item.word) or _size(item.word) < SPLIT_BYTES:
        return None
    (tensor,) = reading.open(item)
    assert isinstance(tensor, NpyTensor)  # noqa: S101 - of this suffix
    with error_context(tensor.name):
        run = job.job_of(tensor).plan_for(tensor)
        if not _apart(run, tensor):
            return None
    parts = list(_cut(run.of_parts.shape, tensor))
    return (tensor, parts) if len(parts) > 1 else None


def _apart(run: "BlockPlan", tensor: NpyTensor) -> bool:
    """Whether the samples of a tensor go through one by one, and lie one behind the other."""
    one_by_one = run.output_shape[:1] == run.shape[:1] and not run.is_interleaved
    return one_by_one and not tensor.fortran_order


def _cut(shape: Ints, tensor: NpyTensor) -> Iterator[Part]:
    """Cut a tensor, seen in the samples of which parts are made."""
    grain = grain_rows(shape[1:])
    size = max(prod(shape[1:]) * tensor.dtype.itemsize * grain, 1)
    rows = grain << max((PART_BYTES // size).bit_length() - 1, 0)
    for start, stop in even_ranges(shape[0], rows):
        yield Part(start, stop, tensor.version)


def _is_positional(name: str) -> bool:
    form = format_of(name)
    return form is not None and form.positional


def _size(path: str) -> int:
    try:
        return stamp_of(path).size
    except (OSError, ValueError):
        return 0
