"""Thousands of damaged files: each is refused, or read as a second, independent reader does."""

from __future__ import annotations

import io
import random
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.tensors import header
from poolnorm_cli.tensors.sources import open_tensors
from tests.tensors.corpus import saved
from tests.tensors.test_roundtrip import gathered


if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MUTANTS = 3000


def zipped(*arrays: np.ndarray, deflated: bool) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if deflated else np.savez)(file, *arrays)
    return file.getvalue()


FLOATS = np.linspace(-1, 1, 24, dtype="<f4").reshape(4, 6)
SEEDS = {
    ".npy": [saved(FLOATS), saved(np.asfortranarray(FLOATS)), saved(np.arange(9, dtype=">i8"))],
    ".npz": [zipped(FLOATS, FLOATS, deflated=False), zipped(FLOATS, FLOATS > 0, deflated=True)],
}


def mutated(seed: bytes, source: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(source.choice([1, 1, 1, 2, 4, 8])):
        place = source.randrange(len(data) + 1)
        match source.randrange(6):
            case 0 | 1:
                data[place : place + 1] = bytes([source.randrange(256)])
            case 2:
                data[place : place + 1] = source.choice([b"0", b"9", b"\xff", b"\0", b"(", b"'"])
            case 3:
                del data[place : place + source.randint(1, 9)]
            case 4:
                data[place:place] = data[: source.randint(1, 40)]
            case 5:
                data[place : place + 4] = source.randbytes(4)
        if not data:
            break
    return bytes(data)


def parsed(found: Callable[[], dict[str, str] | None]) -> object:
    try:
        entries = found()
        return entries and (header._dims(entries["shape"], "x"), entries)
    except PoolnormError:
        return "refused"


def test_both_ways_of_reading_a_header_agree() -> None:
    source = random.Random(3)  # noqa: S311 - the same mutants in every run
    seed = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 6), }   \n"
    compared = 0
    for _ in range(20_000):
        place, drop = source.randrange(len(seed) + 1), source.randint(0, 3)
        line = seed[:place] + source.choice("{}'\"(), :\\019LT\n\tx") + seed[place + drop :]
        if header._plain(line) is not None:
            compared += 1
            plain = parsed(partial(header._plain, line))
            assert plain == parsed(partial(header._entries, line, "x")), line
    assert compared > 1000


@pytest.mark.parametrize("suffix", SEEDS)
def test_mutants_are_refused_or_read_right(suffix: str, tmp_path: Path) -> None:
    source = random.Random(20)  # noqa: S311 - the same mutants in every run
    path = tmp_path / f"x{suffix}"
    refused = accepted = 0
    for number in range(MUTANTS):
        path.write_bytes(mutated(SEEDS[suffix][number % len(SEEDS[suffix])], source))
        try:
            found = {tensor.key: gathered(tensor) for tensor in open_tensors(str(path))}
        except PoolnormError:
            refused += 1
            continue
        loaded = np.load(path)
        for key, array in found.items():
            expected = np.asarray(loaded if key is None else loaded[key])
            if expected.dtype == bool:
                expected = expected.view("u1") != 0
            np.testing.assert_array_equal(array, expected)
        if suffix == ".npz":
            loaded.close()
        accepted += 1
    assert refused > MUTANTS // 3
    assert accepted > MUTANTS // 50
