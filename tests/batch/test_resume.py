"""A resumed run replaces nothing but what its journal proves to be its own."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.batch.journal_file import JournalEntry, JournalHead, parse
from tests.batch.places import make_tensors, tree
from tests.conftest import Command


RUN = "pool max in -O out -q --journal j"
FOREIGN = b"not of any run"


@pytest.fixture(autouse=True)
def _inputs() -> None:
    make_tensors("in", 6)


def everything() -> dict[str, str]:
    return tree(".")


def edited(name: str) -> None:
    Path(name).write_bytes(FOREIGN)


def of_an_unknown_input() -> None:
    np.save("in/new.npy", np.ones((1, 4, 4, 3), np.float32))
    edited("out/new.npy")


def of_another_input() -> None:
    Path("other").mkdir()
    np.save("other/0002.npy", np.ones((1, 4, 4, 3), np.float32))


def of_another_directory() -> None:
    Path("out2").mkdir()
    edited("out2/0003.npy")


def replaced_by_a_link() -> None:
    edited("mine")
    Path("out/0002.npy").unlink()
    Path("out/0002.npy").symlink_to("../mine")


def with_another_time() -> None:
    data = bytearray(Path("out/0002.npy").read_bytes())
    data[-1] ^= 1
    Path("out/0002.npy").write_bytes(data)


@pytest.mark.parametrize("verify", ["", " --verify"])
@pytest.mark.parametrize(
    ("happens", "words", "target"),
    [
        (of_an_unknown_input, RUN, "out/new.npy"),
        (of_another_input, RUN.replace(" in ", " other "), "out/0002.npy"),
        (of_another_directory, RUN.replace("-O out", "-O out2"), "out2/0003.npy"),
        (lambda: edited("out/0002.npy"), RUN, "out/0002.npy"),
        (lambda: edited("out/0005.npy"), RUN, "out/0005.npy"),
        (lambda: Path("out/0002.npy").write_bytes(b""), RUN, "out/0002.npy"),
        (replaced_by_a_link, RUN, "out/0002.npy"),
        (with_another_time, RUN, "out/0002.npy"),
        (lambda: None, f"{RUN} --pool-size 4", "out/0000.npy"),
        (lambda: None, f"{RUN} --padding same --strides 1", "out/0000.npy"),
        (lambda: None, RUN.replace("pool max", "pool average"), "out/0000.npy"),
        (lambda: None, RUN.replace("pool max", "ln"), "out/0000.npy"),
        (lambda: None, f"{RUN} --dtype float64", "out/0000.npy"),
    ],
)
def test_what_is_not_proved_is_not_replaced(
    poolnorm: Command, happens: Callable[[], object], words: str, target: str, verify: str
) -> None:
    assert poolnorm(RUN).code == 0
    happens()
    before = everything()
    for flags in ("--resume", "--resume -j 2"):
        result = poolnorm(f"{words} {flags}{verify}")

        assert result.code == 2
        assert result.err.startswith(f"error: {target}: exists, and ")
        assert result.err.count("\n") == 1
        assert everything() == before


def test_an_edited_output_of_a_run_that_was_killed_is_not_replaced(poolnorm: Command) -> None:
    poolnorm(RUN)
    whole = Path("j").read_text().splitlines(keepends=True)
    Path("j").write_text("".join(whole[:-1]))  # killed before it wrote the line of 0005
    edited("out/0005.npy")
    before = everything()
    result = poolnorm(f"{RUN} --resume")

    assert result.code == 2
    assert (
        "out/0005.npy: exists, and neither the journal nor its contents show that this run wrote it"
        in result.err
    )
    assert everything() == before


def test_what_is_not_proved_is_replaced_on_request(poolnorm: Command) -> None:
    poolnorm(RUN)
    edited("out/0002.npy")
    assert poolnorm(f"{RUN} --resume --overwrite").code == 0

    poolnorm("pool max in -O fresh -q")
    assert tree("out") == tree("fresh")
    text = Path("j").read_text()
    assert text.count('"in/0002.npy"') == 2
    assert text.count('"in/0001.npy"') == 1


def test_outputs_that_were_copied_are_known_by_their_bytes(poolnorm: Command) -> None:
    poolnorm(RUN)
    for path in Path("out").iterdir():
        os.utime(path, ns=(0, 0))
    before = {path: path.stat().st_ino for path in Path("out").iterdir()}
    assert poolnorm(f"{RUN} --resume --verify").code == 0
    assert Path("j").read_text().count('"status"') == 6  # by their checksums: nothing was done

    assert poolnorm(f"{RUN} --resume").code == 0  # made again, and equal: left, and written down
    assert {path: path.stat().st_ino for path in Path("out").iterdir()} == before
    assert poolnorm(f"{RUN} --resume").code == 0
    assert Path("j").read_text().count('"status"') == 12


def test_a_damaged_output_of_the_same_time_is_found_by_its_checksum(poolnorm: Command) -> None:
    poolnorm(RUN)
    expected = tree("out")
    path = Path("out/0004.npy")
    seen = path.stat()
    path.write_bytes(bytes(seen.st_size))  # what is left of it after a power cut
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert poolnorm(f"{RUN} --resume").code == 0
    assert tree("out") != expected

    assert poolnorm(f"{RUN} --resume --verify").code == 0
    assert tree("out") == expected


def test_a_proof_outlasts_a_failure(poolnorm: Command) -> None:
    poolnorm(RUN)
    good = Path("in/0001.npy").read_bytes()
    Path("in/0001.npy").write_bytes(b"torn")
    assert poolnorm(f"{RUN} --resume").code == 1
    Path("in/0001.npy").write_bytes(good + b"")
    np.save("in/0001.npy", np.ones((2, 4, 4, 3), np.float32))
    assert poolnorm(f"{RUN} --resume").code == 0
    assert np.load("out/0001.npy").shape == (2, 2, 2, 3)


def line(**changes: Any) -> bytes:
    whole = {
        "schema": 1,
        "input": "in/0000.npy",
        "key": None,
        "size": 1,
        "mtime_ns": 2,
        "params": "p",
        "output": "out/0000.npy",
        "status": "done",
        "seconds": 0.5,
        "bytes": 3,
        "output_mtime_ns": 4,
        "sha256": "f",
    }
    return json.dumps(whole | changes).encode() + b"\n"


DAMAGED = [
    b"null\n",
    b"[]\n",
    b"1\n",
    b'"text"\n',
    b"{}\n",
    b"\n",
    b"\0" * 200 + b"\n",
    b"\xff\xfe\n",
    b"[" * 100_000 + b"\n",
    b'{"a":' * 50_000 + b"\n",
    b'{"schema": 1, "run": null, "items": 1}\n',
    b'{"schema": 1, "run": "p", "items": null}\n',
    b'{"schema": 1, "run": "p", "items": -1}\n',
    b'{"schema": 1, "run": "p", "items": true}\n',
    b'{"schema": 2, "run": "p", "items": 1}\n',
    b'{"schema": null, "run": "p", "items": 1}\n',
    b'{"schema": 1}\n',
    b'{"schema": 1, "input": "x"\n',
    line(schema=2),
    line(input=None),
    line(input=["in/0000.npy"]),
    line(key=[]),
    line(key=1),
    line(output={}),
    line(size=None),
    line(size=1.5),
    line(size="1"),
    line(mtime_ns=[]),
    line(mtime_ns=10**400),
    line(params=None),
    line(status="odd"),
    line(status=["done"]),
    line(seconds=None),
    line(status="failed"),
    line(status="failed", error="e", fix=None, code=4),
    line(status="failed", error="e", fix="f", code=None),
    line(status="failed", error="e", fix="f", code=7),
    line(status="failed", error="e", fix="f", code=[4]),
    line(status="failed", error=["e"], fix="f", code=4),
]


@pytest.mark.parametrize("data", DAMAGED, ids=lambda data: repr(data[:60]))
def test_a_line_that_is_none_is_passed_over(poolnorm: Command, data: bytes) -> None:
    assert parse(data) is None
    poolnorm(RUN)
    expected = tree("out")
    head, *rest = Path("j").read_bytes().splitlines(keepends=True)
    Path("j").write_bytes(b"".join([head, data, *rest, data]))
    result = poolnorm(f"{RUN} --resume")

    assert (result.code, result.err) == (0, "")
    assert tree("out") == expected


@pytest.mark.parametrize("data", DAMAGED, ids=lambda data: repr(data[:60]))
def test_a_file_that_begins_with_such_a_line_is_no_journal(poolnorm: Command, data: bytes) -> None:
    Path("j").write_bytes(data)
    for flags in ("", " --resume"):
        result = poolnorm(RUN + flags)

        assert result.code == 2
        assert "error: j: not a journal; give the name of a journal, or of a new file" in result.err
        assert Path("j").read_bytes() == data
        assert not Path("out").exists()


def test_lines_without_what_proves_an_output_prove_none() -> None:
    for odd in (line(bytes=None), line(bytes=-1), line(sha256=None), line(output_mtime_ns="4")):
        found = parse(odd)
        assert isinstance(found, JournalEntry)
        assert found.output_version is None
        assert found.sha256 == ""


def test_lines_are_read_as_they_are_written() -> None:
    for data in (line(), line(key="a"), line(status="failed", error="e", fix="", code=4)):
        found = parse(data)
        assert isinstance(found, JournalEntry)
        again = parse(found.encoded())
        assert isinstance(again, JournalEntry)
        assert (again.encoded(), str(again.error)) == (found.encoded(), str(found.error))
    head = parse(JournalHead("p", 3).encoded())
    assert isinstance(head, JournalHead)
    assert (head.params, head.inputs) == ("p", 3)


@pytest.mark.parametrize(
    "data",
    [
        b"one line of text",
        b"in/0000.npy\nin/0001.npy\n",
        b"in/0000.npy\0in/0001.npy\0",
        b"{",
        b'{"schema": 1, "run": "' + b"x" * 200,
    ],
)
def test_a_text_is_no_journal_and_stays_as_it_is(poolnorm: Command, data: bytes) -> None:
    Path("j").write_bytes(data)
    if data == b"{":  # what is left of the first line of a journal
        assert poolnorm(RUN).code == 0
        return
    assert poolnorm(RUN).code == 2
    assert Path("j").read_bytes() == data


@pytest.mark.parametrize("kind", ["fifo", "/dev/null", "/dev/full", "/dev/stdin", "directory"])
def test_what_is_no_file_is_no_journal(poolnorm: Command, kind: str) -> None:
    name = kind if kind.startswith("/dev") else "j"
    if kind == "fifo":
        os.mkfifo("j")
    elif kind == "directory":
        Path("j").mkdir()
    result = poolnorm(RUN.replace("--journal j", f"--journal {name}"))

    assert result.code == 2
    assert f"{name}: not a journal" in result.err
    assert not Path("out").exists()


def test_an_empty_file_of_a_person_stays_when_the_run_is_refused(poolnorm: Command) -> None:
    Path("j").touch()
    Path("out").mkdir()
    edited("out/0001.npy")

    assert poolnorm(RUN).code == 2
    assert Path("j").read_bytes() == b""
    assert poolnorm(f"{RUN} --overwrite").code == 0
    assert Path("j").read_bytes().count(b"\n") == 7


def test_a_torn_line_is_ended_by_a_run_and_by_nothing_else(poolnorm: Command) -> None:
    poolnorm(RUN)
    data = Path("j").read_bytes()
    Path("j").write_bytes(data[:-20])
    torn = Path("j").read_bytes()
    assert poolnorm(f"{RUN} --pool-size 3 --resume").code == 2
    assert poolnorm(f"{RUN} --dry-run --resume").code == 0
    assert Path("j").read_bytes() == torn
    assert poolnorm(f"{RUN} --resume").code == 0
    assert Path("j").read_bytes().startswith(torn + b'\n{"schema": 1, "run": ')
