"""A layer over an array in memory by compiled loops alone, as over a file's bytes.

A loop that is called on all of an array shares it out among threads by itself: those of Python wait
for each other at the interpreter's lock, and to be woken.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.backends import Backend
from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.buffer_pass import BufferPass
from poolnorm_cli.engine.buffer_strips import StripLoops
from poolnorm_cli.engine.layer_pass import LayerPass, Weights
from poolnorm_cli.engine.threads import ONE_THREAD, default_threads
from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.memory import Array
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.machine import processors
from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import ALONE_BYTES, GATHERED_BYTES, SPREAD_BYTES
from poolnorm_cli.strips import grain_rows
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.tensor import RowRange, even_ranges
from poolnorm_cli.values import cached_property, frozen, replace


if TYPE_CHECKING:
    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.kernels.native import LoopCall, LoopMaker
    from poolnorm_cli.kernels.training_loops import TrainingCall


@frozen(eq=False)
class ArrayLoops:
    """What loops do with arrays of one shape and dtype: it serves for each of them again.

    Attributes:
        run: The layer in inference, without weights.
        plan: The layer as it is called, of which the statistics are.
        threads: How many there may be.
    """

    run: BufferPass
    plan: LayerPass
    threads: int = 1

    @cached_property
    def inner(self) -> BufferPass:
        """The same in the samples that blocks are made of."""
        return self.run.inner

    @cached_property
    def ranges(self) -> list[RowRange]:
        """The samples of each block; where a call is a loop's, of each call."""
        samples = self.inner.shape[0]
        if self.is_direct:
            return list(even_ranges(samples, max(SPREAD_BYTES // max(self._bytes[0], 1), 1)))
        return list(self.inner.ranges(samples)[0])

    @cached_property
    def is_direct(self) -> bool:
        """Whether one call of a loop computes a block of any number of samples."""
        if self.run.is_direct:
            return True
        weights = {name: np.ones(shape).data for name, shape in self.weight_shapes.items()}
        return replace(self.inner, weights=weights).direct_call(self.inner.shape[0]) is not None

    @cached_property
    def maker(self) -> "LoopMaker | None":
        """What makes of weights the one call that computes all of an array; None without one.

        What is converted, a tile at a time, is one call of a small array alone.
        """
        inner, samples = self.inner, self.inner.shape[0]
        if len(self.ranges) > 1:
            return None
        if self.is_direct:
            return inner.layer.loop_maker(inner.shape, inner.dtype)
        if samples * self._bytes[0] >= ALONE_BYTES:
            return None

        def converting(weights: "Mapping[str, memoryview]") -> "LoopCall | None":
            return (replace(inner, weights=weights) if weights else inner).loop_call(samples)

        return converting

    @cached_property
    def weight_shapes(self) -> dict[str, Ints]:
        """Shapes of the weights."""
        return self.run.layer.weight_shapes(self.run.shape) if self.run.layer.weight_names else {}

    @cached_property
    def _gathering(self) -> tuple[LayerPass, int]:
        """What gathers statistics, and over how many samples at a time: whole grains.

        Loops that read items as they lie share them out by themselves, and take as many samples at
        a time as there may be; where blocks are converted before, threads of Python do.
        """
        inner = self.plan.inner
        if not self.plan.statistics_axes or inner.strips or not _is_gathered_as_it_lies(inner):
            return self.plan, inner.rows
        grain, size = (
            grain_rows(inner.shape[1:]),
            prod(inner.shape[1:]) * DTYPES[inner.dtype].itemsize,
        )
        rows = max(GATHERED_BYTES // max(size * grain, 1), 1) * grain
        return replace(self.plan, pool=ONE_THREAD), max(inner.rows, rows)

    def moments(self, x: Array) -> "Moments | None":
        """Gather the statistics of an array.

        Args:
            x: C-contiguous, of the shape and dtype of the run.

        Returns:
            The statistics; None where the layer needs none.
        """
        plan, rows = self._gathering
        if not plan.statistics_axes:
            return None
        with several_threads(self.threads):
            found = self._gathered_at_once(x)
            if found is not None:
                return found
            return plan.moments(plan.array_blocks(x, rows))

    @cached_property
    def batch_call(self) -> "TrainingCall | None":
        """The call that trains on all of an array at once; None where no loop serves."""
        plan, rows = self._gathering
        inner = plan.inner
        if plan.pool is not ONE_THREAD or rows < inner.shape[0] or self.maker is None:
            return None
        layer = inner.layer
        return layer.batch_call(inner.shape, inner.dtype) if isinstance(layer, Trainable) else None

    def batch_moments(self, found: Array) -> "Moments":
        """Return what `batch_call` has found, as `moments` gives it.

        Args:
            found: Means and sums of squared deviations of all channels.
        """
        from poolnorm_cli.kernels.moments import Moments

        axes = self.plan.statistics_axes
        shape = [1 if axis in axes else size for axis, size in enumerate(self.plan.shape)]
        mean, squares = found.reshape(2, *shape)
        return Moments(axes, prod(self.plan.shape) // mean.size, mean, squares)

    def _gathered_at_once(self, x: Array) -> "Moments | None":
        """Gather the statistics of an array by loops alone; None where they do not serve."""
        plan, rows = self._gathering
        inner = plan.inner
        if plan.pool is not ONE_THREAD or rows < inner.shape[0] or inner.ghost_batches > 1:
            return None
        from poolnorm_cli.kernels.gathering import whole_moments

        found = whole_moments(x.reshape(inner.shape), inner.statistics_axes)
        return found if inner is plan else plan.reshape_moments(found)

    def fill(self, x: Array, weights: Weights, y: Array) -> bool:
        """Compute an array.

        Args:
            x: C-contiguous, of the shape and dtype of the run.
            weights: What the layer names, in the shapes given there.
            y: C-contiguous, of the output's, which shares no memory with `x`.

        Returns:
            Whether `y` is filled; False where nothing was done.
        """
        if not (x.flags.aligned and y.flags.aligned and x.dtype.isnative and y.dtype.isnative):
            return False
        views = {name: np.ascontiguousarray(w, np.float64).data for name, w in weights.items()}
        if {name: view.shape for name, view in views.items()} != self.weight_shapes:
            return False
        inner = replace(self.inner, weights=views) if views else self.inner
        if any(inner.loop_call(count) is None for count in self._counts):
            return False
        (given, made), cells, out = self._bytes, _bytes_of(x), _bytes_of(y)

        def fill(rows: RowRange) -> None:
            start, stop = rows
            inner.compute_layer(
                cells[start * given : stop * given], out[start * made : stop * made], stop - start
            )

        if not self.is_direct:
            self.run.pool.for_each(fill, self.ranges)
            return True

        def filled(rows: RowRange) -> bool:
            start, stop = rows
            call = inner.loop_call(stop - start)
            parts = cells[start * given : stop * given], out[start * made : stop * made]
            return call is not None and call(*parts)

        with several_threads(self.threads):
            left = [rows for rows in self.ranges if not filled(rows)]
        for start, stop in left:  # there are values for which a block of it takes NumPy
            blocks = even_ranges(stop - start, inner.rows)
            self.run.pool.for_each(fill, [(start + first, start + last) for first, last in blocks])
        return True

    @cached_property
    def _counts(self) -> set[int]:
        return {stop - start for start, stop in self.ranges}

    @cached_property
    def _bytes(self) -> Ints:
        return self.inner.sample_bytes, self.inner.made_bytes


def fill_by_strips(plan: LayerPass, x: Array, y: Array, threads: int | None) -> bool:
    """Compute an array of which strips are parts of rows, each by a loop in all threads.

    Args:
        plan: The layer as it is called.
        x: C-contiguous, of the plan's shape and dtype.
        y: C-contiguous, of the output's.
        threads: How many there may be; None for the usual number.

    Returns:
        Whether `y` is filled; False where nothing was done.
    """
    strips = plan.inner.strips
    if plan.backend is not NUMPY or not strips or strips[0].place is None:
        return False
    inner = BufferPass(plan.layer, plan.shape, plan.dtype, plan.result).inner
    loops = inner.strip_loops if inner.strips == strips else None
    if not isinstance(loops, StripLoops) or not (x.flags.aligned and y.flags.aligned):
        return False
    if not (x.dtype.isnative and y.dtype.isnative):
        return False
    with several_threads(threads):
        loops.fill(_bytes_of(x), _bytes_of(y))
    return True


def plan_of(
    layer: Layer,
    shape: Ints,
    dtypes: tuple[str, str],
    backend: Backend,
    threads: int | None,
    *,
    training: bool,
) -> tuple[LayerPass, ArrayLoops | None]:
    """Return the plan for arrays, kept from the last calls: a program calls its layers again.

    Args:
        layer: The layer.
        shape: Shape of the array.
        dtypes: Names of its dtype and of the output's.
        backend: Computes the blocks.
        threads: How many there may be; None for the usual number.
        training: Use the statistics of the batch.

    Returns:
        The plan, and the loops that compute all of it without a mask, apart from statistics; None
        where none serve, as far as that does not depend on weights.

    Raises:
        UsageError: The layer does not take such an array.
    """
    what = layer, shape, dtypes, threads, training
    if backend is NUMPY:
        with suppress(TypeError):  # a parameter that is an array has no hash
            return _kept(*what, (processors(), native.loops()))
    return _made(*what, backend)


@lru_cache(maxsize=64)
def _kept(*what: Any) -> tuple[LayerPass, ArrayLoops | None]:
    """Make a plan; the last argument is what it depends on besides."""
    return _made(*what[:-1], NUMPY)


def _made(
    layer: Layer, shape: Ints, dtypes: tuple[str, str], threads: int | None, *more: Any
) -> tuple[LayerPass, ArrayLoops | None]:
    training, backend = more
    plan = LayerPass(layer, shape, *dtypes, training, backend)
    plan = plan.with_threads(threads, in_memory=True)
    if backend is not NUMPY or 0 in plan.output_shape:
        return plan, None
    run = BufferPass(layer, shape, *dtypes, pool=plan.pool)
    count = default_threads() if threads is None else threads
    return plan, ArrayLoops(run, plan, count) if run.may_have_loops else None


@contextmanager
def several_threads(threads: int | None) -> Iterator[None]:
    """Have compiled loops that this thread calls take several threads each.

    Args:
        threads: How many; None for the usual number.

    Yields:
        Nothing.
    """
    if not native.compiled():
        yield
        return
    before = native.loops().allow_threads(default_threads() if threads is None else threads)
    try:
        yield
    finally:
        native.loops().allow_threads(before)


def _is_gathered_as_it_lies(plan: LayerPass) -> bool:
    """Whether loops read items for statistics, and no block of them is converted before."""
    compute = plan.compute_dtype.name
    if plan.dtype == compute:
        return True
    return compute == "float32" and native.compiled() and native.KINDS[plan.dtype] in native.HALVES


def _bytes_of(array: Array) -> memoryview:
    return array.reshape(-1).view("u1").data
