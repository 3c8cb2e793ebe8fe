"""The calculator in Chromium: it is typed into, clicked and read, and answers as the command."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from poolnorm_cli.calculator.solve import MAX_SIZE
from poolnorm_cli.cli import shape_pictures
from tests.conftest import ROOT, Command
from tests.site.conftest import opened


pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_what_is_typed_is_answered(page: Any) -> None:
    _type(page, shape="1,7,7,1", pool_size="3", strides="2")

    assert page.inner_text("#output") == "1,3,3,1"
    assert page.inner_text("#keras") == "MaxPooling2D(pool_size=3, strides=2)"
    words = "poolnorm shape pool max 1,7,7,1 --pool-size 3 --strides 2"
    assert page.inner_text("#command") == words

    _choose(page, padding="same")
    assert page.inner_text("#output") == "1,4,4,1"


def test_a_layer_is_chosen_with_the_keyboard_alone(page: Any) -> None:
    page.focus("#layer")
    _then(page, lambda: page.keyboard.type("ln"))
    page.keyboard.press("Tab")
    _then(page, lambda: page.keyboard.type("2,3,4"))
    page.wait_for_function("location.hash.endsWith('shape=2,3,4')")

    assert page.inner_text("#output") == "2,3,4"
    assert page.inner_text("#keras").startswith("LayerNormalization(axis=-1")


def test_what_must_be_given_begins_with_an_example(page: Any, poolnorm: Command) -> None:
    _choose(page, layer="apool average")
    first = page.input_value("#field-output_size")
    assert page.inner_text("#output") == f"None,{first},{first},3"

    _type(page, output_size="")
    assert page.inner_text("#error") == poolnorm("shape apool average None,28,28,3").err.strip()
    opened(page, page.url.partition("#")[2])
    assert page.inner_text("#error").startswith("error: --output-size is missing")


def test_an_error_of_the_tool_is_shown_as_it_is(page: Any, poolnorm: Command) -> None:
    _type(page, shape="1,2,2,1", pool_size="3")

    assert page.inner_text("#error") == poolnorm("shape pool max 1,2,2,1 --pool-size 3").err.strip()
    assert not page.is_visible("#answer")

    _type(page, pool_size="2")
    assert page.inner_text("#output") == "1,1,1,1"
    assert not page.is_visible("#error")


def test_what_is_no_question_about_a_shape_is_shown_as_it_is(page: Any) -> None:
    _type(page, shape="--help")
    assert page.inner_text("#error").startswith("Usage: poolnorm shape pool max SHAPE")
    assert not page.is_visible("#answer")

    _choose(page, layer="pipe")
    _type(page, shape="1,8,8,3", steps="bn --field out.h")
    assert page.inner_text("#error").startswith("error: --field with --explain; ")


def test_the_drawing_is_that_of_the_command(page: Any, poolnorm: Command, monkeypatch: Any) -> None:
    _type(page, shape="1,7,7,1", pool_size="3", strides="2")
    svg = page.evaluate("fetch(document.getElementById('drawing').src).then((r) => r.text())")
    width = page.evaluate("document.getElementById('drawing').naturalWidth")
    assert 600 < width <= page.evaluate("document.querySelector('main').clientWidth")

    columns = page.evaluate("Math.floor(document.querySelector('main').clientWidth / 9) - 2")
    monkeypatch.setattr(shape_pictures, "FILE_SIZE", (columns, 60))
    words = "shape pool max 1,7,7,1 --pool-size 3 --strides 2 --draw --save-svg x.svg"
    assert poolnorm(words).code == 0
    assert svg == Path("x.svg").read_text()
    assert page.get_attribute("#drawing", "alt") == poolnorm(f"{words} --overwrite").out

    _type(page, shape="N,H,W,1")  # no sizes to draw
    assert not page.is_visible("#drawing")
    assert page.inner_text("#undrawn").startswith("error: ")


def test_the_three_frameworks_are_side_by_side(page: Any) -> None:
    _type(page, shape="1,28,28,3", pool_size="3", strides="2")
    _choose(page, padding="same")
    keras, torch, onnx = page.locator("#conventions article").all_inner_texts()

    assert "keras.layers.MaxPooling2D(pool_size=3, strides=2, padding='same')" in keras
    assert "not Keras\u2019 answer" in torch
    assert "torch.nn.functional.pad(x, (0, 1, 0, 1), value=-torch.inf)" in torch
    assert 'MaxPool<kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER">(x)' in onnx


def test_the_solver_finds_windows_and_one_is_used(page: Any, poolnorm: Command) -> None:
    _type(page, shape="1,224,224,3")
    assert page.inner_text("#solutions tbody tr:first-child").split()[:3] == ["2", "2", "valid"]

    assert page.get_attribute("#max-size", "placeholder") == str(MAX_SIZE)

    _type(page, **{"from": "9,9", "to": "4,4", "max-size": "5"})
    solutions = json.loads(poolnorm("shape solve 9,9 4,4 --max-size 5 --json").out)["solutions"]
    rows = page.locator("#solutions tbody tr").all_inner_texts()
    told = [[str(s[n]) for n in ("pool_size", "strides", "padding")] for s in solutions]
    assert [row.split()[:3] for row in rows] == told
    assert page.inner_text("#count") == f"{len(solutions)} found"

    _then(page, lambda: page.click("#solutions tbody tr:nth-child(2) button"))
    chosen = [page.input_value(f"#field-{n}") for n in ("pool_size", "strides", "padding")]
    assert chosen == told[1]

    _type(page, to="9,9,9")
    assert (
        page.inner_text("#unsolved") == poolnorm("shape solve 9,9 9,9,9 --max-size 5").err.strip()
    )


def test_a_shape_is_followed_through_several_layers(page: Any, poolnorm: Command) -> None:
    _choose(page, layer="pipe")
    _type(page, shape="1,24,24,3", steps="pool max --pool-size 3\nbn ! gpool average")

    words = "shape pipe 1,24,24,3 ! pool max --pool-size 3 ! bn ! gpool average"
    assert page.inner_text("#command") == f"poolnorm {words}"
    assert page.inner_text("#output") == poolnorm(f"{words} -q").out.strip() == "1,3"
    shapes = page.locator("#steps-table tbody td:nth-child(2)").all_inner_texts()
    assert shapes == ["1,8,8,3", "1,8,8,3", "1,3"]
    assert page.is_visible("#drawing")


def test_a_link_holds_the_whole_question(page: Any, browser: Any, site: str) -> None:
    _choose(page, layer="pool average")
    _type(page, shape="N,3,H,9", pool_size="2,3", strides="1", **{"from": "9,9", "to": "4,4"})
    _choose(page, data_format="channels_first")
    address, asked = page.url, _form(page)
    assert "shape=N,3,H,9" in address

    other = browser.new_page()
    other.goto(address)
    other.wait_for_selector("main[data-answered^='#']")
    assert _form(other) == asked
    assert other.inner_text("#output") == page.inner_text("#output")
    assert other.url == address
    other.close()


def test_the_link_and_the_command_are_copied(page: Any) -> None:
    _type(page, shape="1,9,9,1")
    page.click("#copy-link")
    page.wait_for_function("document.getElementById('copy-link').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == page.url

    page.click("[data-copies=command]")
    page.wait_for_function("document.querySelector('[data-copies]').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#command")


def test_links_of_the_pages_ask_what_the_calculator_knows(page: Any) -> None:
    texts = [path.read_text() for path in (ROOT / "docs").rglob("*.md")]
    links = [
        link for text in texts for link in re.findall(r"calculator/index.html#([^)]+)\)", text)
    ]
    assert len(links) >= 9

    for link in links:
        opened(page, link)
        assert page.inner_text("#output"), link
        assert page.get_attribute("main", "data-answered") == f"#{link}"


def test_a_phone_shows_everything_without_scrolling_sideways(page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    opened(page, "layer=bn&shape=None,224,224,64&epsilon=0.00001&momentum=0.9")

    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for name in ("#layer", "#shape", "#field-axis", "#field-momentum", "#output"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= 360, name
    assert page.locator("#field-axis").bounding_box()["height"] >= 40  # room for a finger


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_read_on_light_and_dark(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    colors = page.evaluate(
        "['color', 'backgroundColor'].map((name) => getComputedStyle(document.body)[name])"
    )
    ink, paper = (sum(map(int, color[4:-1].split(","))) for color in colors)

    assert (ink < paper) == (scheme == "light")
    assert abs(ink - paper) > 3 * 150
    page.emulate_media(color_scheme="light")


def test_answers_are_those_of_the_command(page: Any, poolnorm: Command) -> None:
    for question, words in _questions(150):
        opened(page, urlencode(question))
        told = poolnorm("shape", *words, "--explain", "--conventions", "--json")
        found = json.loads(told.out)
        if told.code:
            assert page.inner_text("#error") == told.err.strip(), words
        else:
            shape = ",".join(str(size) for size in found["output_shape"])
            assert page.inner_text("#output") == shape, words
            assert page.inner_text("#keras") == found["keras"], words
            lines = page.locator("#explanation li").all_text_contents()
            assert lines == found["explanation"], words
            cards = page.locator("#conventions article").all_text_contents()
            for card, told_of in zip(cards, found["conventions"], strict=True):
                _is_told(card, told_of)


def _is_told(card: str, convention: dict[str, Any]) -> None:
    """Hold what is shown of a framework against the document of the command."""
    same = convention["keras_answer"]
    assert card.startswith(convention["framework"])
    for lines in (convention["same_numbers"], [] if same else convention["call"]):
        assert "\n".join(lines) in card
    for text in (convention["why"], convention["no_call"], *convention["notes"]):
        assert text in card
    assert ("not Keras\u2019 answer" in card) == (
        same is False and bool(convention["same_numbers"])
    )
    assert ("depends on sizes" in card) == (same is None)


def _questions(count: int) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Make questions at random, and the words of each: good ones and wrong ones."""
    draw = random.Random(7)  # noqa: S311 - nothing secret
    for _ in range(count):
        layer = draw.choice(list(_PARAMETERS))
        rank = draw.choice((2, 3, 3, 4, 4, 4, 5))
        dims = [draw.choice(("None", "N", "7", "28", "64", "3", "1")) for _ in range(rank)]
        question = {"layer": layer, "shape": ",".join(dims)}
        for name, values in _PARAMETERS[layer].items():
            if draw.random() < 0.6:
                question[name] = draw.choice(values)
        flags = [
            word
            for name, value in question.items()
            if name not in ("layer", "shape")
            for word in _flag(name, value)
        ]
        yield question, [*layer.split(), question["shape"], *flags]


