"""A layer as a function of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from poolnorm_cli.api.arguments import (
    ArgumentError,
    array_of,
    batch_of,
    checked_out,
    fits,
    python_errors,
    result_name,
    weight_of,
)
from poolnorm_cli.api.parameters import parameters_of
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.engine.layer_pass import initial_weights
from poolnorm_cli.engine.ready_call import ReadyCalls
from poolnorm_cli.engine.training import with_constants
from poolnorm_cli.layers import find
from poolnorm_cli.layers.keras.spelling import unwrap_single
from poolnorm_cli.weights.fit import fit
from poolnorm_cli.weights.stated_layer import require_axis_of_torch


if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Self

    from poolnorm_cli.kernels.memory import Array
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.shapes import Ints, Shape
    from poolnorm_cli.weights.entry import Entry

    GivenWeights = Mapping[str, Any] | Sequence[Any] | None
    Shapes = tuple[tuple[str, Ints], ...]

Weights = dict[str, np.ndarray[Any, np.dtype[Any]]]


class LayerFunction:
    """A layer that is called on arrays.

    Attributes:
        layer: Its parameters, as a value.
    """

    words: ClassVar[str]
    """The layer's words of the command line."""

    def __init__(self, *sizes: Any, **parameters: Any) -> None:
        """Make a layer.

        Args:
            sizes: Parameters in Keras' order; an int stands for all axes.
            parameters: Parameters by their Keras names.

        Raises:
            ArgumentError: One has a value that it cannot have.
            TypeError: There is no such parameter.
        """
        kind = self.layer_class()
        given = parameters_of(kind, type(self).__name__, sizes, parameters)
        with python_errors():
            self.layer: Layer = with_constants(kind(**given))
        self._entry: Entry | None = None
        self._read: dict[Shapes, Weights] = {}
        self._ready = ReadyCalls()

    @classmethod
    def layer_class(cls) -> type[Layer]:
        """Return the class of such a layer as a value."""
        return find(*cls.words.split())

    @classmethod
    def of(cls, layer: Layer, entry: Entry | None = None) -> Self:
        """Return the function of a layer that is there.

        Args:
            layer: The layer.
            entry: Where its weights are; None where it starts with the initial ones.

        Returns:
            The function.
        """
        made = cls.__new__(cls)
        made.layer, made._entry, made._read = layer, entry, {}  # noqa: SLF001 - of its own class
        made._ready = ReadyCalls()  # noqa: SLF001
        return made

    def __repr__(self) -> str:
        """Return the call that makes such a layer."""
        parameters = self.layer.shown_parameters().items()
        shown = (f"{name}={unwrap_single(value)!r}" for name, value in parameters)
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        """Whether another one has the same parameters, and weights from the same place."""
        if not isinstance(other, LayerFunction):
            return NotImplemented
        return self.layer == other.layer and self._entry is other._entry

    def __hash__(self) -> int:
        """Return a number that equal layers share."""
        return hash((type(self), repr(self.layer)))

    def __call__(
        self,
        x: Any,
        weights: GivenWeights = None,
        *,
        training: bool = False,
        mask: Any = None,
        out: Array | None = None,
        dtype: Any = None,
        threads: int | None = None,
    ) -> Array:
        """Compute the layer.

        Args:
            x: Samples along axis 0: an array, or what has `__array__` or DLPack.
            weights: By Keras name, or in Keras' order as `get_weights` has them; those of the file
                that the layer is from, or those with which Keras starts, where None.
            training: Use the statistics of the batch.
            mask: Which cells count, not zero where one does.
            out: The array of NumPy that the output goes to; it may be `x`. A new one where None.
            dtype: Dtype of the output: float16, bfloat16 (of `ml_dtypes`), float32 or float64.
            threads: Threads that work on blocks; one for each processor where None, as far as
                there is work for them.

        Returns:
            The output, in the dtype of `x` (float32 for integers, unless the layer keeps them, and
            for torch's bfloat16 where `ml_dtypes` is not installed).

        Raises:
            ArgumentError: The layer cannot take `x`, the weights or `out`.
            DataError: Weights have values that they cannot have.
        """
        if type(x) is np.ndarray and mask is None and not training:
            y = self._ready.run(x, weights, out, dtype, threads)
            if y is not None:
                return y
        with python_errors():
            if training:
                return self._train(x, weights, mask, out, dtype, threads, updates=False)[0]
            return self._run(x, weights, training, mask, out, dtype, threads)[0]

    def train(
        self,
        x: Any,
        weights: GivenWeights = None,
        *,
        mask: Any = None,
        out: Array | None = None,
        dtype: Any = None,
        threads: int | None = None,
    ) -> tuple[Array, Weights]:
        """Compute the layer as in training, and move its weights on.

        Args:
            x: Samples along axis 0, as for a call.
            weights: The weights before, as for a call.
            mask: Which cells count, not zero where one does.
            out: The array of NumPy that the output goes to.
            dtype: Dtype of the output, as for a call.
            threads: Threads, as for a call.

        Returns:
            The output, and the weights as the call leaves them, by their Keras names.

        Raises:
            ArgumentError: The layer cannot take `x`, the weights or `out`.
            DataError: Weights or statistics have values that they cannot have.
        """
        with python_errors():
            y, updated = self._train(x, weights, mask, out, dtype, threads, updates=True)
        return y, {name: np.array(weight) for name, weight in updated.items()}

    def output_shape(self, shape: Sequence[int | str | None]) -> Shape:
        """Return the shape of the output for an input of `shape`, whose sizes may be names or None.

        Raises:
            ArgumentError: The layer cannot take such an input.
        """
        with python_errors():
            return self.layer.output_shape(tuple(shape))

    def weights_for(self, shape: Sequence[int], dtype: str = "float32") -> Weights:
        """Return the weights with which a call on an input computes where it is given none.

        Args:
            shape: Shape of the input.
            dtype: Name of its dtype.

        Returns:
            The weights by their Keras names; {} for a layer without any.

        Raises:
            ArgumentError: The layer cannot take such an input.
            DataError: The file of the weights cannot be read.
        """
        with python_errors():
            found = self.prepared(None, tuple(map(int, shape)), dtype, training=False)
        return {name: np.array(weight) for name, weight in found.items()}

    def export(
        self,
        path: str | os.PathLike[str],
        shape: Sequence[int | str | None],
        *,
        weights: GivenWeights = None,
        dtype: str = "float32",
        opset: int = 17,
        overwrite: bool = False,
    ) -> None:
        """Write the layer as an ONNX file, whole or not at all.

        Args:
            path: The `.onnx` file.
            shape: Shape of the inputs; names and None stand for any size.
            weights: As for a call.
            dtype: Name of the dtype of the inputs.
            opset: Version of the ONNX operator set.
            overwrite: Replace a file that is there.

        Raises:
            ArgumentError: There can be no such graph, or the file is there.
            PoolnormError: The file cannot be written, or `onnx` is not installed.
        """
        from poolnorm_cli.api.exporting import export

        with python_errors():
            export([(self, weights)], path, tuple(shape), dtype, opset, overwrite=overwrite)

    def _train(
        self,
        x: Any,
        weights: GivenWeights,
        mask: Any,
        out: Array | None,
        *asked: Any,
        updates: bool,
    ) -> tuple[Array, Weights]:
        """Compute the layer as in training: return the output and the weights as that leaves them.

        The last arguments are the dtype and the threads, and whether the weights are wanted.
        """
        if type(x) is np.ndarray and mask is None:
            found = self._ready.train(x, weights, out, *asked, updates=updates)
            if found is not None:
                return found
        return self._run(x, weights, True, mask, out, *asked)  # noqa: FBT003

    def _run(
        self,
        x: Any,
        weights: GivenWeights,
        training: bool,  # noqa: FBT001
        mask: Any,
        out: Array | None,
        dtype: Any,
        threads: int | None,
    ) -> tuple[Array, Weights]:
        array = batch_of(x)
        stored = array.dtype.name
        made = tuple(int(size or 0) for size in self.layer.output_shape(array.shape))
        result = result_name(dtype, self.layer.result_dtype(stored))
        if out is not None:
            out = checked_out(out, made, result)
        held = self.prepared(weights, array.shape, stored, training=training)
        found, updated = run_array(
            self.layer,
            array,
            held,
            training=training,
            mask=None if mask is None else array_of(mask, "the mask"),
            threads=threads,
            out=out if out is not None and fits(out, result) else None,
            result=result,
        )
        if array is x and mask is None:
            own, asked = None if weights is not None else held, (dtype, threads)
            self._ready.note(self.layer, (array, found), own, asked, training=bool(training))
        if out is None or found is out:
            return found, updated
        out[...] = found
        return out, updated

    def prepared(
        self, given: GivenWeights, shape: Ints, dtype: str, *, training: bool = False
    ) -> Weights:
        """Return weights as the layer takes them for an input.

        Args:
            given: As for a call.
            shape: Shape of the input.
            dtype: Name of its dtype.
            training: They are for a training call.

        Returns:
            The weights by their Keras names.

        Raises:
            PoolnormError: They do not fit, or cannot be read.
        """
        layer, expected = self.layer, self.layer.weight_shapes(shape)
        if given is None and self._entry is not None:
            return dict(self._stored_weights(self._entry, shape, expected, training=training))
        if given is None:
            return dict(self._initial_weights(shape, dtype, expected)) if expected else {}
        if not hasattr(given, "keys"):
            if len(given) != len(expected):
                what = f"{len(given)} weights where the layer has {len(expected)}"
                raise ArgumentError(what, f"give {', '.join(expected) or 'none'}")
            given = dict(zip(expected, given, strict=True))
        arrays = {str(name): weight_of(given[name], str(name)) for name in given}  # type: ignore[index]
        return dict(fit(arrays, expected, layer, training=training))

    def _initial_weights(self, shape: Ints, dtype: str, expected: Mapping[str, Ints]) -> Weights:
        """Make the weights with which Keras starts, once for each of their shapes."""
        key = (*expected.items(), (dtype, ()))
        if key not in self._read:
            self._read[key] = initial_weights(self.layer, shape, dtype)
        return self._read[key]

    def _stored_weights(
        self, entry: Entry, shape: Ints, expected: Mapping[str, Ints], *, training: bool
    ) -> Weights:
        """Read the weights of the file once for each of their shapes."""
        key = (*expected.items(), ("training", (training,)))
        if key not in self._read:
            entry = entry.for_rank(len(shape))
            require_axis_of_torch(self.layer, entry, shape)
            found = entry.read_weights(self.layer, expected, training=training)
            self._read[key] = dict(fit(found, expected, self.layer, training=training))
        return self._read[key]
