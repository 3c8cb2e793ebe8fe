"""Layers of a Python program as ONNX files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from poolnorm_cli.api.steps import steps_of
from poolnorm_cli.engine.export import GraphOutput
from poolnorm_cli.engine.pipeline_job import PipelineJob
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
    whole = ShapeTensor("the input", shape, dtype)
    steps = steps_of(layers, whole.shape, dtype)
    job = steps[-1].job
    if len(steps) > 1:
        job = PipelineJob(job.layer, job.state, steps=steps)
    with GraphOutput(os.fspath(path), overwrite=overwrite) as output:
        output.write(job, whole, opset, "poolnorm_cli")
        output.commit()
