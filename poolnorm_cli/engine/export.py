"""A layer's graph beside its run: checked before the run, given its name after it."""

from pathlib import Path
from typing import TYPE_CHECKING, Self

from poolnorm_cli.backends import Notify, ignore
from poolnorm_cli.engine.layer_pass import initial_weights
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.maskable import heeds_mask
from poolnorm_cli.tensors.atomic import AtomicFile
from poolnorm_cli.tensors.formats import suffix_of
from poolnorm_cli.weights.fit import fit


if TYPE_CHECKING:
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.tensors.tensor import Tensor


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
        from poolnorm_cli.backends.layer_graphs import FileGraph
        from poolnorm_cli.tensors.shape_tensor import ShapeTensor

        plan = job.plan_for(tensor)
        shape = tensor.named if isinstance(tensor, ShapeTensor) else plan.shape
        job.layer.output_shape(shape)
        job.layer.weight_shapes(shape)
        weights = job.state.weights
        if weights is None:
            weights = initial_weights(plan.layer, plan.shape, plan.dtype)
        fitted = fit(
            weights, plan.layer.weight_shapes(plan.shape), plan.layer, training=plan.training
        )
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
            tensor.named if isinstance(tensor, ShapeTensor) else None,
        )
        data, notes = graph.serialized(fitted)
        for note in notes:
            detail(f"{job.layer.words}: {note}")
        self._file.write(data)

    def commit(self) -> None:
        """Give the file its name.

        Raises:
            OutputError: The name cannot be given.
        """
        self._file.commit()
