"""docs/architecture.md agrees with the tree."""

import re

import pytest

from tests.conftest import ROOT
from tests.test_floors import PACKAGE, ROOMS, room_of


PAGE = (ROOT / "docs" / "architecture.md").read_text()


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
