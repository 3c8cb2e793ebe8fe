"""A picture as SVG: well formed, self-contained, with the text of the picture in it."""

from xml.etree import ElementTree as ET

import pytest

from poolnorm_cli.pictures.canvas import Canvas
from poolnorm_cli.pictures.styles import LOOKS, Paint
from poolnorm_cli.pictures.svg import CELL_HEIGHT, CELL_WIDTH, svg


SPACE = "{http://www.w3.org/2000/svg}"


def parsed(canvas: Canvas) -> ET.Element:
    return ET.fromstring(svg(canvas))  # noqa: S314 - our own


def test_what_has_a_meaning_in_xml_is_escaped() -> None:
    canvas = Canvas(30, title='<b> & "q"')
    canvas.description = "a < b\x00"
    canvas.put(0, 0, "<&\"'\x01>")
    root = parsed(canvas)

    assert root.findtext(f"{SPACE}title") == '<b> & "q"'
    assert root.findtext(f"{SPACE}desc") == "a < b\ufffd"
    named = [each.attrib["id"] for each in (root[0], root[1])]
    assert root.attrib["aria-labelledby"] == " ".join(named)
    assert [each.text for each in root.iter(f"{SPACE}text")] == ["<&\"'\ufffd>"]


def test_nothing_is_fetched() -> None:
    text = svg(Canvas(3, 1)).replace("http://www.w3.org/2000/svg", "")

    assert "http" not in text
    assert "url(" not in text
    assert "href" not in text


def test_the_size_is_that_of_the_cells() -> None:
    root = parsed(Canvas(10, 4))

    assert int(root.attrib["width"]) == 10 * CELL_WIDTH + 24
    assert int(root.attrib["height"]) == 4 * CELL_HEIGHT + 24


def test_letters_are_held_to_their_columns() -> None:
    canvas = Canvas(12)
    canvas.put(1, 3, "one two")
    first, second = parsed(canvas).iter(f"{SPACE}text")

    assert (first.text, second.text) == ("one", "two")
    assert first.attrib["x"] == str(3 * CELL_WIDTH)
    assert second.attrib["x"] == str(7 * CELL_WIDTH)
    assert second.attrib["textLength"] == str(3 * CELL_WIDTH)


def test_blocks_are_rectangles_and_equal_neighbours_one() -> None:
    canvas = Canvas(5)
    canvas.put(0, 0, "▀" * 5, Paint((255, 0, 0), (0, 0, 255)))
    _, lower, upper = parsed(canvas).iter(f"{SPACE}rect")

    assert not list(parsed(canvas).iter(f"{SPACE}text"))
    assert lower.attrib == {"fill": "#0000ff", "x": "0", "y": "0", "width": "45", "height": "18"}
    assert upper.attrib == {"fill": "#ff0000", "x": "0", "y": "0", "width": "45", "height": "9"}


@pytest.mark.parametrize("name", LOOKS)
def test_every_class_that_is_used_has_a_rule(name: str) -> None:
    canvas = Canvas(3)
    canvas.put(0, 0, "a█ ", name)
    canvas.put(1, 0, "b", Paint(None, (1, 2, 3)))
    text = svg(canvas)
    used = {each.attrib["class"] for each in parsed(canvas).iter() if "class" in each.attrib}

    assert all(f".poolnorm .{each}{{fill:#" in text for each in used - {"poolnorm"})
    assert used >= {name, "paper", "text"}
    assert "@media(prefers-color-scheme:dark){.poolnorm .paper{" in text


def test_pictures_in_one_page_have_rules_and_names_of_their_own() -> None:
    one, other = Canvas(3, 1, title="one"), Canvas(3, 1, title="other")
    sheet = parsed(one).findtext(f"{SPACE}style") or ""

    assert parsed(one)[0].attrib["id"] != parsed(other)[0].attrib["id"]
    selectors = [rule.split("{")[-2] for rule in sheet.split("}") if "{" in rule]
    assert selectors
    assert all(each.startswith(".poolnorm ") for each in selectors)
