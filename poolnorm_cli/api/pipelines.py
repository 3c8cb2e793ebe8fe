"""Layers one after another, as a function of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.api.arguments import (
    ArgumentError,
    batch_of,
    checked_out,
    python_errors,
    result_name,
)
from poolnorm_cli.api.functions import LayerFunction
from poolnorm_cli.api.steps import pipeline_of, steps_of
from poolnorm_cli.engine.in_memory import run_steps
from poolnorm_cli.kernels.native import FLOATS
from poolnorm_cli.sizes import ALONE_BYTES


if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from poolnorm_cli.api.functions import GivenWeights, Weights
    from poolnorm_cli.engine.pipeline_run import StepJob
    from poolnorm_cli.kernels.memory import Array
    from poolnorm_cli.shapes import Ints, Shape


_KEPT = 16
"""Kinds of inputs for which the steps are kept ready."""


class Pipeline:
    """Layers one after another, each of which takes what the one before it gives.

    A block of samples goes through all of them in one thread, while it is in a cache.

    Attributes:
        layers: The layers.
    """

    def __init__(self, layers: Iterable[LayerFunction]) -> None:
        """Put layers in a row.

        Args:
            layers: One or more.

        Raises:
            ArgumentError: There is none, or one is no layer.
        """
        self.layers = tuple(layers)
        given: tuple[Any, ...] = self.layers
        wrong = [each for each in given if not isinstance(each, LayerFunction)]
        if wrong or not self.layers:
            what = f"a pipeline of {type(wrong[0]).__name__}" if wrong else "an empty pipeline"
            raise ArgumentError(what, "give layers, as Pipeline([MaxPooling(2)])")
        with python_errors():
            self._named = pipeline_of(self.layers)
        self._steps: dict[Any, tuple[StepJob, ...]] = {}
        self._small: set[Any] = set()

    def __repr__(self) -> str:
        """Return the call that makes such a pipeline."""
        return f"Pipeline([{', '.join(map(repr, self.layers))}])"

    def __call__(
        self,
        x: Any,
        weights: Sequence[GivenWeights] | None = None,
        *,
        training: bool = False,
        out: Array | None = None,
        dtype: Any = None,
        threads: int | None = None,
    ) -> Array:
        """Compute all layers.

        Args:
            x: Samples along axis 0, as for a layer.
            weights: Those of each layer, None for those that it has.
            training: Use the statistics of the batch.
            out: The array of NumPy that the output goes to; it may be `x`.
            dtype: Dtype of the output, as for a layer.
            threads: Threads, as for a layer.

        Returns:
            The output of the last layer.

        Raises:
            ArgumentError: A layer cannot take what comes to it.
            DataError: Weights have values that they cannot have.
        """
        is_small = type(x) is np.ndarray and x.nbytes < ALONE_BYTES and x.dtype.char in FLOATS
        if not is_small or weights is not None or training or dtype is not None:
            with python_errors():
                return self._run(x, weights, training, out, dtype, threads)[0]
        key = x.shape, x.dtype, threads
        if key in self._small:  # to cut an array in blocks takes longer than the layers do
            for layer in self.layers[:-1]:
                x = layer(x, threads=threads)
            return self.layers[-1](x, out=out, threads=threads)
        with python_errors():
            y = self._run(x, weights, training, out, dtype, threads)[0]
        if len(self._small) >= _KEPT:
            self._small.clear()
        self._small.add(key)
        return y

    def train(
        self,
        x: Any,
        weights: Sequence[GivenWeights] | None = None,
        *,
        out: Array | None = None,
        dtype: Any = None,
        threads: int | None = None,
    ) -> tuple[Array, list[Weights]]:
        """Compute all layers as in training, and move their weights on.

        Args:
            x: Samples along axis 0, as for a layer.
            weights: Those of each layer, None for those that it has.
            out: The array of NumPy that the output goes to; it may be `x`.
            dtype: Dtype of the output, as for a layer.
            threads: Threads, as for a layer.

        Returns:
            The output of the last layer, and the weights of each.

        Raises:
            ArgumentError: A layer cannot take what comes to it.
            DataError: Weights or statistics have values that they cannot have.
        """
        with python_errors():
            y, updated = self._run(x, weights, True, out, dtype, threads)  # noqa: FBT003
        return y, [{name: np.array(w) for name, w in own.items()} for own in updated]

    def output_shape(self, shape: Sequence[int | str | None]) -> Shape:
        """Return the shape of the output for an input of `shape`, whose sizes may be names or None.

        Raises:
            ArgumentError: A layer cannot take what comes to it.
        """
        with python_errors():
            return self._named.output_shape(tuple(shape))

    def export(
        self,
        path: str | os.PathLike[str],
        shape: Sequence[int | str | None],
        *,
        weights: Sequence[GivenWeights] | None = None,
        dtype: str = "float32",
        opset: int = 17,
        overwrite: bool = False,
    ) -> None:
        """Write the layers as one ONNX file, whole or not at all.

        Args:
            path: The `.onnx` file.
            shape: Shape of the inputs; the batch may be a name or None.
            weights: Those of each layer, None for those that it has.
            dtype: Name of the dtype of the inputs.
            opset: Version of the ONNX operator set.
            overwrite: Replace a file that is there.

        Raises:
            ArgumentError: There can be no such graph, or the file is there.
            PoolnormError: The file cannot be written, or `onnx` is not installed.
        """
        from poolnorm_cli.api.exporting import export

        with python_errors():
            pairs = self._with(weights)
            export(pairs, path, tuple(shape), dtype, opset, overwrite=overwrite)

    def _run(
        self,
        x: Any,
        weights: Sequence[GivenWeights] | None,
        training: bool,  # noqa: FBT001
        out: Array | None,
        dtype: Any,
        threads: int | None,
    ) -> tuple[Array, list[Weights]]:
        array, pipeline = batch_of(x), self._named
        stored = array.dtype.name
        made = tuple(int(size or 0) for size in pipeline.output_shape(array.shape))
        result = result_name(dtype, pipeline.dtypes(stored)[-1])
        y = np.empty(made, result) if out is None else checked_out(out, made, result)
        return y, run_steps(
            self._steps_for(array.shape, stored, weights, result, training, threads),
            array,
            "the input",
            y,
        )

    def _steps_for(
        self,
        shape: Ints,
        dtype: str,
        weights: Sequence[GivenWeights] | None,
        result: str,
        training: bool,  # noqa: FBT001
        threads: int | None,
    ) -> tuple[StepJob, ...]:
        """Return the steps for an input; those that a call leaves as they were are kept."""
        key = (shape, dtype, result, threads)
        if weights is None and not training and key in self._steps:
            return self._steps[key]
        found = steps_of(
            self._with(weights),
            shape,
            dtype,
            named=self._named,
            result=result,
            training=training,
            threads=threads,
        )
        if weights is None and not training:
            if len(self._steps) >= _KEPT:
                self._steps.clear()
            self._steps[key] = found
        return found

    def _with(
        self, weights: Sequence[GivenWeights] | None
    ) -> list[tuple[LayerFunction, GivenWeights]]:
        own = [None] * len(self.layers) if weights is None else list(weights)
        if len(own) != len(self.layers):
            what = f"weights for {len(own)} layers, of which there are {len(self.layers)}"
            raise ArgumentError(what, "give one for each, None for a layer without")
        return list(zip(self.layers, own, strict=True))
