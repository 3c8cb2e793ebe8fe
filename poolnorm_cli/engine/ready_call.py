"""A call on arrays of one shape and dtype that was made before: nothing is left but to make it.

Python between a program and a loop takes as long as the loop over a small array; so what follows
from shapes is kept here, and what is given is looked at again: it may be another array each time.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.array_loops import plan_of
from poolnorm_cli.engine.threads import default_threads
from poolnorm_cli.kernels import native
from poolnorm_cli.sizes import ALONE_BYTES


if TYPE_CHECKING:
    from poolnorm_cli.engine.array_loops import ArrayLoops
    from poolnorm_cli.engine.layer_pass import Weights
    from poolnorm_cli.kernels.memory import Array
    from poolnorm_cli.kernels.native import LoopCall, LoopMaker
    from poolnorm_cli.layers.base import Layer

_KINDS = {np.dtype(np.float32): "f", np.dtype(np.float64): "d"}
_CHECKED = ("moving_stddev", "renorm_stddev")
"""Weights that may not be negative, which only `weights/fit.py` sees to."""
_ANY = float("nan")
_HOLDERS = (dict, list, tuple)


_MOST = 64
"""Kinds of arrays for which calls are kept."""


class ReadyCalls:
    """The calls of a layer in inference that have been made before."""

    def __init__(self) -> None:
        """Begin without any."""
        self._calls: dict[Any, ReadyCall | bool] = {}

    def __reduce__(self) -> "tuple[type[ReadyCalls], tuple[()]]":
        """Leave the calls in this process: they are made anew elsewhere."""
        return ReadyCalls, ()

    def run(self, x: "Array", weights: Any, out: Any, *asked: Any) -> "Array | None":
        """Make a call, if it is ready.

        Args:
            x: An array.
            weights: As a layer takes them; None for its own.
            out: As a layer takes it; None for a new array.
            asked: What else the layer was asked for.

        Returns:
            The output; None where the layer has to look at what was given.
        """
        try:
            ready = self._calls.get((x.shape, x.dtype, asked))
        except TypeError:  # something that was asked for has no hash
            return None
        return ready.run(x, weights, out) if isinstance(ready, ReadyCall) else None

    def note(
        self,
        layer: "Layer",
        x: "Array",
        result: "np.dtype[Any]",
        own: "Weights | None",
        dtype: Any,
        threads: int | None,
    ) -> None:
        """Note that a call was made; have it ready from the second one on.

        Args:
            layer: The layer.
            x: The array that it was called on.
            result: Dtype of the output.
            own: The weights, where they are the layer's own; None where they were given.
            dtype: The dtype that was asked for.
            threads: The threads that were asked for.
        """
        try:
            key = x.shape, x.dtype, (dtype, threads)
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
            what = layer, x.shape, (x.dtype.name, result.name), NUMPY, threads
            ready = ready_call(plan_of(*what, training=False)[1], result, threads) or False
            self._calls[key] = ready
        if own is not None and isinstance(ready, ReadyCall):
            ready.keep(own)


def ready_call(
    loops: "ArrayLoops | None", result: "np.dtype[Any]", threads: int | None
) -> "ReadyCall | None":
    """Return what makes calls of a layer in inference.

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


class ReadyCall:
    """A layer in inference on arrays of one shape and dtype, as one call of a compiled loop."""

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
        self._maker, self._loops, self._threads = maker, native.loops(), threads
        self._made, self._result = run.output_shape, result
        self._shapes, epsilon = loops.weight_shapes, float(getattr(run.layer, "epsilon", 0.0))
        self._names = tuple(self._shapes)
        self._added = tuple(epsilon if name == "moving_variance" else _ANY for name in self._names)
        sizes = [int(np.prod(shape)) for shape in self._shapes.values()]
        ends = [8 * sum(sizes[: place + 1]) for place in range(len(sizes))]
        self._places = [slice(end - 8 * n, end) for n, end in zip(sizes, ends, strict=True)]
        self._bytes = ends[-1] if ends else 0
        self._is_half = native.KINDS[run.dtype] in native.HALVES
        self._is_alone = loops.run.sample_bytes * run.shape[0] < ALONE_BYTES
        self._own: LoopCall | None = None if self._names else maker({})

    def keep(self, weights: "Weights") -> None:
        """Keep the weights that the layer has where it is given none.

        Args:
            weights: By their Keras names, which nobody changes.
        """
        if self._own is None:
            self._own = self._call_for(weights)

    def run(self, x: "Array", weights: Any, out: Any) -> "Array | None":
        """Make the call, if what is given is of the usual kind.

        Args:
            x: An array of the shape and dtype.
            weights: As a layer takes them; None for those that were kept.
            out: As a layer takes it; None for a new array.

        Returns:
            The output; None where what is given has to be looked at more closely: it may be wrong.
        """
        flags = x.flags
        if not (flags.c_contiguous and flags.aligned) or native.loops() is not self._loops:
            return None
        if out is None:
            y = np.empty(self._made, self._result)
        elif self._fits(out) and not np.may_share_memory(out, x):
            y = out
        else:
            return None
        call = self._own if weights is None else self._call_for(weights)
        if call is None:
            return None
        cells: Any = x.view(np.uint16) if self._is_half else x  # bfloat16 has no buffer
        made: Any = y.view(np.uint16) if self._is_half else y
        source, target = memoryview(cells).cast("B"), memoryview(made).cast("B")
        if self._is_alone:
            return y if call(source, target) else None
        allow = self._loops.allow_threads
        before = allow(default_threads() if self._threads is None else self._threads)
        try:
            return y if call(source, target) else None
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
        if len(given) != len(self._names):
            return None
        if not self._names:
            return self._own
        arrays = tuple(map(given.get, self._names) if type(given) is dict else given)
        kind = self._kind_of(arrays) if type(given) in _HOLDERS else None
        if kind is None:
            return None
        memory = memoryview(bytearray(self._bytes))
        if not self._loops.read_weights(memory, arrays, self._added, kind):
            return None
        parts = map(memory.__getitem__, self._places)
        return self._maker(dict(zip(self._names, parts, strict=True)))

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
