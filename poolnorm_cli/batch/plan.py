"""Which input goes where: decided, and refused where it must be, before any work."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from poolnorm_cli.batch.file_table import FileTable
from poolnorm_cli.batch.inputs import MANY, Input, Shard, Source, below
from poolnorm_cli.errors import OutputError, UsageError, reason_of
from poolnorm_cli.tensors.file_roles import already_exists
from poolnorm_cli.tensors.formats import NPY, format_of, neither, output_suffixes
from poolnorm_cli.tensors.names import STDIN, folder_of, source_path
from poolnorm_cli.tensors.outputs import exists, open_output
from poolnorm_cli.tensors.sources import open_input, open_tensors
from poolnorm_cli.tensors.space import require_place
from poolnorm_cli.urls import is_url, without_query
from poolnorm_cli.values import frozen, precompile_init


if TYPE_CHECKING:
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.outcome import Outcome
    from poolnorm_cli.engine.training import TrainingStep
    from poolnorm_cli.tensors.atomic import AtomicFile
    from poolnorm_cli.tensors.outputs import Output
    from poolnorm_cli.tensors.tensor import Tensor


@frozen(kw_only=True)
class Plan:
    """Inputs, and the rule by which their outputs are named.

    Attributes:
        sources: The inputs.
        key: The one array of each `.npz` to use.
        op: The layer, for names.
        output: The one output, or None.
        directory: The directory of all outputs, or None.
        template: Names in that directory; None for those of the inputs.
        bfloat16: Whether arrays of two raw bytes are bfloat16.
        overwrite: Replace outputs that exist.
        skip_existing: Leave them, and go on.
        shard: The part of the inputs that is run; None for all.
        sync: Outputs are on the disk before they get their names.
        keep: Takes outputs when they are whole, and gives them their names later.
        limit: Bytes that a copy of an input which does not say its size may take; None for what
            is usual.
        seen: Directories of outputs that were there.
        notes: What there is to say of files that `inputs` has looked into.
        table: All files of the command.
    """

    sources: Sequence[Source]
    key: str | None = None
    op: str = ""
    output: str | None = None
    directory: str | None = None
    template: str | None = None
    bfloat16: bool = False
    overwrite: bool = False
    skip_existing: bool = False
    shard: Shard | None = None
    sync: bool = False
    keep: "Callable[[AtomicFile], None] | None" = field(default=None, compare=False)
    limit: int | None = None
    seen: set[str] = field(default_factory=set, compare=False)
    notes: list[str] = field(default_factory=list, compare=False)
    table: FileTable = field(default_factory=FileTable, compare=False)

    def inputs(self) -> list[Input]:
        """Decide on all outputs.

        Raises:
            UsageError: There is one output for several inputs, or it has no name of a tensor.
        """
        if self.output is not None and self.output != STDIN:
            require_place(self.output)
        if self.output not in (None, STDIN) and len(self.sources) > 1:
            told = f"--output {self.output} with {len(self.sources)} inputs"
            raise UsageError(told, "give --output-dir DIR for many")
        if len(self.sources) >= MANY:
            precompile_init(Input)
        inputs = [item for index, each in enumerate(self.sources) for item in self._of(index, each)]
        if self.directory is not None:
            self._refuse_suffixes(inputs)
        return inputs

    def of_shard(self, inputs: Sequence[Input]) -> Sequence[Input]:
        """Return the inputs of the part of the inputs that is run."""
        if self.shard is None:
            return inputs
        return [item for item in inputs if self.shard.holds(item.word)]

    def refuse_existing(self, there: Sequence[Input]) -> None:
        """Refuse outputs that exist, unless they are to be replaced or left.

        Raises:
            UsageError: There is one.
        """
        if there and not self.replaces:
            raise self.exists(there[0])

    @property
    def replaces(self) -> bool:
        """Whether it is said what becomes of outputs that exist."""
        return self.overwrite or self.skip_existing

    @staticmethod
    def exists(item: Input, more: str = "") -> UsageError:
        """Return the error for an output that exists."""
        return already_exists(str(item.target), more)

    def run(
        self, item: Input, job: "Job", turns: "Sequence[TrainingStep] | None" = None
    ) -> "Iterator[Outcome]":
        """Run a job on the tensors of one item; an outcome is yielded when its output is complete.

        Args:
            item: One of `inputs`.
            job: What to do.
            turns: The places of its tensors in a training that is run elsewhere; None to have
                the job train.

        Raises:
            PoolnormError: The item failed, and has left no output.
        """
        if item.each:
            for index, tensor in enumerate(self.tensors(item)):
                named = replace(item, target=self._named(index, Source(STDIN)))
                self.table.claim(named)
                yield from self._one(named, [tensor], job, None)
            return
        yield from self._one(item, self.tensors(item), job, turns)

    def tensors(self, item: Input) -> "Iterator[Tensor]":
        """Open the tensors of an item."""
        opened = open_input if item.stream else open_tensors
        return opened(item.word, item.key, self.bfloat16, self.limit)

    def skips(self, item: Input) -> bool:
        """Whether an item's output is there already and to be left."""
        return bool(self.skip_existing and item.target and exists(item.target))

    def open(self, target: str) -> "Output":
        """Open an output, its directory made where all outputs have one."""
        if folder_of(target) not in self.seen:
            self.make_directory(target)
        try:
            return open_output(target, self.overwrite, sync=self.sync, keep=self.keep)
        except OutputError:
            self.make_directory(target)  # which tells if it has been removed
            raise

    def make_directory(self, target: str) -> None:
        """Make the directory of an output, where it is below that of all outputs.

        Raises:
            OutputError: It cannot be made, or somebody has removed it.
        """
        directory = os.path.dirname(target)  # noqa: PTH120 - for each of many files
        if self.directory is None or is_url(target):
            return
        if os.path.isdir(directory):  # noqa: PTH112 - as above
            self.seen.add(folder_of(target))
            return
        if folder_of(target) in self.seen:
            told = "was removed, with the outputs in it"
            raise OutputError.at(
                directory, told, "repeat the run, with --resume if it has a --journal"
            )
        try:
            os.makedirs(directory, exist_ok=True)  # noqa: PTH103 - as above
        except OSError as error:
            raise OutputError.at(
                directory, reason_of(error), "give a directory that can be made"
            ) from error
        self.seen.add(folder_of(target))

    def _of(self, index: int, source: Source) -> Iterator[Input]:
        word = source.word
        if source.error is not None:
            yield Input(word, error=source.error)
        elif self.directory is None:
            yield Input(word, self.key, self.output, stream=source.stream)
        elif word == STDIN:
            yield Input(word, each=True)
        elif source.stream:
            yield Input(word, self.key, self._named(index, source), stream=True)
        elif "{key}" in (self.template or ""):
            for tensor in open_tensors(word, self.key, self.bfloat16):
                self.notes.extend(tensor.notes)
                yield Input(word, tensor.key, self._named(index, source, tensor.key))
        else:
            yield Input(word, self.key, self._named(index, source))

    def _named(self, index: int, source: Source, key: str | None = None) -> str:
        directory, path = self.directory or ".", source_path(source.word)
        path = path and without_query(path)
        if path and source.stream and format_of(path) is None:
            path += NPY.suffix
        if self.template is None and path is not None and not is_url(directory):
            return f"{below(directory, source.folder)}{os.path.basename(path)}"  # noqa: PTH119
        from pathlib import Path

        from poolnorm_cli.tensors.templates import DEFAULT_TEMPLATE, output_path

        folder, template = Path(source.folder), self.template or DEFAULT_TEMPLATE
        if not is_url(directory):
            folder = directory / folder
        given = None if path is None else Path(path)
        name = str(output_path(folder, template, given, op=self.op, index=index, key=key))
        return f"{directory.rstrip('/')}/{name}" if is_url(directory) else name

    def _one(
        self,
        item: Input,
        tensors: "Iterator[Tensor] | list[Tensor]",
        job: "Job",
        turns: "Sequence[TrainingStep] | None",
    ) -> "list[Outcome]":
        output = None if item.target is None else self.open(item.target)
        return job.run_all(tensors, output, item.place, turns)

    def _refuse_suffixes(self, inputs: Sequence[Input]) -> None:
        """Refuse a template that makes no name of a tensor of that of a tensor."""
        suffixes = output_suffixes()
        for item in inputs if self.template is not None else ():
            path = without_query(source_path(item.word) or STDIN)
            if not item.target or item.target.lower().endswith(suffixes):
                continue
            if format_of(path) is not None:
                fix = f"give --output-name with {{ext}}, or {NPY.suffix} at its end"
                raise UsageError.at(item.target, neither(suffixes), fix)
