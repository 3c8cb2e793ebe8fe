"""A call on arrays of one shape and dtype that was made before: nothing is left but to make it.

Python between a program and a loop takes as long as the loop over a small array; so what follows
from shapes is kept here, and what is given is looked at again: it may be another array each time.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.array_loops import plan_of
from poolnorm_cli.engine.layer_pass import Weights
from poolnorm_cli.engine.threads import default_threads
from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.moments import Moments
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.sizes import ALONE_BYTES
from poolnorm_cli.values import precompile_init


if TYPE_CHECKING:
    from poolnorm_cli.engine.array_loops import ArrayLoops
    from poolnorm_cli.kernels.memory import Array
    from poolnorm_cli.kernels.native import LoopCall, LoopMaker
    from poolnorm_cli.kernels.training_loops import TrainingCall
    from poolnorm_cli.layers.base import Layer

_KINDS = {np.dtype(np.float32): "f", np.dtype(np.float64): "d"}
_CHECKED = ("moving_stddev", "renorm_stddev")
"""Weights that may not be negative, which only `weights/fit.py` sees to."""
_ANY = float("nan")
_MODEST = 1e30
_HALVES = ("float16", "bfloat16")
_HOLDERS = (dict, list, tuple)


_MOST = 64
"""Kinds of arrays for which calls are kept."""


class ReadyCalls:
    """The calls of a layer that have been made before."""

    def __init__(self) -> None:
        """Begin without any."""
        self._calls: dict[Any, ReadyCall | bool] = {}

    def __reduce__(self) -> "tuple[type[ReadyCalls], tuple[()]]":
        """Leave the calls in this process: they are made anew elsewhere."""
        return ReadyCalls, ()

    def run(self, x: "Array", weights: Any, out: Any, *asked: Any) -> "Array | None":
        """Make a call in inference, if it is ready.

        Args:
            x: An array.
            weights: As a layer takes them; None for its own.
            out: As a layer takes it; None for a new array.
            asked: The dtype and the threads that the layer was asked for.

        Returns:
            The output; None where the layer has to look at what was given.
        """
        try:
            ready = self._calls.get((x.shape, x.dtype, False, asked))
        except TypeError:  # something that was asked for has no hash
            return None
        return ready.run(x, weights, out) if isinstance(ready, ReadyCall) else None

    def train(
        self, x: "Array", weights: Any, out: Any, *asked: Any, updates: bool
    ) -> "tuple[Array, Weights] | None":
        """Make a call in training, if it is ready.

        Args:
            x: An array.
            weights: As a layer takes them; None for its own.
            out: As a layer takes it; None for a new array.
            asked: The dtype and the threads that the layer was asked for.
            updates: The weights as the call leaves them are asked for, too.

        Returns:
            The output, and these weights if they are; None as for `run`.

        Raises:
            InputError: A statistic is not finite, or does not fit into the dtype of its weight.
        """
        try:
            ready = self._calls.get((x.shape, x.dtype, True, asked))
        except TypeError:
            return None
        return (
            ready.train(x, weights, out, updates=updates) if isinstance(ready, ReadyCall) else None
        )

    def note(
        self,
        layer: "Layer",
        arrays: "tuple[Array, Array]",
        own: "Weights | None",
        asked: tuple[Any, Any],
        *,
        training: bool,
    ) -> None:
        """Note that a call was made; have it ready from the second one on.

        Args:
            layer: The layer.
            arrays: The array that it was called on, and the output.
            own: The weights, where they are the layer's own; None where they were given.
            asked: The dtype and the threads that were asked for.
            training: The call was one in training.
        """
        x, y = arrays
        try:
            key = x.shape, x.dtype, training, asked
            known = key in self._calls
        except TypeError:
            return
        if not known:
            if len(self._calls) >= _MOST:
                self._calls.clear()
            self._calls[key] = True
            return
        ready = self._calls.get(key)
        if ready is True:
            precompile_init(Moments)
            what = layer, x.shape, (x.dtype.name, y.dtype.name), NUMPY, asked[1]
            loops = plan_of(*what, training=training)[1]
            self._calls[key] = ready = ready_call(loops, y.dtype, asked[1]) or False
        if own is not None and isinstance(ready, ReadyCall):
            ready.keep(own)


def ready_call(
    loops: "ArrayLoops | None", result: "np.dtype[Any]", threads: int | None
) -> "ReadyCall | None":
    """Return what makes calls of a layer.

    Args:
        loops: What computes all of an array, as `plan_of` gives it.
        result: Dtype of the output.
        threads: How many there may be; None for the usual number.

    Returns:
        The call; None where an array takes more than one call of a loop.
    """
    maker = None if loops is None else loops.maker
    if loops is None or maker is None or not set(_CHECKED).isdisjoint(loops.weight_shapes):
        return None
    return ReadyCall(maker, loops, result, threads)


def _are_modest(moments: "Moments") -> bool:
    """Whether statistics are finite, and far from the end of the range of any weight's type."""
    mean, squares = moments.mean, moments.squares
    # A NaN fails each comparison.
    return bool(mean.min() > -_MODEST and mean.max() < _MODEST and squares.max() < _MODEST)


