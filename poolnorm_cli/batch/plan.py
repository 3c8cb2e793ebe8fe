"""Which input goes where: decided, and refused where it must be, before any work.

A plan is names alone; nothing here runs a layer.
"""

import os
from collections.abc import Iterable, Iterator, Sequence

from poolnorm_cli.batch.inputs import MANY, Input, Reading, Shard, Source, output_prefix
from poolnorm_cli.errors import OutputError, UsageError
from poolnorm_cli.tensors.file_roles import (
    Role,
    already_exists,
    are_apart,
    inode_of,
    input_roles,
    refuse,
    refuse_shared_files,
)
from poolnorm_cli.tensors.formats import NPY, format_of, neither, output_name, output_suffixes
from poolnorm_cli.tensors.names import STDIN, directory_of, source_path
from poolnorm_cli.tensors.outputs import exists
from poolnorm_cli.tensors.real_names import RealNames
from poolnorm_cli.tensors.space import require_file_target
from poolnorm_cli.urls import is_url, without_query
from poolnorm_cli.values import field, frozen, precompile_init, replace


class FileTable:
    """The files of one command."""

    def __init__(self) -> None:
        """Begin without files."""
        self._names = RealNames()
        self._roles: list[Role] = []
        self._inputs: Sequence[str] = ()
        self._written: dict[str, Role] = {}

    def add(self, roles: Iterable[Role], inputs: Sequence[str]) -> None:
        """Note what is named by flags, and the inputs.

        Args:
            roles: Files of flags other than inputs and outputs.
            inputs: Words that name inputs: `-`, a file, `file.npz::NAME` or a URL.
        """
        self._roles = [role for role in roles if role.word]
        self._inputs = inputs

    def check(self, inputs: Sequence[Input] = (), there: Sequence[Input] = ()) -> None:
        """Refuse a file that has two roles, one of which is to be written.

        Args:
            inputs: Inputs with their outputs.
            there: Those of them whose output exists.

        Raises:
            UsageError: There is one, or two outputs have one name.
        """
        if not there and self._are_apart(inputs):
            return
        flags = [role for role in self._roles if role.written]
        outputs = [_output_role(each) for each in inputs if each.target not in (None, STDIN)]
        read = [role for role in self._roles if not role.written]
        if flags or outputs or any(each.tees for each in inputs):
            read += input_roles(self._inputs)
        existing = [*flags, *map(_output_role, there)]
        tees = [Role("tee", tee, written=True) for each in inputs for tee in each.tees]
        existing += tees
        self._written = refuse_shared_files([*flags, *outputs, *tees], read, existing, self._names)

    def _are_apart(self, inputs: Sequence[Input]) -> bool:
        """Whether inputs and their outputs are all files of the command, and simply different."""
        written = [each.target for each in inputs if each.target and not each.tees]
        if self._roles or len(written) < len(inputs) or STDIN in written:
            return False
        read = [source_path(word) or word for word in self._inputs]
        return are_apart(written, read, self._names)

    def claim(self, item: Input) -> None:
        """Note the files that get their names only now: of an array on standard input.

        Raises:
            UsageError: One is another of the files.
        """
        for role in (_output_role(item), *(Role("tee", tee, written=True) for tee in item.tees)):
            self._claim(role)

    def _claim(self, output: Role) -> None:
        key, inode = self._names.of(output.word), inode_of(output.word)
        for role in self._roles:
            if key == self._names.of(role.word) or (inode and inode == inode_of(role.word)):
                refuse(output, role)
        if key in self._written:
            refuse(self._written[key], output)
        self._written[key] = output


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
        tees: Where else something of each input is written: a file, a directory or a template.
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
    tees: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    table: FileTable = field(default_factory=FileTable)

    def inputs(self) -> list[Input]:
        """Decide on all outputs.

        Raises:
            UsageError: There is one output for several inputs, or it has no name of a tensor.
        """
        if self.output is not None and self.output != STDIN:
            require_file_target(self.output)
        if self.output not in (None, STDIN) and len(self.sources) > 1:
            what = f"--output {self.output} with {len(self.sources)} inputs"
            raise UsageError(what, "give --output-dir DIR for many")
        if len(self.sources) >= MANY:
            precompile_init(Input)
        if self.tees:
            self._refuse_shared_tees()
            inputs = [
                self._with_tees(i, each, item)
                for i, each in enumerate(self.sources)
                for item in self._of(i, each)
            ]
        else:
            inputs = [item for i, each in enumerate(self.sources) for item in self._of(i, each)]
        if self.directory is not None:
            self._refuse_suffixes(inputs)
        return inputs

    def of_shard(self, inputs: Sequence[Input]) -> Sequence[Input]:
        """Return the inputs of the part of the inputs that is run."""
        if self.shard is None:
            return inputs
        return [item for item in inputs if self.shard.holds(item.word)]

    def claim_next_output(self, index: int, item: Input) -> Input:
        """Name the output of one of the arrays on standard input, each of which has its own.

        Args:
            index: How many came before.
            item: The input that stands for all of them.

        Returns:
            The input with its output.

        Raises:
            UsageError: That output is another file of the command.
        """
        named = replace(item, target=self._named(index, Source(STDIN)))
        if self.tees:
            named = self._with_tees(index, Source(STDIN), replace(named, is_split=False))
        self.table.claim(named)
        return named

    def refuse_existing(self, there: Sequence[Input]) -> None:
        """Refuse outputs that exist, unless they are to be replaced or left.

        Raises:
            UsageError: There is one.
        """
        if there and not self.replaces:
            raise already_exists(str(there[0].target))

    def refuse_existing_tees(self, inputs: Sequence[Input]) -> None:
        """Refuse files of tees that exist, unless they are to be replaced.

        Raises:
            UsageError: There is one.
        """
        left = [item for item in inputs if not self.skips(item)] if self.tees else []
        there = [] if self.overwrite else existing_tees(left)
        if there:
            raise already_exists(there[0])

    @property
    def replaces(self) -> bool:
        """Whether it is said what becomes of outputs that exist."""
        return self.overwrite or self.skip_existing

    def skips(self, item: Input) -> bool:
        """Whether an input's output is there already and to be left."""
        return bool(self.skip_existing and item.target and exists(item.target))

    def _of(self, index: int, source: Source) -> Iterable[Input]:
        word = source.word
        if source.error is not None:
            return (Input(word, error=source.error),)
        if self.directory is None:
            return (Input(word, self.key, self.output, is_stream=source.is_stream),)
        if word == STDIN:
            return (Input(word, is_split=True),)
        if source.is_stream:
            return (Input(word, self.key, self._named(index, source), is_stream=True),)
        if self.template is not None and "{key}" in self.template:
            return self._of_each_key(index, source)
        return (Input(word, self.key, self._named(index, source)),)

    def _of_each_key(self, index: int, source: Source) -> Iterator[Input]:
        for tensor in self.reading.open(Input(source.word, self.key)):
            self.notes.extend(tensor.notes)
            yield Input(source.word, tensor.key, self._named(index, source, tensor.key))

    def _with_tees(self, index: int, source: Source, item: Input) -> Input:
        """Return an input with the files of its tees; those of streams are named as they come."""
        if item.is_split or item.error is not None:
            return item
        tees = tuple(self._tee_named(tee, index, source, item.key) for tee in self.tees)
        return replace(item, tees=tees)

    def _tee_named(self, tee: str, index: int, source: Source, key: str | None) -> str:
        place = tee_place(tee)
        if place is None:
            require_file_target(tee)
            folder = directory_of(tee)
            if folder and not is_url(tee) and not os.path.isdir(folder):  # noqa: PTH112 - a text
                what = "no such directory"
                raise OutputError.at(tee, what, "make it first, or end the name of one with /")
            return tee
        directory, template = place
        named = replace(self, directory=directory, template=template)
        return named._named(index, source, key)  # noqa: SLF001 - it is a plan, too

    def _refuse_shared_tees(self) -> None:
        """Refuse a tee to one file for several inputs.

        Raises:
            UsageError: There is one.
        """
        many = len(self.sources) > 1 or (
            self.directory is not None and self.sources[0].word == STDIN
        )
        for tee in self.tees if many else ():
            if tee_place(tee) is None:
                count = f"{len(self.sources)} inputs" if len(self.sources) > 1 else "several arrays"
                fix = f"give a directory, as ! tee DIR/, or a name for each, as {TEE_EXAMPLE}"
                raise UsageError(f"tee {tee} with {count}", fix)

    def _named(self, index: int, source: Source, key: str | None = None) -> str:
        directory, word = self.directory or ".", source.word
        is_plain = word.endswith(NPY.suffix) and "::" not in word and not is_url(word)
        if is_plain and self.template is None and not is_url(directory):  # of most of many
            return output_prefix(directory, source.folder) + word[word.rfind("/") + 1 :]
        path = source_path(word)
        path = path and output_name(without_query(path))
        if path and source.is_stream and format_of(path) is None:
            path += NPY.suffix
        if self.template is None and path is not None and not is_url(directory):
            return f"{output_prefix(directory, source.folder)}{os.path.basename(path)}"  # noqa: PTH119
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


