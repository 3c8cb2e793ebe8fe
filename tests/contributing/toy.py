"""A toy format: arrays one after another, each a line of JSON and then its items in C order."""

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.tensors.array_writer import ArrayWriter
from poolnorm_cli.tensors.dtypes import DTYPES, DType
from poolnorm_cli.tensors.outputs import Output
from poolnorm_cli.tensors.tensor import Layout, Tensor


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from poolnorm_cli.tensors.atomic import AtomicFile
    from poolnorm_cli.tensors.files import ReadInto

MAGIC = b"TOY\n"
_SAVE = "write it again"


class ToyTensor(Tensor):
    """One array of a `.toy` file."""

    path: "Path | str"

    def __init__(self, path: "Path | str", name: str, key: str, layout: Layout, start: int) -> None:
        """Remember where the items begin."""
        super().__init__(f"{name}::{key}", layout, path=path, key=key)
        self._start = start

    @contextmanager
    def data(self) -> "Iterator[ReadInto]":
        """Open the file for one pass."""
        with open(self.path, "rb") as file:  # noqa: PTH123 - the path may be a string
            file.seek(self._start)
            yield file.readinto


def open_file(
    path: "Path | str",
    name: str,
    key: str | None = None,
    *,
    bfloat16: bool = False,
) -> list[ToyTensor]:
    """Return the arrays of a `.toy` file, or the one of a name."""
    del bfloat16
    found = []
    with open(path, "rb") as file:  # noqa: PTH123
        if file.read(len(MAGIC)) != MAGIC:
            raise InputError.at(name, "not a .toy file", _SAVE)
        size = file.seek(0, 2)
        file.seek(len(MAGIC))
        while line := file.readline():
            try:
                told = json.loads(line)
                layout = Layout(tuple(told["shape"]), DTYPES[told["dtype"]])
            except (ValueError, KeyError):
                raise InputError.at(name, "a damaged line", _SAVE) from None
            tensor = ToyTensor(path, name, told["key"], layout, file.tell())
            if file.seek(tensor.nbytes, 1) > size:
                raise tensor.truncated(size - tensor.nbytes)
            found.append(tensor)
    if key is None:
        return found
    wanted = [tensor for tensor in found if tensor.key == key]
    if not wanted:
        there = ", ".join(str(tensor.key) for tensor in found)
        raise InputError.at(name, f"no array {shown(key)}", f"there are: {there}")
    return wanted


class ToyOutput(Output):
    """A `.toy` file."""

    def __init__(self, target: str, file: "AtomicFile") -> None:
        """Write to `file`."""
        super().__init__(target)
        self._file, self._count = file, 0
        self._file.write(MAGIC)

    def _begin(
        self, key: str | None, shape: tuple[int, ...], dtype: DType, *, compressed: bool
    ) -> ArrayWriter:
        del compressed
        told = {"key": key or f"arr_{self._count}", "shape": shape, "dtype": dtype.name}
        self._count += 1
        header = json.dumps(told).encode() + b"\n"
        return ArrayWriter(self.target, shape, dtype, self._file.write, header=header)

    def _publish(self) -> None:
        self._file.commit()

    def discard(self) -> None:
        """Let the unfinished file go."""
        self._file.discard()


def open_writer(target: str, file: Any) -> Output:
    """Return what writes a `.toy` to an open file."""
    return ToyOutput(target, file)
