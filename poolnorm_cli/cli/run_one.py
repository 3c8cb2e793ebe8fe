"""A run of one input and one output, or none: without anything that is for many."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from poolnorm_cli.cli.file_flags import check_files
from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.cli.layer_report import LayerReport
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.report.errors import error_of
from poolnorm_cli.tensors.file_roles import Role, already_exists
from poolnorm_cli.tensors.names import STDIN, shown_input
from poolnorm_cli.tensors.outputs import exists, open_output
from poolnorm_cli.tensors.space import require_file_target
from poolnorm_cli.urls import is_url, redact_url
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from poolnorm_cli.engine.buffer_job import BufferJob
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.stream_job import StreamJob
    from poolnorm_cli.layers.described import Described
    from poolnorm_cli.tensors.sources import FirstInput


@frozen
class OneInput:
    """The input of a run, which is no other file of the command.

    Attributes:
        first: The input.
        target: Its output; None where nothing is written.
        is_left: The output is there, and is to be left as it is.
        flags: What was typed.
    """

    first: "FirstInput"
    target: str | None
    is_left: bool
    flags: LayerFlags

    @property
    def words(self) -> list[str]:
        """The inputs as they were named."""
        return [self.first.word]

    def run(
        self,
        job: "Job | BufferJob | StreamJob",
        reporter: LayerReport,
        on_start: Callable[[], None] | None,
    ) -> int:
        """Run the layer on the tensors of the input, and report them once the output is whole.

        Args:
            job: What is done to each.
            reporter: Told of each.
            on_start: Called when nothing is refused any more, before anything is written.

        Returns:
            The exit code.

        Raises:
            PoolnormError: The fault of the input, of which no output is left.
        """
        if on_start is not None:
            on_start()
        flags, target = self.flags, self.target
        if self.is_left:
            reporter.skipped(self._name, str(self._place))
            return 0
        with self._indices(job, reporter):
            tensors, output = self.first.open(), None
            if target is not None:
                output = open_output(target, flags.outputs.overwrite, sync=flags.synced)
            try:
                outcomes = job.run_all(tensors, output, self._place)
            except MemoryError as error:
                raise error_of(error).within(self._name) from None
        for outcome in outcomes:
            for note in outcome.notes:
                reporter.noted(note)
            reporter.done(outcome)
        return 0

    def dry_run(self, job: "Job") -> int:
        """Say what a run would do, and return the exit code that the headers would give it.

        Raises:
            PoolnormError: What the run would raise for them.
        """
        from poolnorm_cli.cli.dry_run_report import DryRunReport

        report = DryRunReport(job.described, self.flags.printing.style())
        for tensor in () if self.is_left else self.first.open():
            report.add(job.estimate(tensor, self.target, self._place))
        report.close()
        return 0

    def _indices(
        self, job: "Job | BufferJob | StreamJob", reporter: LayerReport
    ) -> "AbstractContextManager[None]":
        """Return what writes where maxima are, around the run, if that is wanted."""
        if self.flags.indices.indices is None:
            return nullcontext()
        from poolnorm_cli.cli.indices_file import writing_indices

        return writing_indices(job.layer, self.flags, reporter)

    @property
    def _place(self) -> str | None:
        """What is said of the output, without secrets."""
        return None if self.target is None else redact_url(self.target)

    @property
    def _name(self) -> str:
        """What is said of the input, without secrets."""
        return shown_input(self.first.word, self.first.key)


def has_one_input(layer: "Described", flags: LayerFlags) -> bool:
    """Whether there is one input, and no flag asks for what is for many.

    Args:
        layer: The layer, which may take all inputs for one batch.
        flags: What was typed.

    Returns:
        Whether it is so; otherwise the run is one of many inputs.
    """
    inputs, batch = flags.inputs, flags.batch
    words = inputs.inputs or []
    if len(words) != 1 or flags.outputs.output_dir is not None:
        return False
    if not (inputs.files_from is inputs.shard is inputs.relative_to is None):
        return False
    if batch.jobs != "1" or batch.dask or batch.journal or batch.progress == "json":
        return False
    training = flags.training.training
    if training and isinstance(layer, Trainable) and layer.is_synchronized(training=training):
        return False
    name = words[0]
    is_directory = name.endswith("/") if is_url(name) else os.path.isdir(name)  # noqa: PTH112 - a Path takes long to import
    return not is_directory


def one_input(layer: "Described", flags: LayerFlags, first: "FirstInput") -> OneInput:
    """Decide on the output, and refuse what cannot be, before anything is written.

    Args:
        layer: Its parameters may be files.
        flags: What was typed.
        first: The one input.

    Returns:
        The input.

    Raises:
        UsageError: A file has two roles, or the output exists.
        OutputError: It cannot be found out whether it does.
    """
    outputs, target = flags.outputs, flags.outputs.output
    output, is_there = None, False
    if target is not None and target != STDIN:
        require_file_target(target)
        is_there = exists(target)
        output = Role("", target, written=True, source=first.word)
    check_files(layer, flags, output, [first.word], is_there=is_there)
    if is_there and not (outputs.overwrite or outputs.skip_existing):
        raise already_exists(target or "")
    return OneInput(first, target, is_there and outputs.skip_existing, flags)
