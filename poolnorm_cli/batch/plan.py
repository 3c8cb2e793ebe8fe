"""Which input goes where: decided, and refused where it must be, before any work."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import field, replace

from poolnorm_cli.batch.file_table import FileTable
from poolnorm_cli.batch.inputs import MANY, Input, Reading, Shard, Source, below
from poolnorm_cli.errors import UsageError
from poolnorm_cli.tensors.file_roles import already_exists
from poolnorm_cli.tensors.formats import NPY, format_of, neither, output_suffixes
from poolnorm_cli.tensors.names import STDIN, source_path
from poolnorm_cli.tensors.outputs import exists
from poolnorm_cli.tensors.space import require_place
from poolnorm_cli.urls import is_url, without_query
from poolnorm_cli.values import frozen, precompile_init


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
        reading: How inputs are read, where names depend on what is in them.
        overwrite: Replace outputs that exist.
        skip_existing: Leave them, and go on.
        shard: The part of the inputs that is run; None for all.
        notes: What there is to say of files that `inputs` has looked into.
        table: All files of the command.
    """

    sources: Sequence[Source]
    key: str | None = None
    op: str = ""
    output: str | None = None
    directory: str | None = None
    template: str | None = None
    reading: Reading = field(default_factory=Reading)
    overwrite: bool = False
    skip_existing: bool = False
    shard: Shard | None = None
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

    def next_on_standard_input(self, index: int, item: Input) -> Input:
        """Name the output of one of the arrays on standard input, each of which has its own.

        Args:
            index: How many came before.
            item: The input that stands for all of them.

        Raises:
            UsageError: That output is another file of the command.
        """
        named = replace(item, target=self._named(index, Source(STDIN)))
        self.table.claim(named)
        return named

    def refuse_existing(self, there: Sequence[Input]) -> None:
        """Refuse outputs that exist, unless they are to be replaced or left.

        Raises:
            UsageError: There is one.
        """
        if there and not self.replaces:
            raise already_exists(str(there[0].target))

    @property
    def replaces(self) -> bool:
        """Whether it is said what becomes of outputs that exist."""
        return self.overwrite or self.skip_existing

    def skips(self, item: Input) -> bool:
        """Whether an item's output is there already and to be left."""
        return bool(self.skip_existing and item.target and exists(item.target))

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
            for tensor in self.reading.open(Input(word, self.key)):
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
