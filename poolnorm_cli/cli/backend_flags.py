"""Flags about where the arithmetic is done, and about the graph that can be had of a layer."""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from poolnorm_cli.backends import (
    BACKENDS,
    DEFAULT_BACKEND,
    Backend,
    Notify,
    all_providers,
    default_backend,
    ignore,
    open_backend,
    resolve,
)
from poolnorm_cli.cli.command import Option
from poolnorm_cli.report.rows import print_message
from poolnorm_cli.values import frozen


_PANEL = "Backend"
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
    told = f"{DEFAULT_BACKEND}; {' or '.join(chosen)} with --provider"
    return f"{', '.join(first)}, or {last}.  [default: {told}]"


def _provider_help() -> str:
    """Say what providers do, and which one is meant where none is given."""
    told = " ".join(row.provider_help for row in BACKENDS.values() if row.provider_help)
    return f"Where the backend runs. {told}  [default: {all_providers()[0]}]"


@frozen(kw_only=True)
class BackendFlags:
    """Where the arithmetic is done."""

    backend: Annotated[
        BackendName | None,
        Option(
            help=_backend_help(),
            rich_help_panel=_PANEL,
        ),
    ] = None
    provider: Annotated[
        ProviderName | None,
        Option(
            help=_provider_help(),
            rich_help_panel=_PANEL,
        ),
    ] = None
    threads: Annotated[
        int | None,
        Option(
            metavar="N",
            min=1,
            help="Threads that work on one tensor; results are the same for any number.",
            rich_help_panel=_PANEL,
        ),
    ] = None

    max_memory: Annotated[
        str | None,
        Option(
            metavar="SIZE",
            help="Bytes that the run may take, as 512M; it goes with fewer threads, or not at all.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    profile: Annotated[
        bool,
        Option(
            "--profile",
            help="Say on standard error where the time went, beside this machine's copy speed.",
            rich_help_panel=_PANEL,
        ),
    ] = False

    def __post_init__(self) -> None:
        """Refuse a provider for arithmetic that has none, and a memory that is no number."""
        self.memory(1)
        resolve(self.backend, self.provider)

    @property
    def thread_count(self) -> int | None:
        """The threads that are asked for, up to a number beyond which there is no work for them."""
        return None if self.threads is None else min(self.threads, _MOST_THREADS)

    def memory(self, processes: int) -> int | None:
        """Return the bytes that each of so many processes may take; None where all may.

        Raises:
            UsageError: The flag is no number of bytes.
        """
        if self.max_memory is None:
            return None
        from poolnorm_cli.engine.memory_estimate import parse_size

        return parse_size(self.max_memory, "--max-memory") // processes

    def open(self, verbose: int) -> Backend:
        """Open what was asked for; what there is to say goes to standard error.

        Raises:
            UnavailableError: It is not to be had here.
        """
        name, provider = resolve(self.backend, self.provider)
        return open_backend(
            name, provider, threads=self.thread_count, notify=print_message, detail=detail(verbose)
        )


@frozen(kw_only=True)
class ExportFlags:
    """The graph that is wanted of a layer."""

    export: Annotated[
        str | None,
        Option(
            metavar="FILE.onnx",
            help="Write the layer as an ONNX graph for inputs shaped like the first one;"
            " without -o or -O that is all, and no data are read.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    opset: Annotated[
        int,
        Option(metavar="N", help="Operator set of that graph.", rich_help_panel=_PANEL),
    ] = 17


def detail(verbose: int) -> Notify:
    """Return what to tell details to."""
    return print_message if verbose else ignore
