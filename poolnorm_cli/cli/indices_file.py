"""The file of `--indices`: where in the input each maximum is."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.cli.layer_report import LayerReport
from poolnorm_cli.errors import PoolnormError, UsageError, printable
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.report.errors import error_of
from poolnorm_cli.tensors.file_roles import already_exists
from poolnorm_cli.tensors.names import STDIN, is_stream, shown_input
from poolnorm_cli.tensors.outputs import exists, open_output
from poolnorm_cli.tensors.space import require_file_target
from poolnorm_cli.urls import redact_url


if TYPE_CHECKING:
    from poolnorm_cli.engine.index_pass import IndexJob
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.layers.described import Described
    from poolnorm_cli.tensors.sources import FirstInput


def check_indices(flags: LayerFlags, first: "FirstInput", *, is_alone: bool) -> None:
    """Refuse indices where there would be none, or more files of them than one.

    Args:
        flags: What was typed, --indices among it.
        first: The first input.
        is_alone: It is the only one, and no flag asks for what is for many.

    Raises:
        UsageError: They cannot be had, or their file exists.
        OutputError: It cannot be found out whether it does.
    """
    target = str(flags.indices.indices)
    definition, outputs = flags.definition, flags.outputs
    others = {
        "--keras": definition.keras,
        "--torch": definition.torch,
        "--export": flags.export.export is not None,
        "--dry-run": flags.batch.dry_run,
        "--skip-existing": outputs.skip_existing,
    }
    for flag, is_given in others.items():
        if is_given:
            raise UsageError(f"--indices with {flag}", "leave out one of them")
    if target == STDIN:
        raise UsageError("--indices - is no file", "give --indices FILE.npy")
    if not is_alone:
        what = "--indices is for one input, without -O, --jobs, --dask, --journal and the like"
        raise UsageError(what, "run each input by itself, with -o and an --indices of its own")
    if first.word == STDIN or is_stream(first.word):
        what = "--indices reads its input a second time, which a stream cannot be"
        raise UsageError.at(first.word, what, "save it to a file first, and give that")
    if not first.has_data:
        raise UsageError.at(first.word, "a shape has no maxima for --indices", "give a file")
    require_file_target(target)
    if exists(target) and not outputs.overwrite:
        raise already_exists(target)


def _job(indices: Layer, flags: LayerFlags, first: "FirstInput") -> "Job | IndexJob":
    """Return what finds indices: without NumPy, where nothing of it takes that."""
    from poolnorm_cli.engine.index_pass import IndexJob

    backend, unbatched = flags.backend, flags.inputs.unbatched
    threads, memory = backend.thread_count, backend.memory(1)
    plain = IndexJob(indices, threads=threads, memory=memory, unbatched=unbatched)
    with suppress(PoolnormError):  # which is told where it is run
        if plain.serves(first.tensors()):
            return plain
    from poolnorm_cli.engine.job import Job

    return Job(indices, dtype="int64", threads=threads, memory=memory, unbatched=unbatched)


@contextmanager
def writing_indices(layer: "Described", flags: LayerFlags, reporter: LayerReport) -> Iterator[None]:
    """Write the indices; their file gets its name when the run inside has gone well.

    Args:
        layer: The layer that is run inside.
        flags: What was typed.
        reporter: Told of the file.

    Yields:
        Once all of it is written.

    Raises:
        PoolnormError: The input cannot be read, or the file not be written.
        UsageError: The layer is no max pooling, which alone has the flag.
    """
    from poolnorm_cli.layers.max_indices import indices_of

    indices = indices_of(layer)
    if indices is None:
        raise UsageError("--indices is for max pooling", "leave it out")
    first, target = flags.first_input(), str(flags.indices.indices)
    job = _job(indices, flags, first)
    with open_output(target, flags.outputs.overwrite, sync=flags.synced) as output:
        try:
            for tensor in first.open():
                job.run(tensor, output, target)
                tensor.close()
        except MemoryError as error:
            raise error_of(error).within(shown_input(first.word, first.key)) from None
        yield
    place = redact_url(target)
    reporter.report.add_fact("indices", place, [f"indices: written to {printable(place)}"])
