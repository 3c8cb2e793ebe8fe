"""One place decides how things are printed, one in what colour; rows are printed as they come."""

import ast
import io
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import poolnorm_cli
from poolnorm_cli.report.emit import emit, open_report
from poolnorm_cli.report.rows import Row, Style


PACKAGE = Path(poolnorm_cli.__file__).parent
FILES = sorted([*(PACKAGE / "cli").glob("*.py"), *(PACKAGE / "report").glob("*.py")])
DECIDE = {PACKAGE / "report" / "emit.py", PACKAGE / "report" / "colors.py"}
ASKED = {"json", "quiet", "isatty"}


def decisions(text: str) -> list[str]:
    """List what of a style a module looks at, other than to make a style of it."""
    tree = ast.parse(text)
    passed_on = {
        id(node)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Style"
        for node in ast.walk(call)
    }
    return [
        f"line {node.lineno}: .{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ASKED and id(node) not in passed_on
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_else_asks_who_reads(path: Path) -> None:
    assert (decisions(path.read_text()) == []) is (path not in DECIDE)


def test_a_decision_is_found() -> None:
    assert decisions("if style.quiet:\n    Style(json=flags.json)") == ["line 1: .quiet"]


class Number(Row):
    """A number, which is odd or even."""

    section = "numbers"

    def __init__(self, number: int) -> None:
        self.number = number

    @property
    def heading(self) -> str:
        return ("even", "odd")[self.number % 2]

    def cells(self) -> Mapping[str, str]:
        return {"number": str(self.number), "square": str(self.number**2)}

    def essential(self) -> str:
        return str(self.number)

    def details(self, width: int) -> list[str]:
        return ["prime"[:width]] if self.number in (2, 3) else []


class Line(Row):
    """A row that is in no table."""

    def fields(self) -> tuple[str, str]:
        return ("a", "b")

    def warning(self) -> str:
        return "nothing"


def document(entries: dict[str, list[Any]]) -> Mapping[str, Any]:
    return {"schema": 1, **entries}


def test_a_plain_line_is_printed_as_soon_as_its_row_comes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def rows() -> Iterator[Row]:
        yield Number(2)
        assert capsys.readouterr().out == "2\t4\nprime\n"
        yield Number(3)

    emit(rows(), document, Style())

    assert capsys.readouterr().out == "3\t9\nprime\n"


def test_a_document_has_the_entries_by_section(capsys: pytest.CaptureFixture[str]) -> None:
    emit([Number(2), Line(), Number(5)], document, Style(json=True, quiet=True))

    assert json.loads(capsys.readouterr().out) == {
        "schema": 1,
        "numbers": [{"number": "2", "square": "4"}, {"number": "5", "square": "25"}],
        "results": [{}],
    }


def test_the_essential_is_all_that_is_printed_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    emit([Number(2), Line()], document, Style(quiet=True), below=["below"])

    assert capsys.readouterr() == ("2\n", "note: nothing\n")


def test_a_terminal_gets_a_table_a_section(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("TERM", "dumb")
    emit([Line(), Number(2), Number(5)], document, Style(), below=["below"])
    lines = [line.split() for line in stream.getvalue().splitlines()]

    assert lines[0] == ["a", "b"]
    assert lines[1:3] == [["2"], ["prime"]]
    assert [word for word in lines[4] if word.isalpha()] == ["number", "square", "layer"]
    assert lines[-1] == ["below"]


def test_a_document_of_a_run_is_written_as_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    report = open_report(Style(json=True), lambda: {"schema": 1, "command": "run"})
    assert capsys.readouterr().out == ""

    report.add(Number(2))
    assert capsys.readouterr().out.endswith('"results": [{"number": "2", "square": "4"}')

    report.add_fact("seconds", 1, ["a second"])
    report.add_entry({"skipped": True}, "skipped")
    report.close()
    assert capsys.readouterr() == (', {"skipped": true}], "seconds": 1}\n', "")
