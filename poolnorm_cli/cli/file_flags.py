"""The files that the flags of a layer name: what is read, what is written, what is to be safe."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.batch.file_table import FileTable, existing
from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.tensors.file_roles import Role
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


def prepared(plan: "Plan", layer: Layer, flags: LayerFlags) -> Prepared:
    """Decide on all outputs, and refuse what cannot be, before anything is written.

    Raises:
        UsageError: A file has two roles, or an output exists that no journal can speak for.
    """
    every = plan.inputs()
    inputs = plan.of_shard(every)
    there = existing(inputs)
    plan.table.add(roles(layer, flags), [source.word for source in plan.sources])
    plan.table.check(every, there)
    if not flags.batch.resumes:
        plan.refuse_existing(there)
    return Prepared(inputs, there)


def roles(layer: Layer, flags: LayerFlags) -> Iterator[Role]:
    """List the files that flags name, except the outputs of the layer.

    Args:
        layer: Its parameters may be files.
        flags: What a person typed.
    """
    weights, definition = flags.weights, flags.definition
    if weights.file is not None:
        yield Role("--weights", weights.file, updated=True)
    for parameter in layer.parameters():
        file = getattr(getattr(layer, parameter.name), "file", None)
        if isinstance(file, str):
            yield Role(parameter.flag, file)
    if (mask := flags.mask.mask) is not None:
        yield Role("--mask", source_path(mask) or mask)
    read = {"--config": definition.config, "--files-from": flags.inputs.files_from}
    for flag, word in read.items():
        if word is not None:
            yield Role(flag, word)
    if weights.save_weights is not None:
        yield Role("--save-weights", weights.save_weights, written=True, updated=True)
    written = {
        "--save-config": definition.save_config,
        "--export": flags.export.export,
        "--journal": flags.batch.journal,
        "--output": "-" if flags.outputs.output == "-" else None,
    }
    for flag, word in written.items():
        if word is not None:
            yield Role(flag, word, written=True)


def check_folded(layer: Layer, flags: LayerFlags) -> None:
    """Refuse a file of a fold that has two roles.

    Raises:
        UsageError: There is one.
    """
    output = flags.outputs.output
    own = [] if output is None else [Role("--output", output, written=True)]
    table = FileTable()
    table.add([*roles(layer, flags), *own], flags.inputs.inputs or ())
    table.check()
