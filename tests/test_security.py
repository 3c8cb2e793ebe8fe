"""Every test that SECURITY.md names is there, and every promise names one."""

import re

import pytest

from tests.conftest import ROOT


PAGE = ROOT / "SECURITY.md"
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text())
ROWS = [
    line
    for line in PAGE.read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| promise")
]


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_is_there(file: str, name: str) -> None:
    text = (ROOT / file).read_text()

    assert f"def {name}(" in text if name else "def test_" in text


@pytest.mark.parametrize("row", ROWS)
def test_a_promise_names_its_test(row: str) -> None:
    assert "`tests/" in row