class ReadyCall:
    """A layer on arrays of one shape and dtype, as one call of a compiled loop."""

    def __init__(
        self, maker: "LoopMaker", loops: "ArrayLoops", result: "np.dtype[Any]", threads: int | None
    ) -> None:
        """Keep what calls share.

        Args:
            maker: Makes the call for weights.
            loops: What the arrays go through otherwise.
            result: Dtype of the output.
            threads: How many there may be; None for the usual number.
        """
        run = loops.run
        self._maker, self._loops, self._arrays = maker, native.loops(), loops
        self._threads, self._kept = threads, Weights()
        self._made, self._result = run.output_shape, result
        self._shapes, epsilon = loops.weight_shapes, float(getattr(run.layer, "epsilon", 0.0))
        self._names = tuple(self._shapes)
        self._added = tuple(epsilon if name == "moving_variance" else _ANY for name in self._names)
        sizes = [int(np.prod(shape)) for shape in self._shapes.values()]
        ends = [8 * sum(sizes[: place + 1]) for place in range(len(sizes))]
        self._places = [slice(end - 8 * n, end) for n, end in zip(sizes, ends, strict=True)]
        self._bytes = ends[-1] if ends else 0
        self._are_halves = (run.dtype in _HALVES, run.result in _HALVES)
        self._is_alone = loops.run.sample_bytes * run.shape[0] < ALONE_BYTES
        self._own: LoopCall | None = None if self._names else maker({})
        momentum = getattr(run.layer, "momentum", None)
        self._batch = loops.batch_call if loops.plan.statistics_axes else None
        self._keeps_range = momentum is None or 0 <= momentum <= 1

    def keep(self, weights: "Weights") -> None:
        """Keep the weights that the layer has where it is given none.

        Args:
            weights: By their Keras names, which nobody changes.
        """
        if self._own is None:
            self._own, self._kept = self._call_for(weights), weights

    def run(self, x: "Array", weights: Any, out: Any) -> "Array | None":
        """Make the call, if what is given is of the usual kind.

        Args:
            x: An array of the shape and dtype.
            weights: As a layer takes them; None for those that were kept.
            out: As a layer takes it; None for a new array.

        Returns:
            The output; None where what is given has to be looked at more closely: it may be wrong.
        """
        y = self._output(x, out)
        if y is None:
            return None
        call = self._own if weights is None else self._call_for(weights)
        return y if call is not None and self._computes(call, x, y) else None

    def train(
        self, x: "Array", weights: Any, out: Any, *, updates: bool
    ) -> "tuple[Array, Weights] | None":
        """Make a call in training, if what is given is of the usual kind.

        Args:
            x: An array of the shape and dtype.
            weights: As a layer takes them; None for those that were kept.
            out: As a layer takes it; None for a new array.
            updates: The weights as the call leaves them are asked for, too.

        Returns:
            The output, and these weights if they are; None as for `run`.

        Raises:
            InputError: A statistic is not finite, or does not fit into the dtype of its weight.
        """
        y = self._output(x, out)
        arrays = self._held(self._kept if weights is None else weights)
        views = None if y is None or arrays is None else self._views(arrays)
        layer = self._arrays.run.layer
        if y is None or arrays is None or views is None or not isinstance(layer, Trainable):
            return None
        given = dict(zip(self._names, arrays, strict=True))
        if self._batch is None:
            moments = self._trained_by_steps(layer, given, views, x, y)
        else:
            moments = self._trained_at_once(self._batch, views, x, y)
        if moments is None:
            return None
        if not updates and self._keeps_range and _are_modest(moments):
            return y, {}  # nothing would be refused
        return y, layer.updated(given, moments)

    def _trained_at_once(
        self, batch: "TrainingCall", views: dict[str, memoryview], x: "Array", y: "Array"
    ) -> "Moments | None":
        """Make the output and return the statistics by one call; None where they are lost."""
        found = np.empty((2, batch.sizes[1]))
        gamma, beta = views.get("gamma"), views.get("beta")
        made = self._computes(lambda cells, out: batch.run(cells, out, gamma, beta, found), x, y)
        return self._arrays.batch_moments(found) if made else None

    def _trained_by_steps(
        self,
        layer: Trainable,
        given: Weights,
        views: dict[str, memoryview],
        x: "Array",
        y: "Array",
    ) -> "Moments | None":
        """Return the statistics, and make the output by them; None where that takes more."""
        moments = self._arrays.moments(x)
        call = None if moments is None else self._call_on_batch(layer, given, views, moments)
        return moments if call is not None and self._computes(call, x, y) else None

    def _call_on_batch(
        self, layer: Trainable, given: Weights, views: dict[str, memoryview], moments: "Moments"
    ) -> "LoopCall | None":
        """Return the call for the statistics of a batch; None where it is computed otherwise."""
        fixed = layer.weights_of_batch(given, moments)
        if fixed is None:
            return None
        own = {name: weight for name, weight in fixed.items() if weight is not given[name]}
        return self._maker(
            views | {name: np.ascontiguousarray(w, np.float64).data for name, w in own.items()}
        )

    def _output(self, x: "Array", out: Any) -> "Array | None":
        """Return where the output goes; None where an array is not as most are."""
        flags = x.flags
        if not (flags.c_contiguous and flags.aligned) or native.loops() is not self._loops:
            return None
        if out is None:
            return np.empty(self._made, self._result)
        return out if self._fits(out) and not np.may_share_memory(out, x) else None

    def _computes(self, call: "LoopCall", x: "Array", y: "Array") -> bool:
        """Run a loop, and say whether what it gave is the output."""
        of_halves, to_halves = self._are_halves
        cells: Any = x.view(np.uint16) if of_halves else x  # bfloat16 has no buffer
        made: Any = y.view(np.uint16) if to_halves else y
        source, target = memoryview(cells).cast("B"), memoryview(made).cast("B")
        if self._is_alone:
            return call(source, target)
        allow = self._loops.allow_threads
        before = allow(default_threads() if self._threads is None else self._threads)
        try:
            return call(source, target)
        finally:
            allow(before)

    def _fits(self, out: Any) -> bool:
        return (
            type(out) is np.ndarray
            and out.shape == self._made
            and out.dtype == self._result
            and out.flags.carray
        )

    def _call_for(self, given: Any) -> "LoopCall | None":
        """Return the call for weights; None where they are not as most are, or not all sound."""
        if not self._names:
            return self._own if not len(given) else None
        arrays = self._held(given)
        views = None if arrays is None else self._views(arrays)
        return None if views is None else self._maker(views)

    def _held(self, given: Any) -> tuple[Any, ...] | None:
        """Return weights in order; None where something else holds them, or there are others."""
        if type(given) not in _HOLDERS or len(given) != len(self._names):
            return None
        return tuple(map(given.get, self._names) if type(given) is dict else given)

    def _views(self, arrays: tuple[Any, ...]) -> dict[str, memoryview] | None:
        """Return weights in float64; None where they are not as most are, or not all sound."""
        kind = self._kind_of(arrays)
        memory = memoryview(bytearray(self._bytes))
        if kind is None or not self._loops.read_weights(memory, arrays, self._added, kind):
            return None
        return dict(zip(self._names, map(memory.__getitem__, self._places), strict=True))

    def _kind_of(self, arrays: tuple[Any, ...]) -> str | None:
        """Return the letter of the type of weights, all float32 or all float64."""
        first = arrays[0].dtype if type(arrays[0]) is np.ndarray else None
        for array, shape in zip(arrays, self._shapes.values(), strict=True):
            if type(array) is not np.ndarray or array.shape != shape or array.dtype != first:
                return None
            flags = array.flags
            if not (flags.c_contiguous and flags.aligned):
                return None
        return _KINDS.get(first)
