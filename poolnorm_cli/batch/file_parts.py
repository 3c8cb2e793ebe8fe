"""A large `.npy` in parts along its batch axis, each read, computed and written apart.

The parts write disjoint ranges of one file, which gets its name when all are there. A part is a
power of two of grains long, so that the statistics of the parts fold to those of the whole.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from poolnorm_cli.batch.tasks import Result, Task, Work
from poolnorm_cli.engine.job import Job
from poolnorm_cli.engine.layer_pass import LayerPass
from poolnorm_cli.engine.training import BatchStatistics
from poolnorm_cli.errors import OutputError, error_context, reason_of
from poolnorm_cli.kernels.moments import grain_rows
from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.formats import format_of
from poolnorm_cli.tensors.npy import NpyTensor, RangeTensor
from poolnorm_cli.tensors.tensor import evenly
from poolnorm_cli.urls import is_url
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.batch.plan import Plan
    from poolnorm_cli.tensors.tensor import Tensor


SPLIT_BYTES = 128 << 20
"""A file from this size on is done in parts, where several can be done at once."""
PART_BYTES = 32 << 20


@frozen
class Part:
    """Some of the samples of a tensor, and where their outputs go.

    Attributes:
        start: The first sample of the inner pass.
        stop: The sample after the last.
        stamp: Size of the input and time of its last change, which every part has to find.
        file: The unfinished output; None to gather statistics.
        offset: Where in that file the outputs of the first sample of the tensor go.
    """

    start: int
    stop: int
    stamp: tuple[int, int]
    file: str | None = None
    offset: int = 0

    def perform(self, work: Work, task: Task) -> Result:
        """Gather the statistics of the part, or write its outputs.

        Raises:
            PoolnormError: The input cannot be read or has changed, or the output not be written.
        """
        (whole,) = work.plan.tensors(task.item)
        assert isinstance(whole, NpyTensor)  # noqa: S101 - only such a one is split
        with error_context(whole.name):
            run = work.job.plan_for(whole)
            part = RangeTensor(whole, run.inner.shape, (self.start, self.stop), self.stamp)
            if self.file is None:
                moments = run.moments(run.blocks(part))
                return Result(gathered=(BatchStatistics(run.shape, run.dtype, moments),))
            self._write(run, part, task, sync=work.plan.sync)
        return Result()

    def _write(self, run: LayerPass, part: "Tensor", task: Task, *, sync: bool) -> None:
        from poolnorm_cli.tensors.codecs import encode

        assert task.turns is not None and self.file is not None  # noqa: S101, PT018
        (turn,), dtype, inner = task.turns, DTYPES[run.result], run.inner
        run = replace(inner, first=self.start, step=turn.step)
        place = self.offset + self.start * prod(run.output_shape[1:]) * dtype.itemsize
        try:
            fd = os.open(self.file, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _unwritten(task, error) from error
        try:
            moments = inner.seen(turn.moments)
            for block in run.outputs(run.blocks(part), turn.weights, moments):
                data = encode(block, dtype).reshape(-1).view("u1").data
                while data:
                    count = os.pwrite(fd, data, place)
                    data, place = data[count:], place + count
            if sync:  # the machine that gives the file its name may be another
                os.fsync(fd)
        except OSError as error:
            raise _unwritten(task, error) from error
        finally:
            os.close(fd)


def _unwritten(task: Task, error: OSError) -> OutputError:
    return OutputError.at(str(task.item.target), reason_of(error), "")


def parts_of(plan: "Plan", job: Job, item: "Input") -> "tuple[NpyTensor, list[Part]] | None":
    """Cut an item into parts; None where it is small, or cannot be done apart.

    Raises:
        PoolnormError: The input cannot be read, or the layer cannot take it.
    """
    if item.streams or item.target is None or not _is_positional(item.target):
        return None
    if is_url(item.word) or is_url(item.target):
        return None
    if job.preview or job.explain or job.mask:
        return None
    if not _is_positional(item.word) or _size(item.word) < SPLIT_BYTES:
        return None
    (tensor,) = plan.tensors(item)
    assert isinstance(tensor, NpyTensor)  # noqa: S101 - of this suffix
    with error_context(tensor.name):
        run = job.plan_for(tensor)
        if not _apart(run, tensor):
            return None
    parts = list(_cut(run.inner.shape, tensor))
    return (tensor, parts) if len(parts) > 1 else None


def _apart(run: LayerPass, tensor: NpyTensor) -> bool:
    """Whether the samples of a tensor go through one by one, and lie one behind the other."""
    one_by_one = run.output_shape[:1] == run.shape[:1] and not run.interleaves
    return one_by_one and not tensor.header.fortran_order


def _cut(shape: Ints, tensor: NpyTensor) -> Iterator[Part]:
    """Cut a tensor, seen in the samples of the inner pass."""
    grain = grain_rows(shape[1:])
    size = max(prod(shape[1:]) * tensor.dtype.itemsize * grain, 1)
    rows = grain << max((PART_BYTES // size).bit_length() - 1, 0)
    for start, stop in evenly(shape[0], rows):
        yield Part(start, stop, tensor.stamp)


def _is_positional(name: str) -> bool:
    form = format_of(name)
    return form is not None and form.positional


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - for each of many files
    except (OSError, ValueError):
        return 0
