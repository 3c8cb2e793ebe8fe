"""Groups of flags about how a layer is run: on which inputs, by how many, on what backend."""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from poolnorm_cli.backends import (
    BACKENDS,
    DEFAULT_BACKEND,
    Backend,
    Notify,
    all_providers,
    default_backend,
    open_backend,
    resolve,
)
from poolnorm_cli.cli.command import Argument, InputFlags, Option
from poolnorm_cli.errors import UsageError
from poolnorm_cli.report.rows import print_message
from poolnorm_cli.shapes import whole_number
from poolnorm_cli.values import frozen


ProgressKind = Literal["auto", "json", "never"]

_MANY_PANEL = "Many inputs"


@frozen(kw_only=True)
class FileInputFlags(InputFlags):
    """Which tensors go in: by name, by directory, by a list."""

    inputs: Annotated[
        list[str] | None,
        Argument(
            metavar="INPUT...",
            help="A .npy or .npz file, file.npz::NAME, a directory of such files, or - for .npy "
            "arrays on standard input.",
            show_default=False,
        ),
    ] = None  # type: ignore[assignment]
    recursive: Annotated[
        bool,
        Option(
            "--recursive",
            "-r",
            help="Include the files of subdirectories; -O DIR mirrors the tree.",
            rich_help_panel=_MANY_PANEL,
        ),
    ] = False
    relative_to: Annotated[
        str | None,
        Option(
            metavar="DIR",
            help="Mirror the tree under this directory in -O DIR, for all inputs.",
            rich_help_panel=_MANY_PANEL,
        ),
    ] = None
    files_from: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Read the names of more inputs from this file, one per line; - is standard input.",
            rich_help_panel=_MANY_PANEL,
        ),
    ] = None
    null: Annotated[
        bool,
        Option(
            "--null",
            "-0",
            help="Names in --files-from end with NUL, as find -print0 writes them.",
            rich_help_panel=_MANY_PANEL,
        ),
    ] = False
    unbatched: Annotated[
        bool,
        Option(
            "--unbatched",
            help="Inputs have no batch axis: one is added in front, which --axis counts too, and "
            "taken away from the output.",
        ),
    ] = False
    shard: Annotated[
        str | None,
        Option(
            metavar="I/N",
            help="Run only part I of N of the inputs (a shard), by a checksum of their names.",
            rich_help_panel=_MANY_PANEL,
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse flags that contradict each other."""
        if self.null and self.files_from is None:
            raise UsageError("--null without --files-from", "give --files-from FILE too")
        if self.files_from == "-" and "-" in (self.inputs or ()):
            raise UsageError("standard input as a list and as a tensor", "give --files-from FILE")


@frozen(kw_only=True)
class BatchFlags:
    """Who works on many inputs, and what is remembered of it."""

    jobs: Annotated[
        str,
        Option(
            "--jobs",
            "-j",
            metavar="N|auto",
            help="Number of worker processes; auto starts as many as are worth it.",
            rich_help_panel=_MANY_PANEL,
        ),
    ] = "1"
    dask: Annotated[
        str | None,
        Option(
            metavar="ADDRESS",
            help="Run on the Dask cluster with its scheduler at tcp://HOST:PORT or tls://..., "
            "or on one of this machine: local.",
            rich_help_panel=_MANY_PANEL,
        ),
    ] = None
    journal: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Keep a journal: a line of JSON per input, its state and its output's SHA-256.",
            rich_help_panel=_MANY_PANEL,
        ),
    ] = None
    resume: Annotated[
        bool,
        Option(
            "--resume",
            help="Skip inputs that the journal lists as done and that have not changed.",
            rich_help_panel=_MANY_PANEL,
        ),
    ] = False
    retry_failed: Annotated[
        bool,
        Option(
            "--retry-failed",
            help="Resume, and retry inputs that the journal lists as failed.",
            rich_help_panel=_MANY_PANEL,
        ),
    ] = False
    verify: Annotated[
        bool,
        Option(
            "--verify",
            help="Resume, and check outputs by their SHA-256 rather than by size and time.",
            rich_help_panel=_MANY_PANEL,
        ),
    ] = False
    dry_run: Annotated[
        bool,
        Option(
            "--dry-run",
            help="Read headers only, and print what would be done: shapes, bytes, memory.",
            rich_help_panel=_MANY_PANEL,
        ),
    ] = False
    progress: Annotated[
        ProgressKind,
        Option(
            help="On standard error: a bar on a terminal, a line of JSON per second, or nothing.",
            rich_help_panel=_MANY_PANEL,
        ),
    ] = "auto"

    def __post_init__(self) -> None:
        """Refuse flags that contradict each other."""
        flags = {
            "--resume": self.resume,
            "--retry-failed": self.retry_failed,
            "--verify": self.verify,
        }
        for flag in [flag for flag, is_given in flags.items() if is_given and self.journal is None]:
            raise UsageError(f"{flag} without --journal", "give --journal FILE too")
        if self.jobs != "auto" and not whole_number(self.jobs):
            raise UsageError(
                f"--jobs {self.jobs!r} is not a number of processes", "give 4, or auto"
            )
        if self.dask is not None and self.jobs != "1":
            raise UsageError("both --jobs and --dask", "leave out --jobs: the cluster has workers")

    @property
    def resumes(self) -> bool:
        """Whether the journal is heeded."""
        return self.resume or self.retry_failed or self.verify


_BACKEND_PANEL = "Backend"
_MOST_THREADS = 256

if TYPE_CHECKING:
    BackendName: TypeAlias = str
    ProviderName: TypeAlias = str
else:
    BackendName = Literal[tuple(BACKENDS)]
    ProviderName = Literal[tuple(all_providers())]


def _backend_help() -> str:
    """Say what does the arithmetic, a row each, and what is meant where no backend is given."""
    *first, last = (row.title for row in BACKENDS.values())
    chosen = dict.fromkeys(map(default_backend, all_providers()))
    default = f"{DEFAULT_BACKEND}; {' or '.join(chosen)} with --provider"
    return f"{', '.join(first)}, or {last}.  [default: {default}]"


def _provider_help() -> str:
    """Say what providers do, and which one is meant where none is given."""
    providers = " ".join(row.provider_help for row in BACKENDS.values() if row.provider_help)
    return f"Where the backend runs. {providers}  [default: {all_providers()[0]}]"


@frozen(kw_only=True)
class BackendFlags:
    """Where the arithmetic is done."""

    backend: Annotated[
        BackendName | None,
        Option(
            help=_backend_help,
            rich_help_panel=_BACKEND_PANEL,
        ),
    ] = None
    provider: Annotated[
        ProviderName | None,
        Option(
            help=_provider_help,
            rich_help_panel=_BACKEND_PANEL,
        ),
    ] = None
    threads: Annotated[
        int | None,
        Option(
            metavar="N",
            min=1,
            help="Threads that work on one tensor; results are the same for any number.",
            rich_help_panel=_BACKEND_PANEL,
        ),
    ] = None
    max_memory: Annotated[
        str | None,
        Option(
            metavar="SIZE",
            help="Memory that the run may use, as 512M; it takes fewer threads, or is refused.",
            rich_help_panel=_BACKEND_PANEL,
        ),
    ] = None
    profile: Annotated[
        bool,
        Option(
            "--profile",
            help="Print on standard error where the time went, next to this machine's copy speed.",
            rich_help_panel=_BACKEND_PANEL,
        ),
    ] = False

    def __post_init__(self) -> None:
        """Refuse a provider that the backend does not have, and a memory that is not a number."""
        self.memory(1)
        resolve(self.backend, self.provider)

    @property
    def thread_count(self) -> int | None:
        """The threads that are asked for, up to a number beyond which there is no work for them."""
        return None if self.threads is None else min(self.threads, _MOST_THREADS)

    def memory(self, processes: int) -> int | None:
        """Return the bytes that each of so many processes may take; None where all may.

        Raises:
            UsageError: The flag is not a number of bytes.
        """
        if self.max_memory is None:
            return None
        from poolnorm_cli.engine.memory_estimate import parse_size

        return parse_size(self.max_memory, "--max-memory") // processes

    def open(self, notify_details: Notify) -> Backend:
        """Open what was asked for; what there is to say goes to standard error.

        Args:
            notify_details: Told of details.

        Returns:
            The backend.

        Raises:
            UnavailableError: It is not to be had here.
        """
        name, provider = resolve(self.backend, self.provider)
        return open_backend(
            name, provider, threads=self.thread_count, notify=print_message, detail=notify_details
        )


@frozen(kw_only=True)
class ExportFlags:
    """The graph that is wanted of a layer."""

    export: Annotated[
        str | None,
        Option(
            metavar="FILE.onnx",
            help="Write the layer as an ONNX graph for inputs shaped like the first one, which may"
            " be a shape (None,28,28,3); without -o or -O nothing else is done, and no data are"
            " read.",
            rich_help_panel=_BACKEND_PANEL,
        ),
    ] = None
    opset: Annotated[
        int,
        Option(
            metavar="N",
            help="Operator set of that graph, 9 or newer.",
            rich_help_panel=_BACKEND_PANEL,
        ),
    ] = 17
