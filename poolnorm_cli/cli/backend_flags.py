"""Flags about where the arithmetic is done, and about the graph that can be had of a layer."""

import sys
from typing import Annotated, Any

from poolnorm_cli.backends import Backend, BackendName, ProviderName, Say, open_backend, silent
from poolnorm_cli.cli.options import Option
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.values import frozen


_PANEL = "Backend"
_MOST_THREADS = 256


@frozen(kw_only=True)
class Engine:
    """Where the arithmetic is done."""

    backend: Annotated[
        BackendName | None,
        Option(
            help="NumPy, or an ONNX graph in ONNX Runtime.  [default: numpy; onnx with --provider]",
            rich_help_panel=_PANEL,
        ),
    ] = None
    provider: Annotated[
        ProviderName | None,
        Option(
            help="Where graphs run: cuda is there or nowhere, auto says which one it took."
            "  [default: cpu]",
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
        if self.backend == "numpy" and self.provider in ("cuda", "auto"):
            raise UsageError(
                f"--backend numpy with --provider {self.provider}", "give --backend onnx"
            )

    @property
    def lanes(self) -> int | None:
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
        name = self.backend or ("onnx" if self.provider else "numpy")
        provider = self.provider or "cpu"
        return open_backend(name, provider, threads=self.lanes, tell=say, detail=detail(verbose))


@frozen(kw_only=True)
class Export:
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


def say(text: str) -> None:
    """Print a line for the person, on standard error."""
    from poolnorm_cli.report.text import brief, printable

    print(brief(printable(text)), file=sys.stderr)


def detail(verbose: int) -> Say:
    """Return what to tell details to."""
    return say if verbose else silent


def command_text(layer: Layer, *, training: bool) -> str:
    """Write the command that makes a layer, defaults left out."""
    import shlex

    words = ["poolnorm", *layer.words.split()]
    for parameter in layer.parameters():
        value = getattr(layer, parameter.name)
        if value != parameter.default:
            words += _flag(parameter.flag, value)
    return shlex.join([*words, "--training"] if training else words)


def _flag(flag: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return [flag, text]
