"""Layers and their weights as the engine runs them, one after another."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from poolnorm_cli.engine.job import Job
from poolnorm_cli.engine.pipeline_run import StepJob
from poolnorm_cli.engine.training import TrainingState
from poolnorm_cli.errors import error_context
from poolnorm_cli.layers.pipeline import Pipeline, make_pipeline
from poolnorm_cli.layers.trainable import Trainable


if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolnorm_cli.shapes import Ints


def pipeline_of(layers: Sequence[Any]) -> Pipeline:
    """Return the functions of layers as a value.

    Raises:
        UsageError: Two have been given one name.
    """
    return make_pipeline([(n, function.layer) for n, function in enumerate(layers, 1)])


def steps_of(
    layers: Sequence[tuple[Any, Any]],
    shape: Ints,
    dtype: str,
    *,
    named: Pipeline | None = None,
    result: str | None = None,
    training: bool = False,
    threads: int | None = None,
) -> tuple[StepJob, ...]:
    """Return layers as the engine runs them, all that can be checked beforehand checked.

    Args:
        layers: The functions of the layers, each with its weights or None.
        shape: Shape of the input.
        dtype: Name of its dtype.
        named: The layers as a value; made of them where None.
        result: Name of the dtype of the output; None for what the last layer gives.
        training: The statistics of the batch are used, and moving ones updated.
        threads: Threads that work on blocks; None for the usual number.

    Returns:
        The steps.

    Raises:
        PoolnormError: A layer does not take what comes to it, or has other weights.
    """
    named = named or pipeline_of([function for function, _ in layers])
    found: list[StepJob] = []
    for step, (function, given) in zip(named.steps, layers, strict=True):
        layer, is_last = function.layer, len(found) + 1 == len(layers)
        trained = training and isinstance(layer, Trainable)
        with error_context(step.title) if len(layers) > 1 else nullcontext():
            following = layer.output_shape(shape)
            weights = function.prepared(given, shape, dtype, training=trained)
        asked = result if is_last else None
        state = TrainingState(weights or None, is_saved=trained)
        found.append(StepJob(step, Job(layer, state, trained, asked, threads=threads)))
        shape = tuple(int(size or 0) for size in following)
        dtype = layer.result_dtype(dtype)
    return tuple(found)
