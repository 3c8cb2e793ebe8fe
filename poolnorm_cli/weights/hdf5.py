"""The arrays of an HDF5 file, found on a strict walk: nothing leads out of the file.

libhdf5 is a large C library with a long history of faults, so it is handed as little as can be:
an open file and never a name, and a dataset is read only after its type, layout, filters and size
have been looked at. Every component of every path is a hard link that is met once.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import IOBase
from math import prod
from typing import Any

import numpy as np

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.kernels.halves import widen_bfloat16
from poolnorm_cli.sizes import (
    HDF5_MEMORY_BYTES,
    LARGEST_HEAP_BYTES,
    LARGEST_JSON_BYTES,
    LARGEST_WEIGHT_BYTES,
    PIECE_BYTES,
)
from poolnorm_cli.tensors.untrusted import bounded_memory, optional_module
from poolnorm_cli.weights.entry import StoredArray


_SIGNATURE, _HEAP = b"\x89HDF\r\n\x1a\n", b"GCOL"
_HEAP_HEADER = 16
_STRING = 3
"""libhdf5's number for the class of strings."""

_DEEPEST = 64
_MOST = 30_000
"""Groups and arrays, and names in a list; the largest models of Keras have a tenth of it."""
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}
_FAULTS = (KeyError, OSError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError)
_FIX = "save it again with Keras, in one file"


def require_sound_heaps(file: IOBase, place: str) -> None:
    """Refuse a file that would have libhdf5 go round for ever.

    Args:
        file: The open file.
        place: What messages call it.

    Raises:
        InputError: A heap has an object of no size or beyond its end, or is larger than any that
            Keras writes; or numbers in the file do not have the 8 bytes that they have everywhere.
    """
    size = file.seek(0, 2)
    _require_eight_byte_numbers(file, place)
    left = size + LARGEST_HEAP_BYTES  # heaps that overlap are no heaps
    for start in _heap_places(file, size):
        length = _heap_length(file, start)
        if not length <= size - start:
            continue  # no heap, or one that libhdf5 refuses
        left -= length
        if length > LARGEST_HEAP_BYTES or left < 0:
            raise InputError.at(place, f"heaps of more than {length} bytes", _FIX)
        if not _is_tiled(_read(file, start, length)):
            raise InputError.at(place, "a heap with an object of no size, or beyond its end", _FIX)


def _require_eight_byte_numbers(file: IOBase, place: str) -> None:
    for start in (0, *(512 << power for power in range(16))):
        block = _read(file, start, _HEAP_HEADER)
        if block.startswith(_SIGNATURE):
            sizes = block[13:15] if block[8:9] < b"\x02" else block[9:11]
            if sizes != b"\x08\x08":
                raise InputError.at(place, "numbers of another size than 8 bytes", _FIX)
            return


def _heap_places(file: IOBase, size: int) -> Iterator[int]:
    """Find what may be heaps, wherever they begin."""
    for start in range(0, size, PIECE_BYTES):
        piece = _read(file, start, PIECE_BYTES + len(_HEAP) - 1)
        found = piece.find(_HEAP)
        while found >= 0:
            yield start + found
            found = piece.find(_HEAP, found + 1)


def _heap_length(file: IOBase, start: int) -> int:
    """Return the bytes that a heap says it has; more than there can be where it is none."""
    header = _read(file, start, _HEAP_HEADER)
    if len(header) < _HEAP_HEADER or header[4:8] != b"\x01\0\0\0":
        return 1 << 64
    return int.from_bytes(header[8:], "little")


def _is_tiled(heap: bytes) -> bool:
    """Whether the objects of a heap follow one another up to its end.

    After one of no size libhdf5 meets the same again, and after one of nearly 2**64 bytes, where
    its pointer wraps around, those that came before: it goes round for ever.
    """
    place = _HEAP_HEADER
    while place + _HEAP_HEADER <= len(heap):
        number, _, size = struct.unpack_from("<HH4xQ", heap, place)
        taken = size if number == 0 else _HEAP_HEADER + (size + 7) // 8 * 8
        if not 0 < taken <= len(heap) - place:
            return False
        place += taken
    return True


def _read(file: IOBase, start: int, count: int) -> bytes:
    """Read bytes at a place, fewer where the file ends."""
    file.seek(start)
    data: bytes = file.read(count)
    return data


