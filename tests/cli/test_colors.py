"""Errors, notes and verdicts in colour: on a terminal alone, each stream for itself, as asked."""

import io
import sys
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.cli.main import run
from poolnorm_cli.report.colors import _CODES, color_of, verdict_style


ERROR, EQUAL, DIFFER = "\x1b[1;31merror:\x1b[0m ", "\x1b[32mequal", "\x1b[1;31mdiffer"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminals(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command where some streams are terminals; give what was printed on both."""
    np.save("x.npy", np.ones(3, np.float32))
    np.save("y.npy", np.zeros(3, np.float32))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")

    def call(words: str, *which: str) -> tuple[str, str]:
        streams = {}
        for name in ("stdout", "stderr"):
            streams[name] = Terminal() if name in which else io.StringIO()
            monkeypatch.setattr(sys, name, streams[name])
        run(words.split())
        return streams["stdout"].getvalue(), streams["stderr"].getvalue()

    return call


def test_an_error_is_red_on_a_terminal(terminals: Any) -> None:
    assert terminals("pol", "stderr")[1] == f"{ERROR}no such verb 'pol'; did you mean pool?\n"


def test_each_stream_is_asked_for_itself(terminals: Any) -> None:
    assert terminals("pol", "stdout")[1] == "error: no such verb 'pol'; did you mean pool?\n"
    assert "\x1b" not in terminals("compare x.npy x.npy", "stderr")[0]


@pytest.mark.parametrize("name", ["NO_COLOR", "TERM"])
def test_the_environment_is_heeded(
    terminals: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "dumb")

    assert terminals("pol", "stderr")[1].startswith("error: ")
    assert "\x1b" not in terminals("--help", "stdout")[0]
    assert EQUAL not in terminals("compare x.npy x.npy", "stdout")[0]


def test_color_is_heeded_in_a_line_that_is_wrong(
    terminals: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert terminals("info no.npy --color always")[1].startswith(ERROR)
    assert terminals("info no.npy --color=never", "stderr")[1].startswith("error: ")
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminals("info no.npy --color always")[1].startswith(ERROR)


def test_verdicts(terminals: Any) -> None:
    assert EQUAL in terminals("compare x.npy x.npy", "stdout")[0]
    assert DIFFER in terminals("compare x.npy y.npy", "stdout")[0]
    plain = terminals("compare x.npy y.npy --color never", "stdout")[0]
    assert "differ" in plain
    assert "\x1b" not in plain


def test_errors_of_several_inputs(terminals: Any) -> None:
    told = terminals("info no.npy neither.npy", "stderr")[1]

    assert [line.startswith(ERROR) for line in told.splitlines()] == [True, True]
    assert "\x1b" not in terminals("info no.npy neither.npy --color never", "stderr")[1]


def test_a_note(terminals: Any) -> None:
    np.save("image.npy", np.ones((8, 8, 3), np.float32))

    assert "\x1b[35mnote:\x1b[0m " in terminals("pool max image.npy -o p.npy", "stderr")[1]


def test_help_has_colour_on_a_terminal(terminals: Any) -> None:
    assert "\x1b[1;4mPooling:\x1b[0m" in terminals("--help", "stdout")[0]
    assert "\x1b[1m-o, --output\x1b[0m FILE" in terminals("help ln -o", "stdout")[0]


def test_no_colour_vanishes_on_white_or_on_black() -> None:
    vanishing = {"30", "33", "37", "93", "97", "90"}

    assert not vanishing & {part for code in _CODES.values() for part in code.split(";")}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("bn --color never", "never"),
        ("bn --color=always x", "always"),
        ("bn --color never --color always", "always"),
        ("bn --color", "auto"),
        ("bn --color pink", "auto"),
        ("bn", "auto"),
    ],
)
def test_the_colour_of_a_line(words: str, found: str) -> None:
    assert color_of(words.split()) == found


@pytest.mark.parametrize(
    ("column", "cell", "style"),
    [
        ("state", "ok", "green"),
        ("state", "broken", "bold red"),
        ("state", "missing", ""),
        ("input", "equal", ""),
    ],
)
def test_a_verdict_is_one_by_its_column(column: str, cell: str, style: str) -> None:
    assert verdict_style(column, cell) == style
