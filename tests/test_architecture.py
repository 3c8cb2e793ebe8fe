"""docs/architecture.md agrees with the tree, and the tree has no import circles."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_floors import PACKAGE, ROOMS, room_of


PAGE = (ROOT / "docs" / "architecture.md").read_text()
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def rooms_on_the_page() -> list[list[str]]:
    """Return the rooms of the picture, a list for each line, from the top."""
    lines = section("The rooms").split("```text\n")[1].split("```")[0].splitlines()
    return [[word for word in re.split(r"\s{2,}", line) if word in ROOMS] for line in lines]


def test_the_picture_has_the_rooms_of_the_tree() -> None:
    drawn = [room for line in rooms_on_the_page() for room in line]
    there = {room_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__"}

    assert len(drawn) == len(set(drawn))
    assert set(drawn) == there


def test_the_picture_has_the_floors_of_the_tree() -> None:
    floors = [{ROOMS[room] for room in line} for line in rooms_on_the_page()]

    assert all(len(floor) == 1 for floor in floors)
    flat = [floor.pop() for floor in floors]
    assert flat == sorted(flat, reverse=True)


def test_every_room_says_what_it_may_know() -> None:
    table = section("The rooms").split("|---|---|---|\n")[1]
    told = {
        room for line in table.splitlines() for room in re.findall(r"`(\w+)`", line.split("|")[1])
    }

    assert told == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w/]+\.py)`", PAGE))))
def test_files_that_the_page_names_are_there(name: str) -> None:
    assert (PACKAGE / name).exists() or (ROOT / name).exists()


def imported(module: str, path: Path) -> Iterator[str]:
    """Yield what a module imports: at its top, for types and inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                found = name if name in MODULES else node.module
                if found in MODULES and found != module:
                    yield found
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)


def circles(graph: dict[str, set[str]]) -> set[str]:
    """Return the modules of circles: what remains where leaves and roots are taken off."""
    left = dict(graph)
    while True:
        wanted = set().union(*left.values()) if left else set()
        gone = {m for m, uses in left.items() if not uses & left.keys() or m not in wanted}
        if not gone:
            return set(left)
        left = {m: uses - gone for m, uses in left.items() if m not in gone}


def test_no_two_modules_import_each_other() -> None:
    graph = {module: set(imported(module, path)) for module, path in MODULES.items()}

    assert circles(graph) == set()


def test_a_circle_would_be_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}

    assert circles(graph) == {"b", "c"}
