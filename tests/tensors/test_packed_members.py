"""Members of `.npz` that are packed by bz2, lzma or zstd are read, in bounded memory."""

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Command, measured


X = np.random.default_rng(0).standard_normal((4, 28, 28, 3)).astype(np.float32).round(1)


def npy(array: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


RAW = npy(X)


def archive(method: int, packed: bytes, raw: bytes, flags: int = 0) -> bytes:
    """Make an archive of one member, whatever it is packed by."""
    name, crc = b"x.npy", zlib.crc32(raw)
    facts = (63, flags, method, 0, 33, crc, len(packed), len(raw), len(name), 0)
    local = struct.pack("<4s5H3L2H", b"PK\3\4", *facts) + name
    table = struct.pack("<4s6H3L5H2L", b"PK\1\2", 63, *facts, 0, 0, 0, 0, 0) + name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(table), len(local + packed), 0)
    return local + packed + table + end


def by_zipfile(method: int) -> Callable[[bytes], bytes]:
    def pack(raw: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as target:
            target.writestr("x.npy", raw)
        return file.getvalue()

    return pack


def by_zstd(raw: bytes) -> bytes:
    zstd = pytest.importorskip("backports.zstd")
    return archive(93, zstd.compress(raw[:999]) + zstd.compress(raw[999:]), raw)


def lzma_without_end(raw: bytes) -> bytes:
    """Pack as programs do that leave out the mark at the end, which a flag tells."""
    alone = lzma.compress(raw, lzma.FORMAT_ALONE)
    return archive(14, struct.pack("<2BH", 9, 4, 5) + alone[:5] + alone[13:], raw)


PACKERS = {
    "bz2": by_zipfile(12),
    "lzma": by_zipfile(14),
    "lzma without an end": lzma_without_end,
    "zstd": by_zstd,
}


@pytest.mark.parametrize("kind", PACKERS)
def test_they_are_read(poolnorm: Command, kind: str) -> None:
    Path("x.npz").write_bytes(PACKERS[kind](RAW))
    np.save("x.npy", X)

    assert poolnorm("compare x.npz x.npy").code == 0
    assert poolnorm("pool max x.npz -o y.npz").code == 0
    assert np.load("y.npz")["x"].shape == (4, 14, 14, 3)


@pytest.mark.parametrize("kind", PACKERS)
def test_each_damage_is_refused(poolnorm: Command, kind: str) -> None:
    np.save("x.npy", X)
    assert poolnorm("pool max x.npy -o whole.npy").code == 0
    data, whole, refused = PACKERS[kind](RAW), np.load("whole.npy"), 0
    for place in range(40, len(data) - 80, len(data) // 23):
        Path("x.npz").write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        result = poolnorm("pool max x.npz -o y.npy")

        if result.code == 0:  # a byte that says nothing of the data
            np.testing.assert_array_equal(np.load("y.npy"), whole)
            Path("y.npy").unlink()
        else:
            assert (result.code, result.err.count("\n")) == (4, 1)
            refused += 1
        assert not Path("y.npy").exists()
    assert refused > 15


@pytest.mark.parametrize("kind", PACKERS)
def test_more_or_less_than_it_says(poolnorm: Command, kind: str) -> None:
    for raw in (RAW[:-400], RAW + b"more" * 9):
        Path("x.npz").write_bytes(PACKERS[kind](raw))
        assert poolnorm("pool max x.npz -o y.npy").code == 4
    assert not Path("y.npy").exists()


@pytest.mark.parametrize("kind", PACKERS)
def test_a_bomb_takes_little_memory(kind: str) -> None:
    Path("x.npz").write_bytes(PACKERS[kind](npy(np.zeros((64, 1 << 20), np.float32))))

    seen = measured("info", "x.npz", "--stats")

    assert seen.code == 0
    assert seen.megabytes < 120


def test_a_vast_dictionary_is_refused(poolnorm: Command) -> None:
    head = struct.pack("<2BHBL", 9, 4, 5, 93, 1 << 31)
    data = bytearray(archive(14, head + bytes(1 << 18), RAW))
    for place in (22, len(data) - 22 - 46 - 5 + 24):  # both say how much comes
        data[place : place + 4] = (1 << 30).to_bytes(4, "little")
    Path("x.npz").write_bytes(data)
    result = poolnorm("info x.npz")

    assert (result.code, result.err.count("\n")) == (4, 1)
    assert "an lzma dictionary of 1073741824 bytes" in result.err


def test_without_zstd_it_says_what_to_type(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("x.npz").write_bytes(archive(93, RAW, RAW))
    for module in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    result = poolnorm("info x.npz")

    assert result.code == 3
    assert "packed by zstd, which needs Python 3.14 or backports.zstd; pip install" in result.err


def test_other_methods_are_refused(poolnorm: Command) -> None:
    Path("x.npz").write_bytes(archive(9, RAW, RAW))

    assert "compressed by method 9" in poolnorm("info x.npz").err
