"""The table of backends: where the arithmetic of a layer is done, and what each needs for that.

A backend is one file of this package and one row of `BACKENDS`; flags, help, messages, `compare`,
`doctor`, threads and memory estimates follow from the row. No backend is imported before it is
opened.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from poolnorm_cli.errors import UnavailableError, UsageError
from poolnorm_cli.sizes import ONNX_PROCESS_BYTES, PROCESS_BYTES
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.layers.call import Array, Call, Weights
    from poolnorm_cli.layers.chain import Chain


DEFAULT_BACKEND = "numpy"


class Backend(Protocol):
    """Computes blocks.

    Attributes:
        name: Its row in `BACKENDS`.
        block_bytes: About how many bytes of a tensor it is best given at a time.

    One that does not use threads may have `lanes`: how many threads it takes blocks from at once,
    each of which copies its own, although it computes one at a time.
    """

    name: str
    block_bytes: int

    def apply(self, layer: "Layer", x: "Array", weights: "Weights", call: "Call") -> "Array":
        """Compute one block, as `Layer.apply` does.

        Args:
            layer: The layer.
            x: Samples along axis 0, or a strip of one sample, in the layer's compute dtype.
            weights: The layer's weights, by Keras name.
            call: What else decides on the result: mode, statistics, mask, place in the tensor.

        Returns:
            The output of the block, in the dtype of `x`; its memory may be used again for the
            next block.
        """


def apply_chain(
    backend: Backend,
    chain: "Chain",
    x: "Array",
    weights: "Sequence[Weights]",
    calls: "Sequence[Call]",
) -> "Array":
    """Compute one block by several layers: at once where a backend can, else one after another.

    Args:
        backend: Computes them. One that has an `apply_chain`, with the arguments below, is asked.
        chain: The layers; the batch axis of their shapes is not looked at.
        x: Samples along axis 0, in the dtype in which the first layer computes.
        weights: Those of each layer, by their Keras names.
        calls: How each layer is called.

    Returns:
        The output, in the dtype in which the last layer computes; its memory may be used again for
        the next block.
    """
    own = getattr(backend, "apply_chain", None)
    if own is None:
        return chain.apply(x, weights, calls, backend.apply)
    y: Array = own(chain, x, weights, calls)
    return y


def _one_array(block: int, cells: int) -> int:
    """Estimate the bytes of one more array: a result before the last step, or cells in float64."""
    return max(block, 8 * cells)


@frozen(kw_only=True)
class BackendRow:
    """What is known of a backend before it is opened.

    Attributes:
        module: Its file in this package. It has a function `open_backend(provider, threads,
            notify, detail)`, with the arguments of the one below, which returns a `Backend`.
        title: What does the arithmetic; for the help.
        providers: Where it can run, the default first.
        provider_help: What its providers do; empty where there is no choice.
        uses_threads: Whether several threads may each have a block computed at once. Otherwise
            blocks come one at a time, and it is given the number of threads to compute one in.
        survives_fork: Whether a copy of the process can go on with what was opened in this one.
        process_bytes: Bytes of a process that has opened it and holds no tensor yet.
        computing_bytes: Bytes that are needed to compute a block besides the block and its result:
            a function of the bytes of both together, and of the number of cells of the block.
        packages: Packages that it needs beyond those that poolnorm always needs.
        extra: The extra of this program that installs them.
        install: The command that installs them, where no extra does.
        diagnosis: The file in this package whose `diagnose()` yields what `doctor` says of it;
            empty where it is enough to say which of `packages` are installed.
    """

    module: str
    title: str
    providers: tuple[str, ...] = ("cpu",)
    provider_help: str = ""
    uses_threads: bool = True
    survives_fork: bool = False
    process_bytes: int = PROCESS_BYTES
    computing_bytes: Callable[[int, int], int] = _one_array
    packages: tuple[str, ...] = ()
    extra: str = ""
    install: str = ""
    diagnosis: str = ""

    @property
    def install_command(self) -> str:
        """The command that installs the packages that it needs."""
        from poolnorm_cli.packages import pip_install

        return self.install or pip_install(self.extra)


def _nodes(block: int, cells: int) -> int:
    """Estimate the bytes of the results of a graph's nodes, of which two are held at once."""
    del cells
    return 2 * block


