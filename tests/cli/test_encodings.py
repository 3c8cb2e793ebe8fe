"""Names that standard output cannot encode are escaped: no batch ends, no comparison is misled."""

import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from poolnorm_cli.cli import main
from poolnorm_cli.report.rows import Style
from poolnorm_cli.report.table import console, tables
from tests.conftest import Command, process


NAME = "名é.npy"
ENCODINGS = ("ascii", "ascii:strict", "latin-1", "euc_jp", "shift_jis", "koi8-r", "utf-8")
TROUBLE = ["missing.npy", "x.txt", "."]


def told(encoding: str, text: str = NAME) -> bytes:
    return text.encode(encoding.partition(":")[0], "backslashreplace")


def under(encoding: str) -> dict[str, str]:
    return os.environ | {"PYTHONIOENCODING": encoding}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_batch_goes_on_and_each_name_is_told(x: object, encoding: str) -> None:
    shutil.copy("x.npy", NAME)
    words = f"pool max {NAME} x.npy missing{NAME} -O out --no-values".split()
    done = process(*words, env=under(encoding))

    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first.startswith(told(encoding) + b"\t")
    assert first.endswith(b"\tout/" + told(encoding))
    assert second.startswith(b"x.npy\t")
    assert done.stderr.splitlines()[0].startswith(b"error: missing" + told(encoding))
    assert done.stderr.splitlines()[1:] == [
        b"2 done, 0 skipped, 1 failed",
        b"  1 x no such file",
    ]
    assert {path.name for path in Path("out").iterdir()} == {"x.npy", NAME}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_equal_files_are_equal_whatever_their_names(x: object, encoding: str) -> None:
    shutil.copy("x.npy", NAME)
    done = process("compare", NAME, "x.npy", env=under(encoding))

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(told(encoding) + b"\tx.npy\tequal\t")


@pytest.mark.parametrize(
    "words",
    [f"info {NAME}", f"generate zeros 1,2 -o new{NAME}", f"bn x.npy --weights {NAME}::a"],
)
def test_every_verb_that_tells_a_name_escapes_it(x: object, words: str) -> None:
    shutil.copy("x.npy", NAME)
    done = process(*words.split(), env=under("ascii"))

    assert told("ascii") in done.stdout + done.stderr
    assert b"bug" not in done.stderr


def test_json_is_ascii_and_holds_the_name_itself(x: object) -> None:
    shutil.copy("x.npy", NAME)
    words = f"pool max {NAME} missing{NAME} -O out --json --progress json".split()
    done = process(*words, env=under("ascii"))
    found = json.loads(done.stdout)["results"]

    assert [result["input"] for result in found] == [NAME, f"missing{NAME}"]
    assert found[0]["output"] == f"out/{NAME}"


@pytest.mark.parametrize("name", [b"\xff\xfe.npy", b"\xe5\x90.npy"])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_that_are_no_text_are_escaped_too(x: object, name: bytes, encoding: str) -> None:
    word = os.fsdecode(name)
    shutil.copy("x.npy", word)
    done = process("pool", "max", word, "x.npy", "-O", "out", "--no-values", env=under(encoding))

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(word.encode("ascii", "backslashreplace") + b"\t")
    assert Path("out", word).exists()


def test_a_locale_without_any_letters_loses_no_file(x: object) -> None:
    """There the name arrives as the bytes it has, and goes out so."""
    shutil.copy("x.npy", NAME)
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = ["pool", "max", NAME, "-O", "out", "--no-values"]
    done = process(*words, env=os.environ | bare)

    assert (done.returncode, done.stderr) == (0, b"")
    assert Path("out", NAME).exists()


class Terminal(io.TextIOWrapper):
    """A terminal of some encoding."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "euc_jp"])
@pytest.mark.parametrize("columns", ["100", "30"])
def test_a_table_counts_the_escapes_as_it_prints_them(
    monkeypatch: pytest.MonkeyPatch, encoding: str, columns: str
) -> None:
    written = io.BytesIO()
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdout", Terminal(written, encoding=encoding, errors="strict"))
    rows = [{"input": name, "shape": "(4, 28, 28, 3)"} for name in (NAME, "한x.npy")]
    style = Style(color="never")
    console(style).print(*tables("MaxPooling2D(name='한')", rows, style))
    sys.stdout.flush()
    lines = written.getvalue().decode(encoding).splitlines()

    assert told("ascii", "한x.npy").decode() in "".join(lines)
    assert len({cell_len(line.rstrip()) for line in lines if line.startswith("|")}) == 1


def test_a_name_that_the_file_system_has_not_is_told_as_that(poolnorm: Command, x: object) -> None:
    name = "\ud800"  # in the encoding of files no byte stands for it
    for words in (f"info {name}.npy", f"pool max x.npy -O {name}", f"pool max --files-from {name}"):
        done = poolnorm(words)
        assert done.code in (2, 3, 4)
        assert "bug" not in done.err
        assert "that this locale's encoding, utf-8, cannot write; set LC_ALL=C.UTF-8" in done.err


@pytest.mark.parametrize("word", TROUBLE)
def test_whatever_goes_wrong_inside_compare_is_2(poolnorm: Command, x: object, word: str) -> None:
    Path("x.txt").write_text("no array")
    assert poolnorm(f"compare x.npy {word}").code == 2
    done = poolnorm(f"compare x.npy {word} --json")
    assert (done.code, json.loads(done.out)["code"]) == (2, 2)


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), RuntimeError("no"), MemoryError(), ValueError("no")],
    ids=repr,
)
@pytest.mark.parametrize("place", ["engine.compare.compare_files", "cli.verb_compare._unequal"])
def test_faults_of_any_kind_inside_compare_are_2(
    poolnorm: Command, x: object, monkeypatch: pytest.MonkeyPatch, place: str, error: Exception
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(f"poolnorm_cli.{place}", broken)
    done = poolnorm("compare x.npy x.npy")
    assert done.code == 2
    assert done.err.startswith("error: ")


def test_a_full_disk_under_its_output_is_2() -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    process("generate", "ones", "1,2", "-o", "o.npy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", Full())
        assert main.run(["compare", "o.npy", "o.npy"]) == 2
        assert main.run(["info", "o.npy"]) == 3
