"""Layers of a Python program as ONNX files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from poolnorm_cli.engine.export import GraphOutput
from poolnorm_cli.engine.job import Job
from poolnorm_cli.engine.pipeline_job import PipelineJob
from poolnorm_cli.engine.pipeline_run import StepJob
from poolnorm_cli.engine.training import TrainingState
from poolnorm_cli.layers.pipeline import make_pipeline
from poolnorm_cli.tensors.shape_tensor import ShapeTensor


if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolnorm_cli.shapes import Shape


def export(
    layers: Sequence[tuple[Any, Any]],
    path: str | os.PathLike[str],
    shape: Shape,
    dtype: str,
    opset: int,
    *,
    overwrite: bool,
) -> None:
    """Write layers as one graph.

    Args:
        layers: The functions of the layers, each with its weights or None.
        path: The `.onnx` file.
        shape: Shape of the inputs, whose sizes may be names or None.
        dtype: Name of their dtype.
        opset: Version of the ONNX operator set.
        overwrite: Replace a file that is there.

    Raises:
        PoolnormError: There can be no such graph, or it cannot be written.
    """
    whole, jobs = ShapeTensor("the input", shape, dtype), list[Job]()
    passing, kind = whole.shape, dtype
    for function, given in layers:
        layer = function.layer
        weights = function.prepared(given, passing, kind)
        jobs.append(Job(layer, TrainingState(weights or None)))
        passing = tuple(int(size or 0) for size in layer.output_shape(passing))
        kind = layer.result_dtype(kind)
    job, command = jobs[0], "poolnorm_cli"
    if len(jobs) > 1:
        named = make_pipeline([(n, each.layer) for n, each in enumerate(jobs, 1)])
        steps = tuple(map(StepJob, named.steps, jobs))
        job = PipelineJob(jobs[-1].layer, jobs[-1].state, steps=steps)
    with GraphOutput(os.fspath(path), overwrite=overwrite) as output:
        output.write(job, whole, opset, command)
        output.commit()
