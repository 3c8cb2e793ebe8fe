"""The files that the flags of a layer name: what is read, what is written, what is to be safe."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.tensors.file_roles import (
    Role,
    input_roles,
    refuse_own_output,
    refuse_shared_files,
)
from poolnorm_cli.tensors.names import source_path


if TYPE_CHECKING:
    from poolnorm_cli.layers.described import Described


def roles(layer: "Described", flags: LayerFlags) -> Iterator[Role]:
    """List the files that flags name, except the outputs of the layer.

    Args:
        layer: Its parameters may be files.
        flags: What was typed.

    Yields:
        A role for each file.
    """
    weights, definition = flags.weights, flags.definition
    if weights.weights is not None:
        yield Role("--weights", str(weights.file), updated=True)
    for parameter in layer.parameters():
        file = getattr(getattr(layer, parameter.name), "file", None)
        if isinstance(file, str):
            yield Role(parameter.flag, file)
    second = {"--mask": flags.mask.mask, "--indices": flags.places.indices}
    read = {flag: word and (source_path(word) or word) for flag, word in second.items()}
    read |= {"--config": definition.config, "--files-from": flags.inputs.files_from}
    for flag, file in read.items():
        if file is not None:
            yield Role(flag, file)
    yield from flags.more_roles()
    if weights.save_weights is not None:
        yield Role("--save-weights", weights.save_weights, written=True, updated=True)
    written = {
        "--save-config": definition.save_config,
        "--export": flags.export.export,
        "--indices": flags.indices.indices,
        "--save-svg": flags.pictures.save_svg,
        "--save-png": flags.pictures.save_png,
        "--journal": flags.batch.journal,
        "--output": "-" if flags.outputs.output == "-" else None,
    }
    for flag, file in written.items():
        if file is not None:
            yield Role(flag, file, written=True)


def check_files(
    layer: "Described",
    flags: LayerFlags,
    output: Role | None,
    words: Sequence[str],
    *,
    is_there: bool = True,
) -> None:
    """Refuse a file of a command with one output that has two roles.

    Args:
        layer: Its parameters may be files.
        flags: What was typed.
        output: The output; None without one.
        words: The inputs.
        is_there: The output may exist.

    Raises:
        UsageError: There is one.
    """
    flagged: list[Role] = []
    read: list[Role] = []
    for role in roles(layer, flags):
        if role.word:
            (flagged if role.written else read).append(role)
    read += input_roles(words)
    if flagged:
        written = flagged if output is None else [*flagged, output]
        refuse_shared_files(written, read, written if is_there else flagged)
    elif output is not None:
        refuse_own_output(output, read, is_there=is_there)
