"""`shape ... --draw` prints a picture below the shape, and keeps it where that is wanted."""

import json
from pathlib import Path

import pytest

from tests.conftest import Command


DRAWN = "shape pool max 1,6,1 --pool-size 2 --draw"


def test_a_picture_is_below_the_shape(poolnorm: Command) -> None:
    done = poolnorm(DRAWN)

    assert done.code == 0
    head, blank, *picture = done.out.splitlines()
    assert head == "(1, 6, 1)\t(1, 3, 1)\tMaxPooling1D(pool_size=2)"
    assert blank == ""
    assert "      1  ·  · ██ ██  ·  ·" in picture
    assert "\033" not in done.out


def test_the_width_is_that_of_the_terminal(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    done = poolnorm("shape pool max 1,200,200,1 --pool-size 3 --padding same --draw")
    _, *picture = done.out.splitlines()

    assert max(map(len, picture)) <= 40
    assert "…" in done.out


def test_colours_are_asked_for(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")

    assert "\033[38;5;231;48;5;25m 0\033[0m" in poolnorm(f"{DRAWN} --color always").out


def test_a_document_has_the_lines(poolnorm: Command) -> None:
    told = json.loads(poolnorm(f"{DRAWN} --json").out)

    assert "      0 ██ ██  ·  ·  ·  ·" in told["drawing"]
    assert "drawing" not in json.loads(poolnorm("shape pool max 1,6,1 --json").out)


def test_quiet_prints_the_shape_alone(poolnorm: Command) -> None:
    assert poolnorm(f"{DRAWN} -q").out == "1,3,1\n"


def test_a_kept_picture_is_the_same_on_every_terminal(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert poolnorm("shape ln 2,4,3 --save-svg a.svg").code == 0
    monkeypatch.setenv("COLUMNS", "30")
    assert poolnorm("shape ln 2,4,3 --save-svg b.svg").code == 0

    assert Path("a.svg").read_bytes() == Path("b.svg").read_bytes()
    assert ">LayerNormalization(axis=-1" in Path("a.svg").read_text()


def test_a_png_is_kept(poolnorm: Command) -> None:
    pytest.importorskip("PIL", reason="no Pillow")

    assert poolnorm("shape ln 2,4,3 --save-png a.png").code == 0
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "shape pool max N,H,W,3 --draw",
            "axis 1 of (N,H,W,3) has no known size to draw",
        ),
        ("shape pool max 1,6,1 --save-svg there.svg", "exists"),
        ("shape ln there.npy --save-svg there.npy", "--save-svg"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_printed(
    words: str, told: str, poolnorm: Command
) -> None:
    Path("there.svg").write_text("mine")
    assert poolnorm("generate normal 2,3 -o there.npy").code == 0
    before = Path("there.npy").read_bytes()
    done = poolnorm(words)

    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert Path("there.svg").read_text() == "mine"
    assert Path("there.npy").read_bytes() == before


def test_a_picture_replaces_another_where_that_is_wanted(poolnorm: Command) -> None:
    Path("there.svg").write_text("mine")

    assert poolnorm("shape pool max 1,6,1 --save-svg there.svg --overwrite").code == 0
    assert Path("there.svg").read_text().startswith("<svg")


PIPE = "shape pipe 1,12,12,3 --draw{} ! pool max --pool-size 3 --strides 2 ! bn ! gpool average"


def test_a_pipeline_is_drawn_by_what_an_output_depends_on(poolnorm: Command) -> None:
    done = poolnorm(PIPE.format(" --save-svg a.svg"))

    assert done.code == 0
    assert "h and w: the output depends on cells 0 to 10 of 12 cells" in done.out
    assert "4 gpool average" not in done.out
    assert "3 gpool average" in done.out
    assert "MaxPooling2D" in Path("a.svg").read_text()
    assert json.loads(poolnorm(PIPE.format(" --json")).out)["drawing"]


def test_the_step_whose_size_is_not_known_is_named(poolnorm: Command) -> None:
    done = poolnorm("shape pipe 1,H,W,3 --draw ! bn ! pool max")

    assert (done.code, done.out) == (2, "")
    assert "step 2 (pool max)" in done.err