BACKENDS: dict[str, BackendRow] = {
    "numpy": BackendRow(module="numpy_backend", title="NumPy", survives_fork=True),
    "onnx": BackendRow(
        module="onnx_backend",
        title="an ONNX graph in ONNX Runtime",
        providers=("cpu", "cuda", "auto"),
        provider_help="cuda fails where CUDA does not load; auto then takes the CPU, and says so.",
        uses_threads=False,  # a session has threads of its own
        process_bytes=ONNX_PROCESS_BYTES,
        computing_bytes=_nodes,
        packages=("onnxruntime",),
        extra="cpu",
        diagnosis="onnx_diagnosis",
    ),
}

_ON_NVIDIA = ("cuda", "auto")
"""Providers that want NVIDIA's driver."""

Notify = Callable[[str], None]


def ignore(text: str) -> None:
    """Do nothing with a message."""
    del text


def row_of(backend: Backend) -> BackendRow:
    """Return the row of an opened backend."""
    return BACKENDS[backend.name]


def all_providers() -> list[str]:
    """List the providers of all backends, each once."""
    return list(dict.fromkeys(name for row in BACKENDS.values() for name in row.providers))


def default_backend(provider: str | None) -> str:
    """Return the backend that is meant where none is named.

    Args:
        provider: The provider that is asked for; None where none is.

    Returns:
        The first backend that has a choice of providers with this one among them; else the first
        that has it, or the default.
    """
    if provider is None:
        return DEFAULT_BACKEND
    having = [name for name, row in BACKENDS.items() if provider in row.providers]
    return max(having, key=lambda n: len(BACKENDS[n].providers) > 1, default=DEFAULT_BACKEND)


def resolve(backend: str | None, provider: str | None) -> tuple[str, str]:
    """Return the backend and the provider that are meant.

    Args:
        backend: Name of a row; None for the usual one.
        provider: Where it is to run; None for where the backend runs by default.

    Returns:
        Both names, for `open_backend`.

    Raises:
        UsageError: The backend has no such provider.
    """
    name = backend or default_backend(provider)
    if provider not in (None, *BACKENDS[name].providers):
        others = [other for other, row in BACKENDS.items() if provider in row.providers]
        what = f"--backend {name} with --provider {provider}"
        raise UsageError(what, f"give --backend {' or '.join(others)}")
    return name, provider or BACKENDS[name].providers[0]


def full_names() -> list[str]:
    """List every way to run a layer, as `compare --backends` takes them: `numpy`, `onnx:cpu`."""
    return [name for name, row in BACKENDS.items() for name in _with_providers(name, row)]


def _with_providers(name: str, row: BackendRow) -> Iterator[str]:
    several = len(row.providers) > 1
    yield from (f"{name}:{provider}" if several else name for provider in row.providers)


def open_backend(
    name: str = DEFAULT_BACKEND,
    provider: str | None = None,
    *,
    threads: int | None = None,
    notify: Notify = ignore,
    detail: Notify = ignore,
) -> Backend:
    """Open a backend.

    Args:
        name: Name of its row.
        provider: Where it is to run, one of the row's providers; None for the first.
        threads: Threads that compute one block; None leaves it to the backend.
        notify: Called with what a person has to know, as which provider was chosen.
        detail: Called with what is of interest now and then, as how a layer is computed.

    Returns:
        The backend, ready to compute blocks.

    Raises:
        UnavailableError: The backend or the provider cannot be used here.
        UsageError: The backend has no such provider.
    """
    name, provider = resolve(name, provider)
    row = BACKENDS[name]
    if provider in _ON_NVIDIA:
        from poolnorm_cli.backends.driver import wake

        wake()
    try:
        module: Any = import_module(f"{__name__}.{row.module}")
        backend: Backend = module.open_backend(provider, threads, notify, detail)
    except ModuleNotFoundError as error:
        if error.name not in row.packages:
            raise
        raise UnavailableError(f"{error.name} is not installed", row.install_command) from error
    return backend
