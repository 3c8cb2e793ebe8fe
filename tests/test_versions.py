"""Every floor of pyproject.toml says why it is there, and is what `.ci/run` installs."""

import re

import pytest

from tests.versions import LOWEST, PROJECT, lowest


FLOORS = [line.strip() for line in PROJECT.read_text().splitlines() if re.match(r'\s+".*>=', line)]


def test_the_lowest_versions_are_those_of_the_project() -> None:
    assert LOWEST.read_text() == lowest(), "python -m tests.versions"


@pytest.mark.parametrize("line", FLOORS)
def test_every_floor_says_why(line: str) -> None:
    assert re.fullmatch(r'"[^"]+",\s+# \w.*', line), line


def test_no_floor_hides_in_a_line_of_several() -> None:
    others = [line for line in PROJECT.read_text().splitlines() if ">=" in line]
    kept = {line.strip() for line in others if not line.lstrip().startswith("#")}

    assert {line for line in kept - set(FLOORS) if "requires-python" not in line} == set()


def test_ci_installs_them() -> None:
    ci = PROJECT.parent / ".ci" / "run"
    if not ci.exists():
        pytest.skip("a source distribution has no .ci")
    assert "PIP_CONSTRAINT=$PWD/tests/lowest.txt" in ci.read_text()
