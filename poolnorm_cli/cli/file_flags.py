"""The files that the flags of a layer name: what is read, what is written, what is to be safe."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.batch.file_table import FileTable, Role, existing
from poolnorm_cli.cli.backend_flags import Export
from poolnorm_cli.cli.batch_flags import Batch, FileInputs
from poolnorm_cli.cli.checkpoint import file_of, in_place
from poolnorm_cli.cli.definition import Definition
from poolnorm_cli.cli.flag_groups import Given, Mask, Outputs, WeightFiles
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.tensors.names import source_path


if TYPE_CHECKING:
    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.batch.plan import Plan


class Prepared(NamedTuple):
    """A run in which no file has two roles.

    Attributes:
        inputs: Inputs with their outputs.
        there: Those whose output exists.
    """

    inputs: "Sequence[Input]"
    there: "Sequence[Input]"


def prepared(plan: "Plan", layer: Layer, given: Given) -> Prepared:
    """Decide on all outputs, and refuse what cannot be, before anything is written.

    Raises:
        UsageError: A file has two roles, or an output exists that no journal can speak for.
    """
    every = plan.inputs()
    inputs = plan.of_shard(every)
    there = existing(inputs)
    plan.table.add(roles(layer, given), [source.word for source in plan.sources])
    plan.table.check(every, there)
    if not given[Batch].resumes:
        plan.refuse_existing(there)
    return Prepared(inputs, there)


def roles(layer: Layer, given: Given) -> Iterator[Role]:
    """List the files that flags name, except the outputs of the layer.

    Args:
        layer: Its parameters may be files.
        given: The flags.
    """
    weights, definition = given[WeightFiles], given[Definition]
    if weights.weights is not None:
        yield Role("--weights", file_of(weights.weights), updated=True)
    for parameter in layer.parameters():
        file = getattr(getattr(layer, parameter.name), "file", None)
        if isinstance(file, str):
            yield Role(parameter.flag, file)
    if (mask := given[Mask].mask) is not None:
        yield Role("--mask", source_path(mask) or mask)
    read = {"--config": definition.config, "--files-from": given[FileInputs].files_from}
    for flag, word in read.items():
        if word is not None:
            yield Role(flag, word)
    if weights.save_weights is not None:
        yield Role("--save-weights", weights.save_weights, written=True, updated=True)
    written = {
        "--save-config": definition.save_config,
        "--export": given[Export].export,
        "--journal": given[Batch].journal,
        "--output": "-" if given[Outputs].output == "-" else None,
    }
    for flag, word in written.items():
        if word is not None:
            yield Role(flag, word, written=True)


def check_folded(layer: Layer, given: Given) -> None:
    """Refuse a file of a fold that has two roles.

    Raises:
        UsageError: There is one.
    """
    output = given[Outputs].output
    own = [] if output is None else [Role("--output", output, written=True)]
    table = FileTable()
    table.add([*roles(layer, given), *own], given[FileInputs].inputs or ())
    table.check()


def synced(given: Given) -> bool:
    """Whether what is written is on the disk before it has its name: where a run relies on it."""
    asked = given[Outputs].sync
    relied_on = given[Batch].journal is not None or in_place(given[WeightFiles])
    return relied_on if asked is None else asked
