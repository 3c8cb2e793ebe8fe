"""Pictures of what goes into a layer and of what comes out, made while blocks go by."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from poolnorm_cli.engine.preview import Edges, FirstSample, Preview
from poolnorm_cli.engine.thumbnail import Painter, Thumbnail
from poolnorm_cli.engine.view import Wanted, view_of
from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.codecs import as_stored
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.tensor import RowRange, Tensor


if TYPE_CHECKING:
    from poolnorm_cli.engine.layer_pass import LayerPass


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


class Pictures:
    """Makes pictures of a tensor before and after a layer, for each of some sizes."""

    def __init__(
        self, plan: "LayerPass", wanted: Sequence[Wanted], *, unbatched: bool = False
    ) -> None:
        """Decide what is shown of both.

        Args:
            plan: The layer on the tensor.
            wanted: What of the tensor is to be shown, for each size.
            unbatched: The first axis is neither in the file of the input nor in the output.

        Raises:
            UsageError: It has no such sample or channel.
        """
        self._plan, self._first = plan, 1 if unbatched else 0
        before = [view_of(plan.shape, each) for each in wanted]
        self._inputs = [Painter(view) for view in before]
        after = [
            replace(_after(each, plan.shape, plan.output_shape), like=view)
            for each, view in zip(wanted, before, strict=True)
        ]
        self._outputs = [Painter(view_of(plan.output_shape, each)) for each in after]

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
        return PaintedOutput(self, preview), PaintedInput(self._inputs, first)

    def add_output(self, block: NDArray[Any]) -> None:
        """Take the next items of the output, in a block of any shape."""
        stored = as_stored(block, DTYPES[self._plan.result])
        for painter in self._outputs:
            painter.add(stored)

    def made(self, tensor: Tensor) -> tuple[tuple[Thumbnail, Thumbnail], ...]:
        """Return the pictures of the input and of the output, for each size."""
        plan, name = self._plan, self._plan.layer.call_text(self._plan.shape)
        shapes = plan.shape[self._first :], plan.output_shape[self._first :]
        return tuple(
            (
                before.thumbnail(tensor.name, shapes[0], tensor.dtype.name),
                after.thumbnail(name, shapes[1], plan.result),
            )
            for before, after in zip(self._inputs, self._outputs, strict=True)
        )


def _after(wanted: Wanted, before: Ints, after: Ints) -> Wanted:
    """Return what is to be shown of the output: the same sample, and channel if it has any."""
    sample = wanted.sample
    if len(before) > 2 and sample is None:
        sample = 0  # also of an output of rank 2, of which otherwise all samples are shown
    if before[:1] != after[:1]:
        sample = None
    channel = wanted.channel if len(after) > 2 else None
    return replace(wanted, sample=sample, channel=channel)
