"""Layers in a `.keras` file: a zip archive of the config and of the weights in HDF5."""

import io
import os
from pathlib import Path

from poolnorm_cli.tensors.messages import bad_input
from poolnorm_cli.tensors.npy import opened
from poolnorm_cli.tensors.zip_reader import ArchiveKind, Member, MemberReader, members
from poolnorm_cli.weights.entry import Entry
from poolnorm_cli.weights.hdf5 import walk
from poolnorm_cli.weights.keras_h5 import read
from poolnorm_cli.weights.untrusted import LARGEST, Span


KERAS = ArchiveKind("a .keras file", "", "save it again with model.save")
LARGEST_INFLATED = 256 << 20
"""Bytes of deflated weights; Keras stores them as they are, and then any size will do."""

_PIECE = 1 << 20
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"


def entries(file: str) -> list[Entry]:
    """List the normalization layers of a `.keras` file.

    Raises:
        InputError: It is damaged, or asks for what no weights need.
        UnavailableError: h5py is not installed.
    """
    weights, config = _held(file)
    return read(weights, file, config)


def contained(file: str) -> list[str]:
    """List the paths of all arrays in a `.keras` file.

    Raises:
        InputError: It is damaged, or asks for what no weights need.
        UnavailableError: h5py is not installed.
    """
    return list(walk(_held(file)[0], file).arrays)


def _held(file: str) -> tuple[io.IOBase, bytes]:
    """Return the weights, as a file, and the config."""
    with opened(Path(file), file) as descriptor:
        found = {member.key: member for member in members(descriptor, file, KERAS)}
        for key in (_CONFIG, _WEIGHTS):
            if key not in found:
                raise bad_input(file, f"no {key} in it", KERAS.fix)
        config = _bytes(descriptor, found[_CONFIG], file, LARGEST)
        weights = found[_WEIGHTS]
        if weights.method:
            data = _bytes(descriptor, weights, file, LARGEST_INFLATED)
            return io.BytesIO(data), config
        start = _verified(descriptor, weights, file)
        return Span(os.dup(descriptor), start, weights.size), config


def _bytes(descriptor: int, member: Member, file: str, largest: int) -> bytes:
    if member.size > largest:
        told = f"{member.key} of {member.size} bytes, at most {largest} are read"
        raise bad_input(file, told, KERAS.fix)
    data = bytearray(member.size)
    reader = MemberReader(descriptor, member, f"{file}::{member.key}", KERAS)
    view, got = memoryview(data), 0
    while got < len(data) and (count := reader.readinto(view[got:])):
        got += count
    reader.finish()
    if got != len(data):
        raise bad_input(f"{file}::{member.key}", "truncated", KERAS.fix)
    return bytes(data)


def _verified(descriptor: int, member: Member, file: str) -> int:
    """Check the bytes of a stored member, and return where they start."""
    reader = MemberReader(descriptor, member, f"{file}::{member.key}", KERAS)
    piece = memoryview(bytearray(_PIECE))
    start = reader.start
    while reader.readinto(piece):
        pass
    reader.finish()
    return start