@dataclass(slots=True)
class Hdf5Contents:
    """What a walk over an HDF5 file has found.

    Attributes:
        arrays: All arrays by path; one that is not of floating-point numbers is refused when it
            is read.
        names: The `name` attributes of groups that have one, by path.
        layer_names: Names of layers in order, by the path of the group that lists them.
        weight_names: Paths of weights in order, by the path of the layer that lists them.
        version: The version of Keras that wrote the file; empty where it does not say.
        config: The model's config, where the file has it as an attribute.
    """

    arrays: dict[str, StoredArray] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    layer_names: dict[str, list[str]] = field(default_factory=dict)
    weight_names: dict[str, list[str]] = field(default_factory=dict)
    version: str = ""
    config: str | bytes | None = None


def walk(file: IOBase, place: str) -> Hdf5Contents:
    """List what there is in an HDF5 file.

    The library has the file open only while it is walked, and again while a value is read: one
    that it still held when Python ends would be closed by calls into a Python that is gone.

    Args:
        file: The open file.
        place: What messages call it.

    Returns:
        Its arrays and the attributes that say what they are.

    Raises:
        InputError: It is damaged, or has a link to elsewhere, external or virtual data, another
            filter than gzip, shuffle and fletcher32, or an array met by two paths.
        UnavailableError: h5py is not installed.
    """
    h5py = optional_module("h5py", "keras", place)
    require_sound_heaps(file, place)
    with _hdf5_errors(place), h5py.File(file, "r") as root:
        walk = _Walk(h5py, file, place)
        walk.group(root, "", 0)
        walk.contents.config = _string_attribute(root, "model_config", place)
        for group in (root, root.get("model_weights")):
            if isinstance(group, h5py.Group):
                walk.contents.version = _string_attribute(group, "keras_version", place) or ""
    return walk.contents


def _string_attribute(group: Any, name: str, place: str) -> str | None:
    """Return a string attribute, or None without one.

    Raises:
        InputError: It is not a string, or is a longer one than a model's config may be.
    """
    if name not in group.attrs:
        return None
    stored = group.attrs.get_id(name)
    if stored.shape not in ((), (1,)) or stored.get_storage_size() > LARGEST_JSON_BYTES:
        raise InputError.at(place, f"attribute {name!r} of shape {stored.shape}", _FIX)
    _require_string(stored, name, place)
    value = group.attrs[name]
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return str(value)


def _require_string(stored: Any, name: str, place: str) -> None:
    """Refuse an attribute that is not a string before libhdf5 reads it: some kinds bring it down.

    Raises:
        InputError: It is none.
    """
    if stored.get_type().get_class() != _STRING:
        raise InputError.at(place, f"attribute {name!r} is not a string", _FIX)


def _string_list(group: Any, name: str, place: str) -> list[str] | None:
    """Return an attribute that is a list of names, or None without one.

    Keras cuts a long list into `weight_names0`, `weight_names1` and so on.

    Raises:
        InputError: It is something else, or longer than such lists are.
    """
    parts = [name] if name in group.attrs else []
    while not parts or parts[-1] != name:
        part = f"{name}{len(parts)}"
        if part not in group.attrs:
            break
        parts.append(part)
    if not parts:
        return None
    names: list[Any] = []
    for part in parts:
        stored = group.attrs.get_id(part)
        count = prod(stored.shape or ())
        size = stored.get_storage_size() if count else 0
        many = len(names) + count > _MOST
        if len(stored.shape or ()) != 1 or many or size > LARGEST_JSON_BYTES:
            raise InputError.at(place, f"attribute {part!r} of shape {stored.shape}", _FIX)
        if count:  # of an empty list h5py makes one of numbers
            _require_string(stored, part, place)
            names += list(group.attrs[part])
    return [n.decode(errors="replace") if isinstance(n, bytes) else str(n) for n in names]


