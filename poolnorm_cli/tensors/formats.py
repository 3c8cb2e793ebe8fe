"""The formats of tensor files: one row each, and the only place that knows their suffixes.

A new format is one module with a reader and a writer, and one row in `FORMATS`. Whether a word on
the command line names a tensor, `FILE::NAME`, what a directory is searched for, what an output may
be called and what messages list all follow from that row. The modules are named by strings and
imported at first use, so that a run imports what its own files need.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from poolnorm_cli.urls import without_query
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


@cache
def _module(name: str) -> ModuleType:
    """Import a module; `sys.modules` has it, too, while another thread is still importing it."""
    return import_module(name)


@frozen(kw_only=True)
class Format:
    """A format of tensor files: who reads and writes it, and what it can do.

    Attributes:
        suffix: What its files' names end in, with the dot, in small letters.
        magic: The first bytes of every such file, by which one on a stream is known; empty where
            there are none.
        magic_at: How many others come before them.
        reader: Module with `open_file(path, name, key, *, bfloat16)`, which returns the tensors of
            a file as a sequence of `Tensor`, their headers read and checked.
        writer: Module with `open_writer(target, file)`, which returns an `Output` that writes to an
            open `AtomicFile` or `RemoteFile`; empty for a format that is only read.
        keyed: A file holds several arrays by name: `FILE::NAME`, `--key`, outputs for several.
        sequential: It is read from its first byte to its last without seeking, so that a stream
            may bring one after another, and a URL is read block by block; others are copied first.
            `streams.py` and `cloud.py` do this for `.npy`, the only such format yet.
        positional: It is a header and then the items in C order: parts of a large file are read
            and written apart, by position. Its reader gives an `NpyTensor`.
        deflates: Its writer deflates arrays that were deflated in the input.
        numpy_loads: `np.load` reads it, as programs for other frameworks do.
        turn: An input that is a directory stands for its files of the first turn that any has:
            those of tensors, else pictures, else tables, so that what lies beside is left.
    """

    suffix: str
    magic: bytes
    reader: str
    magic_at: int = 0
    writer: str = ""
    keyed: bool = False
    sequential: bool = False
    positional: bool = False
    deflates: bool = False
    numpy_loads: bool = False
    turn: int = 0

    @property
    def reading(self) -> ModuleType:
        """The module that reads it."""
        return _module(self.reader)

    @property
    def writing(self) -> ModuleType:
        """The module that writes it."""
        return _module(self.writer)


NPY = Format(
    suffix=".npy",
    magic=b"\x93NUMPY",
    reader="poolnorm_cli.tensors.npy",
    writer="poolnorm_cli.tensors.outputs",
    sequential=True,
    positional=True,
    numpy_loads=True,
)
NPZ = Format(
    suffix=".npz",
    magic=b"PK",
    reader="poolnorm_cli.tensors.npz",
    writer="poolnorm_cli.tensors.zip_writer",
    keyed=True,
    deflates=True,
    numpy_loads=True,
)
SAFETENSORS = Format(
    suffix=".safetensors",
    magic=b"\0\0\0\0{",  # after the lower half of the length of its header
    magic_at=4,
    reader="poolnorm_cli.tensors.safetensors",
    writer="poolnorm_cli.tensors.safetensors_writer",
    keyed=True,
)
PNG = Format(suffix=".png", magic=b"\x89PNG\r\n\x1a\n", reader="poolnorm_cli.tensors.image", turn=1)
JPG = Format(suffix=".jpg", magic=b"\xff\xd8\xff", reader="poolnorm_cli.tensors.image", turn=1)
JPEG = Format(suffix=".jpeg", magic=JPG.magic, reader="poolnorm_cli.tensors.image", turn=1)
CSV = Format(suffix=".csv", magic=b"", reader="poolnorm_cli.tensors.table", turn=2)
TXT = Format(suffix=".txt", magic=b"", reader="poolnorm_cli.tensors.table", turn=2)
FORMATS: dict[str, Format] = {
    each.suffix: each for each in (NPY, NPZ, SAFETENSORS, PNG, JPG, JPEG, CSV, TXT)
}
"""By suffix."""


def suffix_of(name: str) -> str:
    """Return the suffix of a name in small letters, empty without one.

    A presigned URL has it before its query: `https://host/x.npy?signature=...`. `os.path` takes
    longer, which counts for many files.
    """
    if "://" in name:
        name = without_query(name)
    base = name[name.rfind("/") + 1 :].lstrip(".")
    return base[dot:].lower() if (dot := base.rfind(".")) >= 0 else ""


def format_of(name: str) -> Format | None:
    """Return the format of a file by the suffix of its name; None if no format has it.

    Args:
        name: The path or URL of a file, without `::NAME`.
    """
    return FORMATS.get(suffix_of(name))


def format_on_stream(start: bytes) -> Format | None:
    """Return the format whose files begin with these bytes; None if there is none.

    Args:
        start: The first `longest_magic()` bytes that come, or all of fewer.
    """
    found = (
        each
        for each in FORMATS.values()
        if each.magic and start.startswith(each.magic, each.magic_at)
    )
    return next(found, None)


def longest_magic() -> int:
    """Return how many bytes are needed to recognize a format."""
    return max(each.magic_at + len(each.magic) for each in FORMATS.values())


def split_key(word: str) -> tuple[str, str] | None:
    """Split `FILE::NAME`; None where FILE is not of a format whose arrays have names.

    Args:
        word: A command-line argument. Whether such a file exists is not checked.
    """
    if "::" not in word:
        return None
    low = word.lower()
    ends = (low.find(f"{each.suffix}::") for each in FORMATS.values() if each.keyed)
    suffix_at = min((place for place in ends if place >= 0), default=-1)
    if suffix_at >= 0:
        mark = word.index("::", suffix_at)
        return word[:mark], word[mark + 2 :]
    if "://" in word:
        name, _, key = word.rpartition("::")  # behind the query of a URL
        form = format_of(name)
        return (name, key) if form is not None and form.keyed else None
    return None


def in_turn(names: Sequence[str]) -> list[str]:
    """Return the files that a directory stands for: those of the first turn that is there.

    Args:
        names: The names of its files, of which none begins with a dot.

    Returns:
        Some of them, in their order.
    """
    turns = {each: form.turn for each in names if (form := _format_in(each)) is not None}
    first = min(turns.values(), default=0)
    return [each for each, turn in turns.items() if turn == first]


def _format_in(name: str) -> Format | None:
    """Return the format of a file as `format_of`, in less time for the most usual one."""
    return NPY if name.endswith(NPY.suffix) and "://" not in name else format_of(name)


def output_name(name: str) -> str:
    """Return the name of the output for an input: its own, or one of a `.npy` if it is only read.

    Args:
        name: The path or URL of the input.
    """
    form = format_of(name)
    if form is None or form.writer:
        return name
    return name[: -len(form.suffix)] + NPY.suffix


def keyed_suffixes() -> tuple[str, ...]:
    """Return the suffixes of the files whose arrays have names."""
    return tuple(each.suffix for each in FORMATS.values() if each.keyed)


def output_suffixes() -> tuple[str, ...]:
    """Return the suffixes that the name of an output may have."""
    return tuple(each.suffix for each in FORMATS.values() if each.writer)


def either(suffixes: tuple[str, ...] | None = None) -> str:
    """Return `.npy or .npz`, for messages: those suffixes, or those of all formats of tensors."""
    if suffixes is None:  # a line that has the endings of pictures and tables, too, is hard to read
        suffixes = tuple(each.suffix for each in FORMATS.values() if each.turn == 0)
    *most, last = suffixes
    return f"{', '.join(most)} or {last}" if most else last


def neither(suffixes: tuple[str, ...] | None = None) -> str:
    """Return `neither .npy nor .npz`, for messages: those suffixes, or those of all formats."""
    return f"neither {' nor '.join(FORMATS if suffixes is None else suffixes)}"
