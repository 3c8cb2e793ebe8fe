"""A layer over many inputs: each without NumPy, where nothing of it takes that."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from poolnorm_cli.engine.buffer_job import BufferJob
from poolnorm_cli.values import field, frozen, replace


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from poolnorm_cli.backends import Backend
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.outcome import Outcome
    from poolnorm_cli.engine.training_step import BatchStatistics, TrainingStep
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.tensors.outputs import Output
    from poolnorm_cli.tensors.tensor import Tensor


@frozen(eq=False)
class BatchJob:
    """What runs each tensor of a batch, of whose outputs nothing is shown.

    A process that is no copy of this one is sent the job of arrays.

    Attributes:
        plain: Runs what needs no NumPy.
        arrays: Returns the job that runs everything, with its weights.
        threads: Threads that work on the blocks of a tensor; None for the usual number.
        memory: Bytes that a process may take; None for any number.
    """

    plain: BufferJob
    arrays: "Callable[[], Job]"
    threads: int | None
    memory: int | None
    _made: "list[Job]" = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Have what needs no NumPy run within the same limits."""
        if (self.plain.threads, self.plain.memory) != (self.threads, self.memory):
            self.__dict__["plain"] = replace(self.plain, threads=self.threads, memory=self.memory)

    def __reduce__(self) -> "tuple[Any, ...]":
        """Go to another process as the job of arrays: memory of weights stays here."""
        return _same, (self.any_job(),)

    @property
    def layer(self) -> "Layer":
        """The layer; of a pipe, the last one."""
        return self.plain.layer

    @property
    def backend(self) -> "Backend":
        """What computes arrays."""
        from poolnorm_cli.backends.numpy_backend import NUMPY

        return NUMPY

    @property
    def is_synchronized(self) -> bool:
        """Whether all inputs are one batch: none is trained on."""
        return False

    @property
    def is_sequential(self) -> bool:
        """Whether a tensor changes the weights for those after it."""
        return False

    @property
    def is_serial(self) -> bool:
        """Whether inputs have to be done in one process."""
        return self.plain.is_serial

    @property
    def is_divisible(self) -> bool:
        """Whether parts of a tensor may be run apart: of a layer alone, as of arrays."""
        return self.plain.is_divisible

    @property
    def parts(self) -> "tuple[Job, ...]":
        """The jobs of single layers whose weights may not be known: none."""
        return ()

    @property
    def unbatched(self) -> bool:
        """Whether the batch axis of inputs is not theirs."""
        return self.plain.unbatched

    def any_job(self) -> "Job":
        """Return the job of arrays, which runs every tensor."""
        if not self._made:
            self._made.append(replace(self.arrays(), threads=self.threads, memory=self.memory))
        return self._made[0]

    def job_of(self, tensor: "Tensor") -> "BufferJob | Job":
        """Return what runs a tensor; its header decides."""
        return self.plain if self.plain.serves([tensor]) else self.any_job()

    def run_all(
        self,
        tensors: "Iterable[Tensor]",
        output: "Output | None",
        target: str | None,
        steps: "Sequence[TrainingStep | None] | None" = None,
        others: "Sequence[Output]" = (),
    ) -> "list[Outcome]":
        """Run the layer on the tensors of one input, and keep `output` if all went through.

        Args:
            tensors: The tensors, each of which is closed after it.
            output: Where the results go; None to compute them only.
            target: Name of the output, for the report.
            steps: Not used: nothing is trained.
            others: Not used: nothing is written on the way.

        Returns:
            What was done to each.

        Raises:
            PoolnormError: With the name of the tensor in front; there is no output then.
        """
        del steps, others
        outcomes = []
        with nullcontext() if output is None else output:
            for tensor in tensors:
                outcomes.append(self.job_of(tensor).run(tensor, output, target))
                tensor.close()
        return outcomes

    def initialize_weights(self, tensor: "Tensor") -> None:
        """Have the weights for such an input: they are there."""

    def gather_statistics(self, tensor: "Tensor") -> "BatchStatistics":
        """Gather what has to be known of a tensor before its outputs, which takes arrays.

        Raises:
            PoolnormError: With the name of the tensor in front.
        """
        return self.any_job().gather_statistics(tensor)

    def accumulate(self, statistics: "BatchStatistics") -> None:
        """Add a tensor to the one batch of all, which takes arrays.

        Raises:
            PoolnormError: The weights or the others do not go with it, or it is not finite.
        """
        self.any_job().accumulate(statistics)

    def apply_step(self, statistics: "BatchStatistics") -> "TrainingStep":
        """Return what a tensor is computed with that takes arrays.

        Raises:
            PoolnormError: The weights do not fit.
        """
        return self.any_job().apply_step(statistics)


def _same(job: "Job") -> "Job":
    return job
