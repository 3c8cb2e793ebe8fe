"""One table knows the formats of tensor files; nothing else spells their suffixes."""

from __future__ import annotations

import ast
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import poolnorm_cli
from poolnorm_cli.tensors.formats import (
    FORMATS,
    NPY,
    NPZ,
    Format,
    either,
    format_of,
    format_on_stream,
    neither,
    output_suffixes,
    split_key,
    suffix_of,
)


PACKAGE = Path(poolnorm_cli.__file__).parent
TABLE = PACKAGE / "tensors" / "formats.py"


def suffixes_in(path: Path) -> list[tuple[int, str]]:
    """List the literals, pieces of f-strings too, that are a suffix and nothing else.

    Text in which a suffix stands among other words (help, messages, docstrings) may name it.
    """
    bare = {mark for suffix in FORMATS for mark in (suffix, f"{suffix}::")}
    return [
        (node.lineno, node.value)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in bare
    ]


@pytest.mark.parametrize(
    "path",
    sorted(path for path in PACKAGE.rglob("*.py") if path != TABLE),
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_no_other_module_spells_a_suffix(path: Path) -> None:
    found = suffixes_in(path)

    assert not found, f"ask tensors/formats.py instead: {found}"


def test_the_rule_finds_what_it_should(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    lines = ['"""Reads .npy."""', 'x == ".npy"', 'y in (".npz::",)', 'f"{a}.npz is"', 'f"{a}.npz"']
    path.write_text("\n".join(lines))

    assert sorted(suffixes_in(path)) == [(2, ".npy"), (3, ".npz::"), (5, ".npz")]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a/b.NPY", ".npy"),
        ("a.b/c", ""),
        (".npy", ""),
        ("x.tar.npz", ".npz"),
        ("https://host/x.npy?signature=a.b/c.d", ".npy"),
        ("", ""),
    ],
)
def test_a_suffix_is_of_the_name_alone(name: str, suffix: str) -> None:
    assert suffix_of(name) == suffix


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("x.npz::a", ("x.npz", "a")),
        ("x.NPZ::a::b", ("x.NPZ", "a::b")),
        ("x.npz::", ("x.npz", "")),
        ("x.npy::a", None),
        ("x.npz", None),
        ("s3://b/x.npz::a", ("s3://b/x.npz", "a")),
        ("https://host/x.npz?s=1::a", ("https://host/x.npz?s=1", "a")),
    ],
)
def test_a_key_follows_a_file_whose_arrays_have_names(
    word: str, parts: tuple[str, str] | None
) -> None:
    assert split_key(word) == parts


def test_formats_are_found_by_name_and_by_their_first_bytes() -> None:
    assert format_of("X.Npy") is NPY
    assert format_of("x.doc") is None
    assert format_on_stream(b"PK\3\4xx") is NPZ
    assert format_on_stream(b"\x93NUMPY") is NPY
    assert format_on_stream(b"") is None


def test_messages_list_what_the_table_has(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Format(suffix=".toy", magic=b"TOY", reader="toy")
    monkeypatch.setitem(FORMATS, ".toy", toy)

    assert either() == ".npy, .npz, .safetensors or .toy"
    assert (either((".npz",)), either((".npy", ".npz"))) == (".npz", ".npy or .npz")
    assert neither().startswith("neither .npy nor .npz nor ")
    assert neither().endswith(" nor .toy")
    assert output_suffixes() == (".npy", ".npz", ".safetensors")


def test_a_reader_that_another_thread_is_importing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(threading, "slow_import", (begun, go_on), raising=False)
    source = "import threading\na, b = threading.slow_import\na.set()\nb.wait(60)\nopen_file = 1\n"
    (tmp_path / "slow_reader.py").write_text(source)
    slow = Format(suffix=".slow", magic=b"slow", reader="slow_reader")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: slow.reading)
        assert begun.wait(60)
        second = pool.submit(lambda: slow.reading.open_file)
        with pytest.raises(TimeoutError):
            second.result(0.05)
        go_on.set()

        assert second.result(60) == 1
        assert first.result(60).__name__ == "slow_reader"
    del sys.modules["slow_reader"]