def _flag(name: str, value: str) -> list[str]:
    if value in ("true", "false"):
        return [f"--{'' if value == 'true' else 'no-'}{name}"]
    return [f"--{name.replace('_', '-')}", value]


_SIZES = ("1", "2", "3", "2,3", "3x3", "5", "0", "abc", "2,2,2")
_FORMATS = {"data_format": ("channels_last", "channels_first")}
_WINDOW = {"pool_size": _SIZES, "strides": _SIZES, "padding": ("valid", "same"), **_FORMATS}
_AFFINE = {"axis": ("-1", "1", "1,2", "9"), "epsilon": ("0.1", "x"), "center": ("true", "false")}
_PARAMETERS: dict[str, dict[str, tuple[str, ...]]] = {
    "pool max": _WINDOW,
    "pool average": _WINDOW,
    "gpool max": {**_FORMATS, "keepdims": ("true", "false")},
    "apool average": {**_FORMATS, "output_size": _SIZES},
    "bn": _AFFINE,
    "ln": _AFFINE,
    "gn": {**_AFFINE, "groups": ("1", "3", "-1")},
    "unit": {"axis": ("-1", "1", "1,2")},
}


def _then(page: Any, act: Any) -> None:
    """Do something to the form, and wait for the answer to what it then holds."""
    page.evaluate("() => { delete document.querySelector('main').dataset.answered; }")
    act()
    page.wait_for_function("document.querySelector('main').dataset.answered === location.hash")


def _type(page: Any, **values: str) -> None:
    for name, text in values.items():
        _then(page, lambda n=name, t=text: page.fill(f"[name='{n}']", t))


def _choose(page: Any, **values: str) -> None:
    for name, value in values.items():
        _then(page, lambda n=name, v=value: page.select_option(f"[name='{n}']", v))


def _form(page: Any) -> dict[str, str]:
    fields = "[...document.querySelectorAll('[name]')].filter((field) => 'value' in field)"
    found: dict[str, str] = page.evaluate(
        f"Object.fromEntries({fields}.map((field) => [field.name, field.value]))"
    )
    return found
