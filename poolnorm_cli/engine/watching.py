"""Pictures of what goes into a layer and of what comes out, made while blocks go by."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from poolnorm_cli.engine.preview import Edges, FirstSample, Preview
from poolnorm_cli.engine.thumbnail import Painter, Thumbnail
from poolnorm_cli.engine.view import Wanted, view_of
from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.codecs import as_stored
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.tensor import RowRange, Tensor
from poolnorm_cli.values import replace


class PaintedInput(FirstSample):
    """Paints the input while its blocks go by, and keeps the first sample where that is wanted."""

    def __init__(self, painters: Sequence[Painter], first: FirstSample | None) -> None:
        """Prepare to paint.

        Args:
            painters: Make the pictures.
            first: Keeps the first sample; None where nobody wants it.
        """
        super().__init__()
        self._painters, self._first = painters, first
        self.is_wanted = first is not None

    def watch(
        self, blocks: Iterator[NDArray[Any]], ranges: Iterable[RowRange], sample: Ints
    ) -> Iterator[NDArray[Any]]:
        """Pass blocks on, and paint what each has that none before it had.

        Args:
            blocks: Blocks of a tensor.
            ranges: First index and end of each.
            sample: Shape of a sample.

        Yields:
            The blocks as they are.
        """
        places = list(ranges)
        if self._first is not None:
            blocks = self._first.watch(blocks, places, sample)
        done = 0
        for block, (start, stop) in zip(blocks, places, strict=True):
            for painter in self._painters:
                painter.add(block[done - start :])
            done = stop
            yield block
        if self._first is not None:
            self.sample = self._first.sample


class PaintedOutput(Preview):
    """Paints the output, and keeps its edges where values are shown."""

    in_any_order = False

    def __init__(self, pictures: "Pictures", preview: Preview | None) -> None:
        """Prepare to paint.

        Args:
            pictures: Has what paints.
            preview: Keeps the edges; None where nobody wants them.
        """
        super().__init__((0,))
        self._pictures, self._preview = pictures, preview

    def add(self, block: NDArray[Any]) -> None:
        """Take the next items, in a block of any shape."""
        self._pictures.add_output(block)
        if self._preview is not None:
            self._preview.add(block)

    def edges(self, dtype: str) -> Edges | None:
        """Return what is shown of the tensor as values; None where nobody wants it."""
        return None if self._preview is None else self._preview.edges(dtype)

    def pictures(self, tensor: Tensor) -> tuple[tuple[Thumbnail, Thumbnail], ...]:
        """Return pictures of the input and of the output, for each size."""
        return self._pictures.made(tensor)


class Passage(NamedTuple):
    """What goes in and what comes out.

    Attributes:
        name: Of what is done, as one would type it in Keras.
        shape: Shape of the input.
        output_shape: Shape of the output.
        result: Name of the dtype of the output.
    """

    name: str
    shape: Ints
    output_shape: Ints
    result: str


class PaintSink:
    """Paints an array that is written."""

    def __init__(self, painters: Sequence[Painter]) -> None:
        """Hold what paints."""
        self._painters = painters

    def write(self, block: NDArray[Any]) -> None:
        """Take the next items."""
        for painter in self._painters:
            painter.add(block)

    def close(self) -> None:
        """Do nothing: a picture is asked for."""


class Pictures:
    """Makes pictures of a tensor before and after a layer, for each of some sizes."""

    def __init__(
        self, passage: Passage, wanted: Sequence[Wanted], *, unbatched: bool = False
    ) -> None:
        """Decide what is shown of both.

        Args:
            passage: What is done to the tensor.
            wanted: What of the tensor is to be shown, for each size.
            unbatched: The first axis is neither in the file of the input nor in the output.

        Raises:
            UsageError: It has no such sample or channel.
        """
        self._passage, self._first = passage, 1 if unbatched else 0
        before = [view_of(passage.shape, each) for each in wanted]
        after = [
            replace(_after(each, passage.shape, passage.output_shape), like=view)
            for each, view in zip(wanted, before, strict=True)
        ]
        self.inputs = [Painter(view) for view in before]
        self.outputs = [Painter(view_of(passage.output_shape, each)) for each in after]

    def watchers(
        self, preview: Preview | None, first: FirstSample | None
    ) -> tuple[PaintedOutput, PaintedInput]:
        """Return what paints while the layer runs, beside what else looks at its blocks.

        Args:
            preview: Keeps the edges of the output.
            first: Keeps the first sample of the input.

        Returns:
            What looks at the output, and at the input.
        """
        return PaintedOutput(self, preview), PaintedInput(self.inputs, first)

    def sinks(self) -> tuple[PaintSink, "_StoredSink"]:
        """Return what paints the input, and the output, where these are written."""
        return PaintSink(self.inputs), _StoredSink(self)

    def add_output(self, block: NDArray[Any]) -> None:
        """Take the next items of the output, in a block of any shape."""
        stored = as_stored(block, DTYPES[self._passage.result])
        for painter in self.outputs:
            painter.add(stored)

    def made(self, tensor: Tensor) -> tuple[tuple[Thumbnail, Thumbnail], ...]:
        """Return the pictures of the input and of the output, for each size."""
        name, *shapes, result = self._passage
        before, after = (shape[self._first :] for shape in shapes)
        return tuple(
            (
                given.thumbnail(tensor.name, before, tensor.dtype.name),
                done.thumbnail(name, after, result),
            )
            for given, done in zip(self.inputs, self.outputs, strict=True)
        )


class _StoredSink:
    """Paints an output, rounded to the dtype in which it is written."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def write(self, block: NDArray[Any]) -> None:
        self._pictures.add_output(block)

    def close(self) -> None:
        pass


def _after(wanted: Wanted, before: Ints, after: Ints) -> Wanted:
    """Return what is to be shown of the output: the same sample, and channel if it has any."""
    sample = wanted.sample
    if len(before) > 2 and sample is None:
        sample = 0  # also of an output of rank 2, of which otherwise all samples are shown
    if before[:1] != after[:1]:
        sample = None
    channel = wanted.channel if len(after) > 2 else None
    return replace(wanted, sample=sample, channel=channel)
