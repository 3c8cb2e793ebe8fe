"""Words on the command line lead to the arrays they name, without NumPy until data is read."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from poolnorm_cli import tensors
from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.tensors.names import identity
from poolnorm_cli.tensors.sources import open_tensors
from tests.tensors.corpus import GOOD
from tests.tensors.corpus_npz import archive


if TYPE_CHECKING:
    from pathlib import Path

HEADERS_ONLY = """
import sys
from poolnorm_cli.tensors import DTYPES, identity, open_tensors, output_path
import poolnorm_cli.tensors.sources
tensors = [*open_tensors("x.npy"), *open_tensors("x.npz")]
assert [tensor.shape for tensor in tensors] == [(2, 3), (2, 3), (4,)], tensors
heavy = {"numpy", "tempfile", "hashlib"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    np.savez(tmp_path / "x.npz", a=np.zeros((2, 3)), b=np.ones(4), c=np.array(["text"]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(word: str, key: str | None = None) -> list[tuple[str, str | None]]:
    return [(tensor.name, tensor.key) for tensor in open_tensors(word, key)]


def test_headers_are_read_without_numpy(place: Path) -> None:
    root = str(tensors.__path__[0]).removesuffix("/poolnorm_cli/tensors")
    done = subprocess.run(
        [sys.executable, "-c", HEADERS_ONLY],
        cwd=place,
        env={"PYTHONPATH": root},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.usefixtures("place")
def test_arrays_are_chosen_by_key() -> None:
    assert keys("x.npz") == [("x.npz::a", "a"), ("x.npz::b", "b")]
    assert keys("x.npz", "b") == keys("x.npz::b") == [("x.npz::b", "b")]
    assert keys("x.npz::b", "b") == [("x.npz::b", "b")]
    assert keys("x.npy") == [("x.npy", None)]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("word", ["x.npz::d", "x.npz::", "x.npz::a::b"])
def test_an_unknown_key_lists_those_there_are(word: str) -> None:
    with pytest.raises(InputError, match=r"x\.npz: no array .*; there are: a, b, c"):
        keys(word)


@pytest.mark.usefixtures("place")
def test_an_array_of_text_is_refused_when_asked_for() -> None:
    with pytest.raises(InputError, match=r"x\.npz::c: dtype <U4 \(text\) is not supported"):
        keys("x.npz", "c")


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("word", ["x.npy", "-"])
def test_a_key_for_what_has_none_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="--key"):
        keys(word, "a")


@pytest.mark.usefixtures("place")
def test_two_different_keys_are_refused() -> None:
    with pytest.raises(UsageError, match="two keys"):
        keys("x.npz::a", "b")


def test_a_file_of_that_literal_name_comes_first(place: Path) -> None:
    (place / "x.npz::a.npy").write_bytes(GOOD)
    assert keys("x.npz::a.npy") == [("x.npz::a.npy", None)]


def test_suffix_and_content_have_to_agree(place: Path) -> None:
    (place / "z.npy").write_bytes(archive(("x.npy", GOOD)))
    (place / "n.npz").write_bytes(GOOD)
    (place / "n.doc").write_bytes(GOOD)
    for word, told in (
        ("z.npy", "named .npz"),
        ("n.npz", "name it .npy"),
        ("n.doc", "neither"),
        ("none.doc", "no such file"),
        (".", "a directory"),
        ("", "no such file"),
    ):
        with pytest.raises(InputError, match=told):
            keys(word)


def test_a_small_file_is_read_at_one_moment(place: Path) -> None:
    (tensor,) = open_tensors("x.npy")
    before = np.load("x.npy")
    np.save("x.npy", before + 1)

    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate(list(tensor.blocks(len(before)))), before)


def test_a_file_that_changes_is_noticed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poolnorm_cli.tensors.npy.SMALL_FILE_BYTES", 0)
    for word, path in (("x.npy", place / "x.npy"), ("x.npz::a", place / "x.npz")):
        (tensor,) = open_tensors(word)
        blocks = tensor.blocks(1)
        next(blocks)
        data = path.read_bytes()
        path.write_bytes(data)
        with pytest.raises(InputError, match="changed while reading"):
            list(blocks)
        with pytest.raises(InputError, match="changed while reading"):
            list(tensor.blocks(1))


def test_all_names_of_a_file_have_one_identity(place: Path) -> None:
    (place / "link.npy").symlink_to("x.npy")
    assert identity(place / "link.npy") == identity("x.npy") != identity("x.npz")
    assert identity("none") is None


def test_the_package_gives_its_names_and_no_others() -> None:
    assert tensors.open_tensors is open_tensors
    assert "open_output" in dir(tensors)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tensors.nothing  # noqa: B018
