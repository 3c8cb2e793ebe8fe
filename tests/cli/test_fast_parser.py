"""A command line that is read without Typer is read as Typer reads it, or left to Typer."""

import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings, strategies as st

from poolnorm_cli.cli import fast_parser, typer_app
from poolnorm_cli.cli.command import Argument, Command, Family, Flag, Node
from poolnorm_cli.cli.fast_parser import find
from poolnorm_cli.cli.lenient import mend
from poolnorm_cli.cli.verbs import ROOT
from poolnorm_cli.errors import UsageError
from poolnorm_cli.values import frozen


DOCUMENTS = Path(__file__).parent.parent.parent


@frozen(kw_only=True)
class Kept(Command):
    """A command that does nothing but keep what it was given."""

    kept: list[dict[str, Any]]

    def run(self, values: Mapping[str, Any], typed: Collection[str]) -> int:
        self.kept.append({name: values[name] for name in typed})
        return 0


def by_typer(words: Sequence[str]) -> dict[str, Any] | None:
    """Return what Typer reads of a command line; None where it refuses it."""
    kept: list[dict[str, Any]] = []

    def keeping(make: Callable[[], Node]) -> Node:
        found = make()
        if isinstance(found, Family):
            members = {word: partial(keeping, make) for word, make in found.members.items()}
            return Family(found.text, members)
        return Kept(**{f.name: getattr(found, f.name) for f in fields(found)}, kept=kept)

    root = Family("", {word: partial(keeping, make) for word, make in ROOT.members.items()})
    try:
        typer_app.run(words, root)
    except UsageError:
        return None
    return kept[0] if kept else None


def by_getopt(words: Sequence[str]) -> dict[str, Any] | None:
    command, left = find(words, ROOT)
    return None if command is None else fast_parser.read(command, left)


COMMANDS = {
    "pool max": ["pool", "max"],
    "gn": ["gn"],
    "bn": ["bn"],
    "apool average": ["apool", "average"],
    "shape ln": ["shape", "ln"],
    "info": ["info"],
    "generate": ["generate"],
    "compare": ["compare"],
    "doctor": ["doctor"],
}
WORDS = (
    *("x.npy", "-", "normal", "2", "2,3", "2x3", "-1", "-1,2", "0.5", "1e-3", "nan", "same"),
    *("onnx", "float16", "auto", "json", "1_0", " 2", "", "=2", "--", "-h", "--help", "--nope"),
    *("SAME", "channels-first", "NCHW", "false", "True", "(3,3)", "(3,", "3)", "[1, 2]", "None"),
    *("two words", "é", "4,28,28,3", "None,2,N", "-7", "-.5", "--output=y.npy", "-oy.npy", "-qv"),
)


def spellings(name: str) -> list[str]:
    whole = [word for flag in flags(name) for word in flag.spellings()]
    cut = [word[:-1] for word in whole if len(word) > 4]
    return [*whole, *cut, *(f"{word}=2" for word in whole)]


def flags(name: str) -> list[Flag]:
    command, _ = find(COMMANDS[name], ROOT)
    assert command is not None
    return [flag for flag in command.flags() if not isinstance(flag.option, Argument)]


@st.composite
def meant_well(draw: st.DrawFn, name: str) -> list[str]:
    """Draw a flag with a value that looks like one of its type."""
    flag = draw(st.sampled_from(flags(name)))
    spelled, spelling = draw(st.sampled_from(sorted(flag.spellings().items())))
    if spelling.value is not None:
        return [spelled]
    words = [w for kind in (flag.type, *get_args(flag.type)) for w in get_args(kind)]
    value = draw(st.sampled_from([w for w in words if isinstance(w, str)] or ["3", "2,3", "0.5"]))
    return draw(st.sampled_from([[spelled, value], [f"{spelled}={value}"]]))


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    name = draw(st.sampled_from(sorted(COMMANDS)))
    word = st.sampled_from(WORDS) | st.sampled_from(spellings(name))
    parts = meant_well(name) | st.sampled_from([["x.npy"], ["-"], ["4,28"], ["normal", "2"]])
    words = [word for part in draw(st.lists(parts, max_size=4)) for word in part]
    more = draw(st.lists(word, max_size=2)) if draw(st.booleans()) else []
    return [*COMMANDS[name], *words, *more]


@settings(max_examples=300, deadline=None)
@given(lines())
@example(["pool", "max", "x.npy", "--pool-size", "2", "--pool-size=3x2", "-o", "-"])
@example(["pool", "max", "x.npy", "--pad", "same"])
@example(["bn", "--axis", "-1", "x.npy", "-vv", "--no-center", "y.npy", "--center"])
@example(["bn", "-o=y.npy", "x.npy"])
@example(["compare", "a.npy", "b.npy", "--max-ulp", "-1"])
def test_what_is_read_is_what_typer_reads(words: list[str]) -> None:
    found = by_getopt(words)
    if found is not None:
        assert found == by_typer(words)


@settings(max_examples=300, deadline=None)
@given(lines())
@example(["pool", "max", "x.npy", "--pool-size", "3", "3", "--padding", "SAME"])
@example(["bn", "x.npy", "--trainable", "false", "--axis", "1", "-1"])
@example(["shape", "ln", "4", "28", "28", "3", "--axis=(1, 2)", "--center=no"])
@example(["compare", "--equal-nan", "false"])
@example(["compare", "a.npy", "b.npy", "--equal-nan", "false"])
def test_a_mended_line_is_read_alike_and_needs_no_mending(words: list[str]) -> None:
    command, left = find(words, ROOT)
    assert command is not None
    try:
        mended = mend(command, left)
    except UsageError:
        return
    assert mend(command, mended) == mended
    found = fast_parser.read(command, mended)
    if found is not None:
        assert found == by_typer([*words[: len(words) - len(left)], *mended])
    before = fast_parser.read(command, left)
    if before is not None and not fast_parser.has_odd_inputs(before):
        assert found == before


def written_commands() -> Iterator[str]:
    """List the commands of the README, and the example of each help."""
    text = (DOCUMENTS / "README.md").read_text() + (DOCUMENTS / "docs" / "cli.md").read_text()
    for line in re.findall(r"^ *(?:\$ |Example: )?(poolnorm [^|>\n$]*)", text, flags=re.MULTILINE):
        if not re.search(
            r"--help|--version|\.\.\.|\*| -- |\\$|#|&|--install| ! |^poolnorm help|[A-Z]{3}", line
        ):
            yield line.strip()


@pytest.mark.parametrize("line", sorted(set(written_commands())))
def test_the_commands_of_the_documents_need_no_typer(line: str) -> None:
    words = shlex.split(line)[1:]
    found = by_getopt(words)

    assert found is not None
    assert found == by_typer(words)
