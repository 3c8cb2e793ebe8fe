"""A layer's graph beside its run: checked before the run, given its name after it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from poolnorm_cli.backends import Notify, ignore
from poolnorm_cli.engine.layer_pass import initial_weights
from poolnorm_cli.engine.pipeline_job import PipelineJob
from poolnorm_cli.errors import UsageError, error_context
from poolnorm_cli.layers.maskable import heeds_mask
from poolnorm_cli.shapes import format_shape
from poolnorm_cli.tensors.atomic import AtomicFile
from poolnorm_cli.tensors.formats import suffix_of
from poolnorm_cli.weights.fit import fit


if TYPE_CHECKING:
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.layer_pass import LayerPass, Weights
    from poolnorm_cli.shapes import Shape
    from poolnorm_cli.tensors.tensor import Tensor

Serialized = tuple[bytes, list[str]]
"""The bytes of a file, and notes on how the graph computes."""


class GraphOutput:
    """A file of a graph, which is written whole or not at all."""

    def __init__(self, path: str, *, overwrite: bool, sync: bool = False) -> None:
        """Open the file, still without its name.

        Args:
            path: The name that it is to have.
            overwrite: Replace a file that is there.
            sync: It is on the disk before it gets its name.

        Raises:
            UsageError: It is not an .onnx file, or exists and is not to be overwritten.
            OutputError: It cannot be written.
        """
        if suffix_of(path) != ".onnx":
            raise UsageError(f"--export {path!r} is not an .onnx file", "name it layer.onnx")
        self._file = AtomicFile(Path(path), overwrite=overwrite, sync=sync)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.discard()

    def write(
        self, job: "Job", tensor: "Tensor", opset: int, command: str, detail: Notify = ignore
    ) -> None:
        """Write the graph of a job for inputs such as `tensor`.

        Args:
            job: The layer and how it is run.
            tensor: An input of the shape and dtype that the graph takes.
            opset: Version of the ONNX operator set.
            command: The command that makes the layer, for the graph's documentation.
            detail: Called with each note about how the graph is built.

        Raises:
            PoolnormError: The layer cannot take the tensor, or there can be no such graph.
        """
        graph = _of_steps if isinstance(job, PipelineJob) else _of_layer
        data, notes = graph(job, tensor, opset, command)
        for note in notes:
            detail(f"{job.layer.words}: {note}")
        self._file.write(data)

    def commit(self) -> None:
        """Give the file its name.

        Raises:
            OutputError: The name cannot be given.
        """
        self._file.commit()


def _of_layer(job: "Job", tensor: "Tensor", opset: int, command: str) -> Serialized:
    """Return the graph of a layer, and notes on how it computes."""
    from poolnorm_cli.backends.layer_graphs import FileGraph

    plan, named = job.plan_for(tensor), _named(tensor)
    shape = named or plan.shape
    job.layer.output_shape(shape)
    job.layer.weight_shapes(shape)
    graph = FileGraph(
        plan.layer,
        plan.shape,
        plan.dtype,
        plan.compute_dtype.name,
        plan.result,
        plan.training,
        opset,
        command,
        job.mask is not None and heeds_mask(plan.layer, training=plan.training),
        job.unbatched,
        named,
    )
    return graph.serialized(_weights(job, plan))


def _named(tensor: "Tensor") -> "Shape | None":
    """Return the shape with names for sizes, where a shape stands in place of a tensor."""
    from poolnorm_cli.tensors.shape_tensor import ShapeTensor

    return tensor.named if isinstance(tensor, ShapeTensor) else None


def _of_steps(job: Any, tensor: "Tensor", opset: int, command: str) -> Serialized:
    """Return the graph of a pipeline, and notes on how it computes."""
    from poolnorm_cli.backends.chain_graphs import ChainFile
    from poolnorm_cli.engine.fused_steps import link_of
    from poolnorm_cli.layers.chain import Chain

    named = _named(tensor)
    if any(not isinstance(size, int) for size in (named or ())[1:]):
        what = f"--export of a pipe for ({format_shape(named or ())})"
        raise UsageError(what, "give numbers in place of the names, but for the batch")
    plans = job.plans(tensor.shape, tensor.dtype.name)
    links, weights = [], []
    for (step, own), plan in zip(job.steps, plans, strict=True):
        with error_context(step.title):
            if own.mask is not None and heeds_mask(plan.layer, training=plan.training):
                raise UsageError("--export with --mask", "export this step alone")
            links.append(link_of(plan, step.name))
            weights.append(_weights(own, plan))
    training = tuple(plan.training for plan in plans)
    chain = Chain(tuple(links))
    graph = ChainFile(chain, tensor.dtype.name, training, opset, command, job.unbatched)
    return graph.serialized(tuple(weights))


def _weights(job: "Job", plan: "LayerPass") -> "Weights":
    """Return the weights of a layer, those that it starts with where none are given."""
    weights = job.state.weights
    if weights is None:
        weights = initial_weights(plan.layer, plan.shape, plan.dtype)
    shapes = plan.layer.weight_shapes(plan.shape)
    return fit(weights, shapes, plan.layer, training=plan.training)
