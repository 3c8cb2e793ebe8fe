"""The fuzz target is alive: its seeds are read by every reader, and it tells of one that fails."""

from pathlib import Path

import pytest

from tests.fuzz import readers


pytest.importorskip("h5py")
pytest.importorskip("onnx")
SEEDS = list(readers.seeds())


def test_every_reader_has_a_seed() -> None:
    assert {seed[0] for seed in SEEDS} == set(range(len(readers.READERS)))


@pytest.mark.parametrize("number", range(len(readers.READERS)))
def test_seeds_are_read(number: int, tmp_path: Path) -> None:
    assert any(readers.read(seed, str(tmp_path)) for seed in SEEDS if seed[0] == number)


@pytest.mark.parametrize("number", range(len(readers.READERS)))
def test_what_is_no_such_file_is_refused(number: int, tmp_path: Path) -> None:
    for data in (b"\0" * 9, b"PK\3\4", b"[]", b"\x93NUMPY", b"\x89HDF\r\n\x1a\n"):
        assert not readers.read(bytes([number]) + data, str(tmp_path))
    assert not readers.read(b"", str(tmp_path))
    assert not readers.read(bytes([number]) + b"x" * readers.LARGEST, str(tmp_path))


@pytest.mark.parametrize("number", range(len(readers.READERS)))
def test_a_reader_that_fails_is_told(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: str) -> None:
        raise KeyError(path)

    rows = [(suffix, broken) for suffix, _ in readers.READERS]
    monkeypatch.setattr(readers, "READERS", rows)
    with pytest.raises(KeyError):
        readers.read(bytes([number]) + b"x", str(tmp_path))
