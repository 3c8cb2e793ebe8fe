"""Members of a `.npz`: any name is a key, what is no tensor is told, and nothing vanishes."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.errors import InputError
from poolnorm_cli.tensors import npz, zip_table
from poolnorm_cli.tensors.sources import open_tensors
from tests.conftest import Command


KEYS = [
    *("scope/gamma:0", "/x", "../x", "a/../../x", "C:x", "a\\x", "\x1b[31mx", "a\nb", "a\x7f", ""),
    *("a\x9b", "x.NPY", "readme.txt", "x/", ".npy.npy", "é\u20ac", "..", "a" * 300),
]
X = np.arange(24, dtype=np.float32).reshape(2, 4, 3)


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def write(*members: tuple[str, bytes], file: str = "x.npz", method: int = 0) -> None:
    """Write an archive, members without a suffix unless they are given one."""
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("suffix", ["", ".npy"])
def test_any_name_is_a_key(poolnorm: Command, key: str, suffix: str) -> None:
    if not key + suffix:
        pytest.skip("nothing is no name")
    write((key + suffix, npy(X)), ("z.npy", npy(X + 1)))
    key = (key + suffix).removesuffix(".npy")

    assert poolnorm("unit x.npz -q -o y.npz").err == ""
    with np.load("y.npz") as y:
        assert set(y) == {key, "z"}
        np.testing.assert_allclose(y[key], X / np.linalg.norm(X, axis=-1, keepdims=True), rtol=1e-6)
    one = poolnorm("unit x.npz -q -o y.npy --key", key)
    assert (one.code, one.err) == (0, "")
    np.testing.assert_allclose(
        np.load("y.npy"), X / np.linalg.norm(X, axis=-1, keepdims=True), rtol=1e-6
    )
    told = poolnorm("info x.npz")
    assert (told.code, told.err, len(told.out.splitlines())) == (0, "", 2)
    assert all(line.isprintable() for line in told.out.replace("\t", " ").splitlines())


@pytest.mark.parametrize("key", KEYS[:10])
def test_a_key_never_makes_a_path(poolnorm: Command, tmp_path: Path, key: str) -> None:
    (tmp_path / "in").mkdir()
    write((f"{key}.npy", npy(X)), file="in/x.npz")

    result = poolnorm("unit in/x.npz -q -O in/out --output-name y{key}.npy")

    assert result.code == 0, result
    (made,) = (path for path in tmp_path.rglob("*") if path.is_file() and path.suffix == ".npy")
    assert made.parent == tmp_path / "in/out"
    assert made.name.isprintable()


BESIDE = [
    ("README.md", b"# hello"),
    ("docs/", b""),
    ("__MACOSX/._x.npy", b"\0\5\26\7" + bytes(60)),
    ("notes.npy", b"hello"),
    ("empty.npy", b""),
    ("words.npy", npy(np.array(["a", "b"]))),
]


@pytest.mark.parametrize(("name", "data"), BESIDE, ids=[name for name, _ in BESIDE])
@pytest.mark.parametrize("method", [0, 8])
def test_what_is_no_tensor_is_passed_over_and_told(
    poolnorm: Command, name: str, data: bytes, method: int
) -> None:
    write((name, data), ("x.npy", npy(X)), method=method)
    reason = "dtype <U1 (text) is not supported" if name == "words.npy" else "no array"
    note = f"note: x.npz: passed over {name.removesuffix('.npy')} ({reason})\n"

    for words in ("unit x.npz", "info x.npz", "compare x.npz x.npz", "unit x.npz -o y.npz"):
        result = poolnorm(words)
        assert result.code == 0, result
        assert set(result.err.splitlines(keepends=True)) == {note}, words
    assert poolnorm("unit x.npz -q").err == ""
    assert poolnorm("unit x.npz --json --no-values").err == note
    assert json.loads(poolnorm("unit x.npz --json --no-values").out)["results"]
    assert poolnorm("unit x.npz --key x").err == ""
    assert poolnorm("unit x.npz -O out --output-name {key}.npy").err == note


def damaged(place: int) -> None:
    """Alter one byte of the second array of x.npz, so many after its magic."""
    data = bytearray(Path("x.npz").read_bytes())
    start = data.index(npy(X + 1)[:8]) if place < 0 else data.rindex(b"\x93NUMPY")
    data[start + place] ^= 0x14
    Path("x.npz").write_bytes(data)


@pytest.mark.parametrize("byte", range(128))
def test_a_damaged_header_never_makes_an_array_vanish(poolnorm: Command, byte: int) -> None:
    write(("x.npy", npy(X)), ("y.npy", npy(X + 1)))
    damaged(byte)

    result = poolnorm("unit x.npz -q")

    assert result.code in {1, 4}, byte
    assert "x.npz" in result.err
    assert poolnorm("unit x.npz --key x").code == 0


def test_a_type_that_became_text_is_damage(poolnorm: Command) -> None:
    write(("x.npy", npy(X)), ("y.npy", npy(X)))
    data = Path("x.npz").read_bytes()
    Path("x.npz").write_bytes(data.replace(b"<f4", b"<U4", 1))

    for words in ("unit x.npz", "info x.npz"):
        assert poolnorm(words).err == (
            "error: x.npz::x: the checksum (CRC-32) is wrong; save it again with np.savez\n"
        )


def test_a_key_judges_its_member_alone(poolnorm: Command) -> None:
    data = npy(X)
    write(("x.npy", data), ("y.npy", data[:-1]), ("twice.npy", data), ("objects.npy", npy([{}])))
    with zipfile.ZipFile("x.npz", "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("packed.npy", data)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("twice.npy", data, zipfile.ZIP_STORED)

    assert poolnorm("unit x.npz --key x -q").code == 0
    assert poolnorm("unit x.npz::x -q").code == 0
    assert poolnorm("unit x.npz --key packed -q").code == 0
    for key, told in {
        "y": "truncated: 95 of 96 bytes",
        "twice": "there twice",
        "objects": "dtype |O (Python objects) is not supported",
        "no": "no array no; there are: x, y, twice, objects, packed, twice",
    }.items():
        result = poolnorm(f"unit x.npz -q --key {key}")
        assert result.code == 4
        assert told in result.err


def test_a_text_does_not_hide_the_array_of_its_key(poolnorm: Command) -> None:
    write(("x", b"what x is"), ("x.npy", npy(X)))

    assert poolnorm("unit x.npz").code == 0
    assert poolnorm("unit x.npz --key x").code == 0
    write(("x", npy(X)), ("x.npy", npy(X)))
    assert "there twice" in poolnorm("unit x.npz").err
    assert "there twice" in poolnorm("unit x.npz --key x").err
    assert poolnorm("unit x.npz --key x.npy").code == 0


def test_a_list_of_what_is_passed_over_ends(poolnorm: Command) -> None:
    write(("x.npy", npy(X)), *((f"{n}.txt", b"x") for n in range(99)))

    told = poolnorm("unit x.npz").err

    assert told.endswith("7.txt (no array) and 91 more\n")


def test_vast_text_out_of_little_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "LARGEST_PASSED_OVER_BYTES", 1 << 20)
    write(("x.npy", npy(X)), ("a.txt", bytes(1 << 20)), ("b.txt", bytes(99)), method=8)
    assert len(list(open_tensors("x.npz"))) == 1
    write(("x.npy", npy(X)), ("a.txt", bytes(1 << 20)), ("b.txt", bytes(1 << 20)), method=8)

    with pytest.raises(InputError, match=r"x\.npz::b\.txt: 1048576 bytes out of 1033"):
        list(open_tensors("x.npz"))


def test_a_vast_table_of_contents_is_refused() -> None:
    write(*((f"{n:065000}", b"") for n in range(270)))

    with pytest.raises(InputError, match=r"a table of contents of \d+ bytes, at most 16777216"):
        list(open_tensors("x.npz"))


def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from poolnorm_cli.tensors import zip_reader

    monkeypatch.setattr(zip_reader, "MOST_MEMBERS", 3)
    write(*((f"{n}.npy", npy(X)) for n in range(4)))

    with pytest.raises(InputError, match="4 members, at most 3 are read"):
        list(open_tensors("x.npz"))


def test_a_plain_table_of_contents_is_what_the_standard_library_reads(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    np.savez(file, gamma=X, beta=X + 1)
    with file.open("rb") as opened:
        assert zip_table.plain_contents(opened.fileno()) is not None
    whole, random = file.read_bytes(), np.random.default_rng(0)
    start = whole.index(b"PK\1\2")
    plain = 0
    for _ in range(600):
        data = bytearray(whole)
        for place in random.integers(start, len(data), random.integers(0, 3)):
            data[place] = [0, 1, 8, 20, 255, int(random.integers(256))][random.integers(6)]
        file.write_bytes(bytes(data))
        with file.open("rb") as opened, pytest.MonkeyPatch.context() as patch:
            found = zip_table.plain_contents(opened.fileno())
            if found is None:
                continue
            plain += 1
            patch.setattr(zip_table, "plain_contents", lambda _: None)
            assert zip_table.contents(opened.fileno(), "x.npz", "") == found
    assert 100 < plain < 500


def test_a_plain_archive_needs_no_other_reader(poolnorm: Command) -> None:
    np.savez("x.npz", a=X, b=X[:1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile, "ZipFile", None)
        patch.setattr(zipfile, "ZipExtFile", None)
        assert poolnorm("unit x.npz -q -o y.npz").err == ""
        assert poolnorm("unit y.npz -q -o z.npz").err == ""
        damaged = bytearray(Path("x.npz").read_bytes())
        damaged[200] ^= 1
        Path("w.npz").write_bytes(damaged)
        assert "the checksum (CRC-32) is wrong" in poolnorm("unit w.npz -q -o v.npz").err
