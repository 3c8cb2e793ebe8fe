"""The command explains itself: groups, panels, one flag, a topic; no name is ever cut."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

from poolnorm_cli.cli.command import Argument, Command as Verb, Family, Node
from poolnorm_cli.cli.groups import GROUPS, OTHER_GROUP, PANELS, grouped
from poolnorm_cli.cli.help_layout import laid_out
from poolnorm_cli.cli.help_page import page_of, panels_of
from poolnorm_cli.cli.help_topics import TOPICS
from poolnorm_cli.cli.verbs import ROOT
from poolnorm_cli.layers import LAYERS, find
from tests.conftest import Command, process


def nodes(node: Node = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    yield path, node
    if isinstance(node, Family):
        for word, make in node.members.items():
            yield from nodes(make(), (*path, word))


NODES = dict(nodes())
COMMANDS = {path: node for path, node in NODES.items() if isinstance(node, Verb)}


def test_every_verb_is_in_one_group() -> None:
    listed = [verb for members in GROUPS.values() for verb in members]

    assert len(set(listed)) == len(listed)
    assert set(ROOT.members) <= set(listed)


def test_a_verb_without_a_group_is_listed_last() -> None:
    found = grouped(["shift", "bn", "pool"])

    assert list(found.items()) == [
        ("Pooling", ["pool"]),
        ("Normalization", ["bn"]),
        (OTHER_GROUP, ["shift"]),
    ]


def test_every_panel_of_a_layer_has_its_place() -> None:
    for path, command in COMMANDS.items():
        if command.layer is not None:
            assert set(panels_of(command)) <= {"Arguments", *PANELS}, path


def test_the_flags_of_the_layer_come_first_and_output_second(poolnorm: Command) -> None:
    for words in LAYERS:
        titles = re.findall(r"^([A-Z].*):$", poolnorm(f"{words} --help").out, flags=re.MULTILINE)

        assert titles[:3] == ["Arguments", "Layer", "Output"]


@pytest.mark.parametrize("columns", [20, 40, 80, 100])
@pytest.mark.parametrize("path", NODES, ids=" ".join)
def test_no_name_is_cut_or_broken(path: tuple[str, ...], columns: int) -> None:
    node = NODES[path]
    page = page_of(node, path)
    text = laid_out(page, columns, colored=False)

    words = text.split()
    for entries in page.panels.values():
        for entry in entries:
            assert " ".join(entry.names.split()) in " ".join(words)
    for name in re.findall(r"--[a-z-]+", page.usage + page.example):
        assert name in words
    if columns >= 40:
        long = [line for line in text.splitlines() if len(line) > columns]
        assert [line for line in long if " " in line.strip()] == []


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_command_has_a_sentence_and_one_example(path: tuple[str, ...]) -> None:
    page = page_of(COMMANDS[path], path)

    assert page.sentences[0].endswith(".")
    assert page.example.startswith("poolnorm ")
    assert laid_out(page, 80, colored=False).count("Example:") == 1


@pytest.mark.parametrize("words", LAYERS)
def test_a_layer_has_a_formula_of_a_line(words: str) -> None:
    formula = find(*words.split()).formula

    assert formula.startswith("y")
    assert len(formula) <= 76


def test_help_in_a_pipe_is_plain(poolnorm: Command) -> None:
    for words in ("", "pool max -h", "help bn --momentum", "help files"):
        told = poolnorm(words).out

        assert told.isascii()
        assert "\x1b" not in told


def test_colour_is_there_when_it_is_asked_for(poolnorm: Command) -> None:
    assert "\x1b[1m--pool-size\x1b[0m INTS" in poolnorm("pool max --help --color always").out


def test_help_is_as_wide_as_the_terminal(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = {}
    for columns in ("40", "80", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        widths[columns] = max(map(len, poolnorm("bn -h").out.splitlines()))

    assert widths["40"] <= 40
    assert 70 < widths["80"] <= 80
    assert 90 < widths["200"] <= 100


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ("help", ""),
        ("--help", ""),
        ("-h", ""),
        ("help pool max", "pool max --help"),
        ("pool max x.npy --pool-size 3 -h", "pool max --help"),
        ("pool max --nope --help", "pool max --help"),
        ("--help pool max", "pool max --help"),
        ("help pool", "pool -h"),
        ("help help", "help --help"),
        ("shape pool max -h", "help shape pool max"),
        ("pipe x.npy ! pool max --help", "pool max -h"),
        ("pipe x.npy ! bn ! gpool -h", "gpool -h"),
        ("pipe x.npy ! bn ! tee -h", "pipe -h"),
        ("pipe x.npy -h ! bn", "pipe -h"),
        ("pipe x.npy ! --help", "pipe -h"),
    ],
)
def test_ways_to_ask_for_the_same(poolnorm: Command, words: str, same: str) -> None:
    asked, wanted = poolnorm(words), poolnorm(same)

    assert (asked.code, asked.err) == (0, "")
    assert asked.out == wanted.out


def test_one_flag_is_explained(poolnorm: Command) -> None:
    assert poolnorm("help bn --momentum").out == (
        "poolnorm bn --momentum NUMBER|none\n\n"
        "Share of the old moving statistics that a batch leaves; none: they are the\n"
        "averages of all batches, as torch's momentum=None has it. [default: 0.99]\n"
    )
    assert poolnorm("help bn momentum").out == poolnorm("help bn --momentum").out
    told = poolnorm("help pool max --pool-size -o").out
    assert "INTS is one whole number, or one per axis" in told
    assert "\n\npoolnorm pool max -o, --output FILE\n\n" in told


def test_a_flag_is_found_without_its_verb(poolnorm: Command) -> None:
    told = poolnorm("help --groups").out

    assert told.startswith("poolnorm gn --groups N\n")
    assert "Also of shape gn." in told


def test_topics(poolnorm: Command) -> None:
    for topic, text in TOPICS.items():
        assert poolnorm(f"help {topic}").out == text.rstrip() + "\n"
        assert max(map(len, text.splitlines())) <= 100
        assert topic in poolnorm("").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("help exitcodes", "no such verb 'exitcodes'; did you mean poolnorm help exit-codes?"),
        ("help pol", "no such verb 'pol'; did you mean pool?"),
        ("help pool mx", "no such kind 'mx' of pool; did you mean pool max?"),
        ("help bn --momentun", "no such flag --momentun of bn; did you mean --momentum?"),
        ("help --momentun", "no such flag --momentun; did you mean --momentum?"),
        ("help --qqq", "no such flag --qqq; type poolnorm --help"),
        ("pol --help", "no such verb 'pol'; did you mean pool?"),
    ],
)
def test_what_cannot_be_explained_is_told(poolnorm: Command, words: str, told: str) -> None:
    result = poolnorm(words)

    assert (result.code, result.out, result.err) == (2, "", f"error: {told}\n")


def test_the_version_in_short(poolnorm: Command) -> None:
    assert poolnorm("-V").out == poolnorm("--version").out
    assert poolnorm("-V").out.startswith("poolnorm ")


def test_help_needs_no_typer() -> None:
    code = (
        "import sys; from poolnorm_cli.cli.main import run; run(sys.argv[1:]);"
        "print(*sys.modules, file=sys.stderr)"
    )
    for words in (["--help"], ["bn", "-h"], ["help", "pool", "max"], ["pol"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
        )
        assert not {"typer", "rich", "numpy"} & set(done.stderr.split())


def test_a_pipe_is_as_wide_as_the_terminal_of_errors() -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 50, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-m", "poolnorm_cli", "ln", "--help"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment,
        check=True,
    )
    os.close(ours)
    os.close(theirs)

    assert 40 < max(map(len, done.stdout.decode().splitlines())) <= 50


def test_a_default_stays_on_one_line(poolnorm: Command) -> None:
    told = poolnorm("bn --help").out

    assert "[default: --no-renorm]" in told
    assert not re.search(r"\[default:$", told, flags=re.MULTILINE)


def test_help_goes_to_a_narrow_pipe() -> None:
    done = process("pool", "max", "--help", env=os.environ | {"COLUMNS": "40"})

    assert max(map(len, done.stdout.decode().splitlines())) <= 44


def test_arguments_are_part_of_the_usage() -> None:
    usage = page_of(COMMANDS[("generate",)], ["generate"]).usage

    assert usage == "poolnorm generate KIND SHAPE [FLAGS]"
    assert isinstance(next(COMMANDS[("generate",)].flags()).option, Argument)
