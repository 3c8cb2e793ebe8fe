"""What would have libhdf5 loop for ever, crash or take much memory is refused before it is read."""

import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.weights import hdf5
from tests.conftest import Command, measured
from tests.weights.make_fixtures import FIXTURES


h5py = pytest.importorskip("h5py")
FILES = sorted(path.name for path in FIXTURES.glob("*.h5"))


def objects(data: bytes | bytearray) -> list[tuple[int, int]]:
    """List (place, number) of the objects in the first heap of a file."""
    start = data.index(b"GCOL")
    (length,) = struct.unpack_from("<Q", data, start + 8)
    found, place = [], start + 16
    while place + 16 <= start + length:
        number, size = struct.unpack_from("<H6xQ", data, place)
        found.append((place, number))
        place += size if number == 0 else 16 + (size + 7) // 8 * 8
    return found


def altered(place: int, value: bytes, name: str = "legacy_renamed.h5") -> None:
    """Write m.h5, a fixture with some bytes changed."""
    data = bytearray((FIXTURES / name).read_bytes())
    data[place : place + len(value)] = value
    Path("m.h5").write_bytes(data)


@pytest.mark.parametrize("file", FILES)
def test_the_heaps_of_keras_are_sound(poolnorm: Command, file: str) -> None:
    assert poolnorm(f"info {FIXTURES}/{file}").code == 0


@pytest.mark.parametrize("size", [0, (1 << 64) - 16, (1 << 64) - 23])
def test_an_object_of_no_size_is_refused(poolnorm: Command, size: int) -> None:
    """16 bytes stand before an object, and its size is rounded up: the sum wraps to nothing."""
    places = objects((FIXTURES / "legacy_renamed.h5").read_bytes())
    place = next(p for p, number in places if (number == 0) == (size == 0))
    altered(place + 8, struct.pack("<Q", size))

    result = poolnorm("info m.h5")
    assert (result.code, "a heap with an object of no size" in result.err) == (4, True)


@pytest.mark.parametrize("size", [(1 << 64) - 48, (1 << 64) - 9728, 9728, 1 << 63])
def test_an_object_beyond_the_end_of_its_heap_is_refused(poolnorm: Command, size: int) -> None:
    """A size of nearly 2**64 bytes leads back to what came before it, and so round for ever."""
    places = objects((FIXTURES / "legacy_renamed.h5").read_bytes())
    altered(places[2][0] + 8, struct.pack("<Q", size))

    result = poolnorm("info m.h5")
    assert (result.code, "or beyond its end" in result.err) == (4, True)


def test_a_heap_across_two_pieces_of_the_file_is_found(poolnorm: Command) -> None:
    data = bytearray((FIXTURES / "legacy_renamed.h5").read_bytes())
    place = next(p for p, number in objects(data) if number == 0)
    data[place + 8 : place + 16] = bytes(8)
    start = data.index(b"GCOL")
    padding = (1 << 20) - start - 2
    Path("m.h5").write_bytes(data[:start] + bytes(padding) + data[start:])

    assert "a heap with an object of no size" in poolnorm("info m.h5").err


def test_numbers_of_another_size_are_refused(poolnorm: Command) -> None:
    altered(14, b"\x04")

    result = poolnorm("info m.h5")
    assert (result.code, "numbers of another size than 8 bytes" in result.err) == (4, True)


@pytest.mark.parametrize("name", ["keras_version", "model_config", "layer_names", "weight_names"])
def test_an_attribute_that_is_no_text_is_refused(poolnorm: Command, name: str) -> None:
    file = Path(shutil.copy(FIXTURES / "legacy_renamed.h5", "m.h5"))
    kind: Any = h5py.vlen_dtype(np.uint8)
    with h5py.File(file, "r+") as opened:
        groups = {"layer_names": "model_weights", "weight_names": "model_weights/bn"}
        group = opened[groups.get(name, "/")]
        value = np.empty(1, object)
        value[0] = np.frombuffer(b"bn", np.uint8)
        del group.attrs[name]
        group.attrs.create(name, value, dtype=kind)

    result = poolnorm("info m.h5")
    assert (result.code, f"attribute '{name}' is not a string" in result.err) == (4, True)


def test_too_many_groups_are_refused(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "_MOST", 20)
    with h5py.File("m.h5", "w") as file:
        for number in range(30):
            file.create_group(f"layers/g{number}")

    result = poolnorm("info m.h5")
    assert (result.code, "more than 20 groups and arrays" in result.err) == (4, True)


def _names(group: Any) -> None:
    group.attrs.create("layer_names", np.zeros(hdf5._MOST + 1, "S1"))


def _many_lists(group: Any) -> None:
    for number in range(4):
        group.attrs.create(f"layer_names{number}", np.zeros(hdf5._MOST // 3, "S1"))


def _vast(group: Any) -> None:
    group.attrs.create("layer_names", np.zeros(3_000_000, "S100"))


def _long(group: Any) -> None:
    group.file.attrs.create("model_config", np.bytes_(b"x" * 60_000_000))


@pytest.mark.parametrize("make", [_names, _many_lists, _vast, _long])
def test_vast_attributes_take_little_memory(make: Callable[[Any], None], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w", libver="latest") as file:
        make(file.create_group("model_weights"))
    done = measured("info", "m.h5")

    assert (done.code, done.err.count("\n")) == (4, 1), done.err
    assert done.megabytes < 300