class _Walk:
    def __init__(self, h5py: Any, file: IOBase, place: str) -> None:
        self.contents = Hdf5Contents()
        self._h5py, self._file, self._place = h5py, file, place
        self._seen: set[Any] = set()

    def group(self, group: Any, path: str, depth: int) -> None:
        if depth > _DEEPEST:
            raise InputError.at(self._place, f"groups nested more than {_DEEPEST} deep", _FIX)
        self._meet(group, path)
        name = _string_attribute(group, "name", self._place) if path.endswith("vars") else None
        if name is not None:
            self.contents.names[path] = name
        for key, found in (
            ("layer_names", self.contents.layer_names),
            ("weight_names", self.contents.weight_names),
        ):
            names = _string_list(group, key, self._place)
            if names is not None:
                found[path] = names
        for key in group:
            inner = f"{path}/{key}" if path else key
            self._member(self._held(group, key, inner), inner, depth)

    def _held(self, group: Any, key: str, path: str) -> Any:
        """Return a member that is in this file, and there by no detour."""
        if not isinstance(group.get(key, getlink=True), self._h5py.HardLink):
            raise self._refused(path, "a link to elsewhere")
        return group[key]

    def _member(self, member: Any, path: str, depth: int) -> None:
        if isinstance(member, self._h5py.Group):
            self.group(member, path, depth + 1)
        elif isinstance(member, self._h5py.Dataset):
            self._dataset(member, path)
        else:
            raise self._refused(path, "neither a group nor an array")

    def _dataset(self, dataset: Any, path: str) -> None:
        self._meet(dataset, path)
        self._require_inside(dataset, path)
        shape = tuple(int(size) for size in dataset.shape or ())
        self.contents.arrays[path] = StoredArray(shape, lambda: self._values(path))

    def _require_inside(self, dataset: Any, path: str) -> None:
        if dataset.external:
            raise self._refused(path, "data in another file (external storage)")
        if dataset.is_virtual:
            raise self._refused(path, "data in another file (a virtual dataset)")

    def _values(self, path: str) -> Any:
        with _hdf5_errors(self._place), self._h5py.File(self._file, "r") as member:
            place = ""
            for key in path.split("/"):  # the file may have changed meanwhile
                place = f"{place}/{key}" if place else key
                member = self._held(member, key, place)  # noqa: PLW2901 - what is closed is the file
            self._require_inside(member, path)
            is_bfloat16 = self._is_bfloat16(member)
            is_float = member.id.get_type().get_class() == self._h5py.h5t.FLOAT
            if member.shape is None or not (is_float or is_bfloat16):
                kind = "nothing" if member.shape is None else shown(str(member.dtype), 20)
                raise self._refused(path, f"{kind}, not floating-point numbers")
            self._require_plain(member, path)
            values = member[()]
            return widen_bfloat16(np.asarray(values).view("<u2")) if is_bfloat16 else values

    def _is_bfloat16(self, dataset: Any) -> bool:
        """Whether values are bfloat16: two raw bytes, in newer files with a word beside."""
        opaque = dataset.id.get_type().get_class() == self._h5py.h5t.OPAQUE
        word = _string_attribute(dataset, "dtype", self._place) or "bfloat16"
        return opaque and dataset.dtype.itemsize == 2 and word == "bfloat16"

    def _require_plain(self, dataset: Any, path: str) -> None:
        """Refuse what no weight needs, and what h5py would load a plug-in for."""
        plist = dataset.id.get_create_plist()
        for number in range(plist.get_nfilters()):
            code = plist.get_filter(number)[0]
            if code not in _FILTERS:
                raise self._refused(path, f"filter {code}, not {', '.join(_FILTERS.values())}")
        for shape in (dataset.shape, dataset.chunks or ()):
            if prod(shape) * dataset.dtype.itemsize > LARGEST_WEIGHT_BYTES:
                raise self._refused(path, f"{prod(shape)} values, too many for a weight")

    def _meet(self, member: Any, path: str) -> None:
        address = self._h5py.h5o.get_info(member.id).addr
        if address in self._seen:
            raise self._refused(path, "there by two paths")
        self._seen.add(address)
        if len(self._seen) > _MOST:
            raise InputError.at(self._place, f"more than {_MOST} groups and arrays", _FIX)

    def _refused(self, path: str, reason: str) -> InputError:
        return InputError.at(path, reason, _FIX).within(self._place)


@contextmanager
def _hdf5_errors(place: str) -> Iterator[None]:
    """Turn what h5py raises into one line, and let it allocate no more than it needs."""
    try:
        with bounded_memory(HDF5_MEMORY_BYTES):
            yield
    except _FAULTS as error:
        reason = shown(" ".join(str(error).split()), 80)
        raise InputError.at(place, f"not a readable HDF5 file ({reason})", _FIX) from None
