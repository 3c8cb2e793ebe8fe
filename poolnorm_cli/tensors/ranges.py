"""Some of the samples of a `.npy` file."""

from __future__ import annotations

import os
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING

from poolnorm_cli.tensors.messages import bad_input
from poolnorm_cli.tensors.npy import NpyTensor, opened, same_file
from poolnorm_cli.tensors.tensor import Tensor


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.tensor import ReadInto


class RangeTensor(Tensor):
    """Consecutive samples of the array of a C-ordered `.npy` file, as a tensor of their own."""

    def __init__(
        self, whole: NpyTensor, shape: Ints, samples: tuple[int, int], stamp: tuple[int, int]
    ) -> None:
        """Take some samples.

        Args:
            whole: The array.
            shape: A shape of as many items in which it is seen, samples first.
            samples: The first one, and the one after the last.
            stamp: What `whole.stamp` was where the range was decided on.

        Raises:
            InputError: The file is another one by now.
        """
        if whole.stamp != stamp:
            raise bad_input(whole.name, "changed while reading", "wait until its writer is done")
        bfloat16 = whole.dtype.name == "bfloat16"
        super().__init__(whole.name, whole.header, path=whole.path, bfloat16=bfloat16)
        start, stop = samples
        row = prod(shape[1:]) * whole.dtype.itemsize
        self.shape = (stop - start, *shape[1:])
        self.nbytes = (stop - start) * row
        self._whole, self._place = whole, whole.header.size + start * row

    @contextmanager
    def data(self) -> Iterator[ReadInto]:
        """Open the file for one pass over the samples."""
        whole = self._whole
        with opened(whole.path, self.name) as fd:
            same_file(fd, whole.file, self.name)
            os.lseek(fd, self._place, os.SEEK_SET)
            yield lambda view: os.readv(fd, [view])
            same_file(fd, whole.file, self.name)
