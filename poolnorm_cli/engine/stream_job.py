"""A layer over tensors that come on a stream: each is known only when it is there."""

from contextlib import nullcontext
from typing import TYPE_CHECKING

from poolnorm_cli.engine.outcome import Outcome
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from poolnorm_cli.engine.buffer_job import BufferJob
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.tensors.outputs import Output
    from poolnorm_cli.tensors.tensor import Tensor


@frozen(eq=False)
class StreamJob:
    """What runs each tensor without NumPy, as long as none comes that takes it.

    Attributes:
        layer: The layer; of a pipe, the last one.
        plain: Returns what runs some tensors, and others like them, without NumPy; None where
            nothing does.
        arrays: Returns the job that runs everything.
    """

    layer: Layer
    plain: "Callable[[Sequence[Tensor]], BufferJob | None]"
    arrays: "Callable[[], Job]"

    def run_all(
        self, tensors: "Iterable[Tensor]", output: "Output | None", target: str | None
    ) -> list[Outcome]:
        """Run the layer on the tensors as they come, and keep `output` if all went through.

        Args:
            tensors: The tensors; each is closed after it.
            output: Where the results go; None to compute them only.
            target: Name of the output, for the report.

        Returns:
            What was done to each.

        Raises:
            PoolnormError: With the name of the tensor in front; there is no output then.
        """
        outcomes = list[Outcome]()
        plain: BufferJob | None = None
        arrays: Job | None = None
        first: Tensor | None = None
        with nullcontext() if output is None else output:
            for tensor in tensors:
                if first is None:
                    first, plain = tensor, self.plain([tensor])
                elif plain is not None and not plain.serves([tensor]):
                    plain = None  # nor is it used again: arrays are at hand
                if plain is not None:
                    outcomes.append(plain.run(tensor, output, target))
                else:
                    if arrays is None:
                        arrays = self.arrays()
                        arrays.initialize_weights(first)  # they are of the first tensor
                    outcomes.append(arrays.run(tensor, output, target))
                tensor.close()
        return outcomes
