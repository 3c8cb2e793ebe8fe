"""`show`: what is drawn of a tensor, in every style and size."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import ROOT, Command, measured, process


SAMPLES = ROOT / "samples"


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


def sized(monkeypatch: pytest.MonkeyPatch, columns: int, lines: int = 40) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(lines))


def test_an_image_stands_beside_its_statistics(poolnorm: Command) -> None:
    np.save("x.npy", np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1))
    told = poolnorm("show x.npy --color never").out

    assert told == (ROOT / "tests/cli/shown/image_80.txt").read_text()


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("name", ["photo", "signal", "volume", "rows", "normal"])
def test_no_line_is_wider_than_the_screen(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, name: str, columns: int
) -> None:
    sized(monkeypatch, columns)
    told = poolnorm("show", str(SAMPLES / f"{name}.npy")).out

    assert max(map(len, told.splitlines())) <= columns
    assert "\033" not in told
    assert "median" in told


@pytest.mark.parametrize("places", [(0, 1), (1, 0)])
def test_the_largest_values_that_there_are_are_drawn(
    poolnorm: Command, places: tuple[int, int]
) -> None:
    x = np.zeros((1, 2, 2, 1))
    x[0, places[0], 0, 0], x[0, places[1], 1, 0] = 1.7e308, -1.7e308
    np.save("x.npy", x)
    shown = poolnorm("show x.npy")
    compared = poolnorm("compare x.npy x.npy --show")

    assert (shown.code, compared.code) == (0, 0), shown.err
    assert "-1.7e+308 " in shown.out


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_the_place_of_an_extreme_is_whole(poolnorm: Command, dtype: str) -> None:
    info = np.finfo(dtype) if dtype == "float32" else np.iinfo(dtype)
    x = np.zeros((2, 20, 110, 120, 5), dtype)
    x[1, 19, 109, 119, 4], x[1, 19, 109, 118, 4] = info.min, info.max
    np.save("x.npy", x)
    lines = [line.rstrip() for line in poolnorm("show x.npy --all").out.splitlines()]

    assert sum(line.endswith(" at 1,19,109,119,4") for line in lines) == 1
    assert sum(line.endswith(" at 1,19,109,118,4") for line in lines) == 1


def test_a_cell_has_no_more_values_than_there_are(poolnorm: Command) -> None:
    np.save("x.npy", normal(1, 2, 4300, 1))

    assert "Each cell the mean of 2 x 100 values." in poolnorm("show x.npy").out


@pytest.mark.parametrize(("count", "told"), [(9, ""), (12, " and 3 more")])
def test_of_many_arrays_the_first_are_drawn(poolnorm: Command, count: int, told: str) -> None:
    arrays: Any = {f"a{place}": normal(1, 4, 4, 1) for place in range(count)}
    np.savez("x.npz", **arrays)
    shown = poolnorm("show x.npz --save-svg p.svg")
    document = json.loads(poolnorm("show x.npz --json").out)

    assert shown.code == 0
    assert shown.out.count(" (1, 4, 4, 1) float32") == 8
    assert shown.err == f"note: not drawn: x.npz::a8{told}; name one to see it\n"
    assert Path("p.svg").read_text().count("float32") == 8
    assert len(document["pictures"]) == count


def test_of_a_stream_of_many_arrays_the_first_are_drawn(poolnorm: Command) -> None:
    np.save("x.npy", normal(3, 4, 4, 1))
    shown = poolnorm("show -", stdin=12 * Path("x.npy").read_bytes())

    assert (shown.code, shown.out.count(" (3, 4, 4, 1) float32")) == (0, 8)
    assert " and 3 more; name one" in shown.err


def test_the_picture_alone_is_what_is_essential(poolnorm: Command) -> None:
    np.save("x.npy", normal(2, 6, 6, 1))
    told = poolnorm("show x.npy -q").out

    assert "median" not in told
    assert "x.npy" not in told
    assert told.strip()


def test_a_document_has_the_numbers_beside_the_picture(poolnorm: Command) -> None:
    x = normal(3, 8, 8, 5)
    np.savez("x.npz", a=x, b=x[0])
    document = json.loads(poolnorm("show x.npz --sample 1 --channel 2 --json").out)
    first, second = document["pictures"]

    assert (document["schema"], document["command"]) == (1, "show")
    assert (first["name"], first["sample"], first["channel"]) == ("x.npz::a", 1, 2)
    assert first["stats"]["mean"] == pytest.approx(x[1, :, :, 2].mean(), abs=1e-6)
    assert first["quantiles"]["0.5"] == pytest.approx(np.median(x[1, :, :, 2]))
    assert sum(first["histogram"]["counts"]) == 64
    assert (second["drawn_as"], second["shape"], second["values"]) == ("line", [8, 8, 5], 8)


def test_what_is_not_finite_is_marked_and_told(poolnorm: Command) -> None:
    x = normal(1, 8, 8, 1)
    x[0, 1, 1], x[0, 4, 4], x[0, 7, 7] = np.nan, np.inf, -np.inf
    np.save("x.npy", x)
    told = poolnorm("show x.npy").out

    assert {"N", "▲", "▼"} <= set(told)
    assert "N NaN  ▲ infinity  ▼ -infinity" in told
    assert re.search(r"NaN +1\n", told)
    assert re.search(r"infinite +2\n", told)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_tensor_without_any_finite_value_is_drawn(poolnorm: Command, value: float) -> None:
    np.save("x.npy", np.full((1, 4, 4, 3), value, np.float32))
    shown = poolnorm("show x.npy")

    assert (shown.code, shown.err) == (0, "")
    assert "values" in shown.out


@pytest.mark.parametrize("shape", [(), (0,), (0, 4), (0, 4, 4, 3), (2, 0, 4, 1), (2, 3, 0)])
def test_empty_tensors_and_single_numbers_are_shown(
    poolnorm: Command, shape: tuple[int, ...]
) -> None:
    np.save("x.npy", np.full(shape, 1.5))
    shown = poolnorm("show x.npy")

    assert (shown.code, shown.err) == (0, "")
    assert ("1.5" if shape == () else "nothing to draw") in shown.out


def test_a_stream_of_arrays_is_shown_one_by_one(poolnorm: Command, tmp_path: Path) -> None:
    np.save("a.npy", normal(1, 4, 4, 1))
    np.save("b.npy", normal(5, 2))
    data = Path("a.npy").read_bytes() + Path("b.npy").read_bytes()
    told = poolnorm("show - --json", stdin=data)
    found = json.loads(told.out)["pictures"]

    assert [each["shape"] for each in found] == [[1, 4, 4, 1], [5, 2]]


def test_an_encoding_without_blocks_gets_letters(tmp_path: Path) -> None:
    x = normal(1, 6, 6, 1)
    x[0, 0, 0] = np.inf
    np.save("x.npy", x)
    np.save("line.npy", normal(1, 40, 2))
    done = process("show", "x.npy", "line.npy", env={"PYTHONIOENCODING": "ascii", "COLUMNS": "80"})

    assert done.returncode == 0
    assert done.stdout.isascii()
    assert b"?" not in done.stdout
    assert b"\\u" not in done.stdout


def test_colours_are_for_those_who_ask(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    np.save("x.npy", np.array([[[[255, 0, 0], [0, 0, 255]]]], np.uint8))
    told = poolnorm("show x.npy --color always").out

    assert "\033[38;2;255;0;0" in told
    assert "\033[38;2;0;0;255" in told


def test_rank_3_that_looks_like_an_image_is_noted(poolnorm: Command) -> None:
    np.save("x.npy", normal(12, 12, 3))
    shown = poolnorm("show x.npy")
    image = json.loads(poolnorm("show x.npy --unbatched --json").out)["pictures"][0]

    assert "if it is one image, give --unbatched" in shown.err
    assert (image["drawn_as"], image["shape"]) == ("rgb", [12, 12, 3])
    assert poolnorm("show x.npy --unbatched").err == ""


def test_pictures_are_kept(poolnorm: Command) -> None:
    np.save("x.npy", normal(1, 6, 6, 1))
    first = poolnorm("show x.npy -q --save-svg x.svg")
    again = poolnorm("show x.npy -q --save-svg x.svg")
    over = poolnorm("show x.npy -q --save-svg x.svg --overwrite")

    assert (first.code, again.code, over.code) == (0, 2, 0)
    assert "exists" in again.err
    assert Path("x.svg").read_text().startswith("<svg")
    assert "x.npy, shape 1,6,6,1" in Path("x.svg").read_text()


def test_pictures_are_kept_as_png(poolnorm: Command) -> None:
    pytest.importorskip("PIL", reason="no Pillow")
    np.save("x.npy", normal(1, 6, 6, 1))

    assert poolnorm("show x.npy -q --save-png x.png").code == 0
    assert Path("x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("x.npy --sample 9", "error: x.npy: --sample 9, and there are 2; give 0 to 1"),
        ("x.npy --channel 3", "error: x.npy: --channel 3, and there are 3; give 0 to 2"),
        (
            "rows.npy --channel 1",
            "error: rows.npy: --channel 1, and rank 2 has no axis of channels",
        ),
        ("gone.npy", "error: gone.npy: no such file"),
        ("x.npy --save-svg x.npy", "error: x.npy: --save-svg is the input x.npy"),
    ],
)
def test_what_cannot_be_shown_is_refused(poolnorm: Command, words: str, message: str) -> None:
    np.save("x.npy", normal(2, 4, 4, 3))
    np.save("rows.npy", normal(5, 2))
    shown = poolnorm(f"show {words}")

    assert shown.code in (2, 4)
    assert shown.out == ""
    assert shown.err.startswith(message)


def test_of_several_inputs_one_that_fails_is_told(poolnorm: Command) -> None:
    np.save("x.npy", normal(2, 4, 4, 3))
    shown = poolnorm("show gone.npy x.npy --json")

    assert shown.code == 1
    assert shown.err.startswith("error: gone.npy")
    assert len(json.loads(shown.out)["pictures"]) == 1


@pytest.mark.parametrize(
    ("words", "shape"),
    [("--data-format channels_first", (2, 3, 6, 7)), ("", (2, 6, 7, 3))],
)
def test_channels_stand_where_it_is_said(
    poolnorm: Command, words: str, shape: tuple[int, ...]
) -> None:
    np.save("x.npy", normal(*shape))
    (found,) = json.loads(poolnorm(f"show x.npy --json {words}").out)["pictures"]

    assert found["drawn_as"] == "rgb"


def test_only_the_sample_that_is_shown_is_read(poolnorm: Command) -> None:
    with Path("x.npy").open("wb") as file:
        header: Any = {"descr": "<f4", "fortran_order": False, "shape": (1 << 20, 32, 32, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        last = normal(32, 32, 3)
        file.seek(((1 << 20) - 1) * last.nbytes, 1)
        file.write(last.tobytes())
    (found,) = json.loads(poolnorm("show x.npy --sample -1 --json").out)["pictures"]

    assert found["values"] == 3072
    assert found["stats"]["mean"] == pytest.approx(last.mean(), abs=1e-6)


def sparse(name: str, shape: tuple[int, ...]) -> None:
    """Write a file of zeros that takes no room."""
    with Path(name).open("wb") as file:
        header: Any = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 4 * math.prod(shape))


def test_a_large_sample_is_shown_in_the_memory_of_blocks(tmp_path: Path) -> None:
    sparse("small.npy", (1, 100, 100, 1))
    sparse("large.npy", (1, 9000, 9000, 1))
    small = measured("show", str(tmp_path / "small.npy"))
    large = measured("show", str(tmp_path / "large.npy"))

    assert (small.code, large.code) == (0, 0)
    assert large.megabytes - small.megabytes < 80  # the sample has 309


def test_a_sample_of_a_deflated_member_is_shown(poolnorm: Command) -> None:
    x = normal(9, 100, 100, 3)
    np.savez_compressed("x.npz", x=x)
    (found,) = json.loads(poolnorm("show x.npz --sample 3 --json").out)["pictures"]

    assert found["stats"]["maximum"]["value"] == float(x[3].max())


def test_a_name_cannot_write_to_the_terminal(poolnorm: Command) -> None:
    np.save("a\033[31m b.npy", normal(1, 4, 4, 1))
    shown = poolnorm("show", "a\033[31m b.npy")

    assert shown.code == 0
    assert "\033" not in shown.out
    assert "a\\x1b[31m b.npy (1, 4, 4, 1)" in shown.out


def test_what_is_generated_can_be_shown(poolnorm: Command) -> None:
    shown = poolnorm("generate arange 1,4,4,1 -o x.npy --show")
    again = poolnorm("show x.npy")
    refused = poolnorm("generate arange 1,4,4,1 -o - --show")

    assert shown.code == 0
    assert shown.out.endswith(again.out)
    assert (refused.code, refused.out) == (2, "")
    assert "give a file" in refused.err