TEE_EXAMPLE = "'{stem}_pooled{ext}'"


def tee_place(tee: str) -> tuple[str, str | None] | None:
    """Return where a tee puts the files of many inputs.

    Args:
        tee: What was typed: a file, a directory, or a template with fields in braces.

    Returns:
        A directory, and the template of names in it, None for those of the inputs; None for a file.
    """
    if "{" in tee:
        directory, _, name = tee.rpartition("/")
        while "{" in directory:
            directory, _, above = directory.rpartition("/")
            name = f"{above}/{name}"
        return directory or ("/" if tee.startswith("/") else "."), name
    if tee.endswith("/") or os.path.isdir(tee):  # noqa: PTH112 - a Path takes long to import
        return tee, None
    return None


def existing(inputs: Sequence[Input]) -> list[Input]:
    """Return the inputs whose output exists; most do not, which costs one look."""
    folders: dict[str, bool] = {}
    return [i for i in inputs if i.target and i.target != STDIN and _is_there(i.target, folders)]


def existing_tees(inputs: Sequence[Input]) -> list[str]:
    """Return the files of tees that exist."""
    folders: dict[str, bool] = {}
    return [tee for item in inputs for tee in item.tees if _is_there(tee, folders)]


def _output_role(item: Input) -> Role:
    return Role("", str(item.target), written=True, source=item.name)


def _is_there(target: str, folders: dict[str, bool]) -> bool:
    """Whether an output exists; in a directory that has no files, none has to be looked for."""
    folder = directory_of(target)
    found = folders.get(folder)
    if found is None:
        found = folders[folder] = not folder or is_url(folder) or not _is_empty(folder)
    return found and exists(target)


def _is_empty(folder: str) -> bool:
    """Whether a directory has no files, or is not there."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except FileNotFoundError:
        return True
    except OSError:  # to look for a file in it tells more
        return False
