"""Every reader of files that others have made: nothing but a fault in one line may come of any.

The first byte of an input chooses the reader, the rest is the file. `python -m tests.fuzz` tries
inputs.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from poolnorm_cli.batch.journal_file import JournalFile
from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.tensors.sources import open_tensors
from poolnorm_cli.weights.formats import entries_of


FIXTURES = Path(__file__).parent.parent / "weights" / "fixtures"
LARGEST = 1 << 16
"""Bytes of a file that is tried: more only cost time."""
_ROWS = 3


def read_tensors(path: str) -> None:
    """Read every value of every array."""
    for tensor in open_tensors(path):
        for _ in tensor.blocks(_ROWS):
            pass


def read_weights(path: str) -> None:
    """Read every weight of every layer."""
    for entry in entries_of(path):
        for array in entry.arrays.values():
            array.read()


def read_journal(path: str) -> None:
    """Read every line."""
    journal = JournalFile(path, sync=False)
    try:
        for _ in journal.lines():
            pass
    finally:
        journal.close()


READERS: list[tuple[str, Callable[[str], None]]] = [
    (".npy", read_tensors),
    (".npz", read_tensors),
    (".npz", read_weights),
    (".safetensors", read_weights),
    (".keras", read_weights),
    (".h5", read_weights),
    (".onnx", read_weights),
    (".journal", read_journal),
    (".safetensors", read_tensors),
    (".csv", read_tensors),
]
"""Suffix of a file, and what reads it; an input begins with the place in this list."""


def read(data: bytes, directory: str) -> bool:
    """Hand an input to its reader; say whether it was read.

    Anything else than a `PoolnormError` is a fault of the reader, and goes on.
    """
    if len(data) > LARGEST:
        return False
    suffix, reader = READERS[data[0] % len(READERS)] if data else READERS[0]
    path = Path(directory, f"x{suffix}")
    path.write_bytes(data[1:])
    try:
        reader(str(path))
    except PoolnormError as error:
        if "\n" in str(error):
            raise AssertionError(f"a fault of several lines: {error!r}") from error
        return False
    return True


def seeds() -> Iterator[bytes]:
    """List inputs that are read: the fixtures of the tests, each for its reader."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 4, 3)
        np.save(place / "c.npy", x)
        np.save(place / "f.npy", np.asfortranarray(x.astype(">f8")))
        np.savez(place / "stored.npz", x, x > 0)
        np.savez_compressed(place / "deflated.npz", x, gamma=x[0, 0])
        (place / "t.csv").write_text("1,2\n# a comment\n3,-4e5\n")
        header = b'{"x":{"dtype":"F32","shape":[2,4,3],"data_offsets":[0,96]}}'
        begun = len(header).to_bytes(8, "little") + header
        (place / "x.safetensors").write_bytes(begun + x.tobytes())
        (place / "a.journal").write_bytes(_JOURNAL)
        found = [*place.iterdir(), *sorted(FIXTURES.iterdir())]
        for number, (suffix, _) in enumerate(READERS):
            for path in found:
                if path.name.endswith(suffix) and path.stat().st_size < LARGEST:
                    yield bytes([number]) + path.read_bytes()


_JOURNAL = b"""\
{"schema": 1, "run": "36d9", "items": 2}
{"schema": 1, "input": "x.npy", "key": null, "size": 192, "mtime_ns": 1795, "params": "36d9", \
"output": "o/x.npy", "status": "done", "seconds": 0.1, "bytes": 144, "output_mtime_ns": 1796, \
"sha256": "681a"}
{"schema": 1, "input": "y.npy", "key": "a", "size": -1, "mtime_ns": -1, "params": "36d9", \
"output": null, "status": "failed", "seconds": 0.1, "error": "no", "fix": "", "code": 4}
"""
