"""Pictures and tables are inputs: (1, H, W, C) of uint8, and what `np.loadtxt` reads."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from poolnorm_cli import sizes
from poolnorm_cli.tensors import table
from poolnorm_cli.tensors.sources import open_tensors
from tests.conftest import Command


COLOURS = np.random.default_rng(2).integers(0, 256, (6, 8, 3), dtype=np.uint8)
GRAY = COLOURS[..., 0]


def values_of(file: str) -> NDArray[Any]:
    (tensor,) = open_tensors(file)
    found = np.concatenate([block.copy() for block in tensor.blocks(1)])
    assert (found.shape, found.dtype.name) == (tensor.shape, tensor.dtype.name)
    return found


def test_colours_gray_and_alpha(tmp_path: Path) -> None:
    pictures: dict[str, NDArray[Any]] = {
        "rgb.png": COLOURS,
        "gray.png": GRAY,
        "rgba.PNG": np.dstack([COLOURS, GRAY]),
        "la.png": np.dstack([GRAY, GRAY]),
        "wide.png": GRAY.astype(np.uint16) * 257,
        "bits.png": GRAY > 99,
    }
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(name)

        found = values_of(name)

        expected = pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels
        np.testing.assert_array_equal(found, expected.reshape(1, 6, 8, -1))
        assert found.dtype == (np.uint16 if name == "wide.png" else np.uint8)
    Image.fromarray(COLOURS).save("x.jpg", quality=95)
    assert np.abs(values_of("x.jpg")[0] - np.asarray(Image.open("x.jpg"))).max() == 0


def test_a_palette_becomes_its_colours() -> None:
    picture = Image.fromarray(COLOURS).quantize(8)
    picture.save("p.png")
    np.testing.assert_array_equal(values_of("p.png")[0], np.asarray(picture.convert("RGB")))
    picture.save("t.png", transparency=3)
    assert values_of("t.png").shape == (1, 6, 8, 4)
    assert set(values_of("t.png")[..., 3].ravel()) <= {0, 255}


def test_layers_take_pictures_and_write_npy(poolnorm: Command) -> None:
    Path("in").mkdir()
    for name in ("a", "b"):
        Image.fromarray(COLOURS).save(f"in/{name}.png")
    np.save("x.npy", COLOURS[None])
    assert poolnorm("pool max x.npy -o y.npy").code == 0

    assert poolnorm("pool max in/a.png -o a.npy").code == 0
    assert poolnorm("pool max in -O out").code == 0
    assert poolnorm("pool max in -O out --output-name {stem}_{op}{ext}").code == 0
    assert poolnorm("pipe in -O p ! pool max ! unit").code == 0

    assert Path("a.npy").read_bytes() == Path("y.npy").read_bytes()
    assert Path("out/b.npy").read_bytes() == Path("y.npy").read_bytes()
    assert Path("out/a_pool_max.npy").exists()
    assert poolnorm("info in/a.png -q").out == "1,6,8,3\n"
    assert poolnorm("shape pool max in/a.png -q").out == "1,3,4,3\n"
    assert poolnorm("show in/a.png").code == 0
    assert poolnorm("compare in/a.png x.npy").code == 0
    result = poolnorm("pool max in/a.png -o y.png")
    assert (result.code, result.err.count("\n")) == (2, 1)


def test_two_pictures_for_one_output_are_refused(poolnorm: Command) -> None:
    Image.fromarray(COLOURS).save("a.png")
    Image.fromarray(COLOURS).save("a.jpg")
    result = poolnorm("pool max a.png a.jpg -O out")

    assert (result.code, result.err.count("\n")) == (2, 1)
    assert not Path("out").exists()


def test_a_directory_stands_for_tensors_else_pictures_else_tables(poolnorm: Command) -> None:
    Path("in").mkdir()
    Path("in/notes.csv").write_text("1,2\n3,4\n")
    assert poolnorm("unit in -O t").code == 0
    Image.fromarray(COLOURS).save("in/picture.png")
    assert poolnorm("unit in -O p").code == 0
    np.save("in/x.npy", COLOURS[None])
    assert poolnorm("unit in -O x").code == 0

    found = {each: [path.name for path in Path(each).iterdir()] for each in "tpx"}
    assert found == {"t": ["notes.npy"], "p": ["picture.npy"], "x": ["x.npy"]}


def test_turned_pictures_are_as_stored_and_a_note_says_so(poolnorm: Command) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(COLOURS).save("x.jpg", exif=exif)
    result = poolnorm("info x.jpg")

    assert "(1, 6, 8, 3)" in result.out
    assert "EXIF says that it is shown turned; the pixels are as stored" in result.err


def test_more_than_eight_bits_of_colour_are_refused(poolnorm: Command) -> None:
    Image.fromarray(COLOURS).save("x.png")
    data = bytearray(Path("x.png").read_bytes())
    data[24] = 16
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    Path("x.png").write_bytes(data)
    result = poolnorm("info x.png")

    assert (result.code, result.err.count("\n")) == (4, 1)
    assert "16 bits a channel" in result.err


@pytest.mark.parametrize("kind", ["cut", "empty", "text", "changed", "vast"])
def test_a_damaged_picture_is_refused_in_one_line(poolnorm: Command, kind: str) -> None:
    Image.fromarray(COLOURS).save("good.png")
    data = bytearray(Path("good.png").read_bytes())
    if kind == "vast":
        data[16:24] = (100_000).to_bytes(4, "big") * 2
        import zlib

        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    else:
        data[60] ^= 255
    made = {"cut": data[:70], "empty": b"", "text": b"hello", "changed": data, "vast": data}
    Path("x.png").write_bytes(bytes(made[kind]))
    result = poolnorm("pool max x.png -o y.npy")

    assert (result.code, result.err.count("\n")) == (4, 1)
    assert result.err.startswith("error: x.png: ")
    assert not Path("y.npy").exists()


def test_without_pillow_it_says_what_to_type(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(COLOURS).save("x.png")
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    result = poolnorm("pool max x.png")

    assert result.code == 3
    assert "needs Pillow, which is not installed; pip install" in result.err
    assert "[image]" in result.err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", "1,2.5\n3,4\n"),
        ("x.csv", "# a comment\n 1 , nan \n\n3,-inf # more\n"),
        ("x.csv", "1\n2\n3\n"),
        ("x.csv", "1,2,3\n"),
        ("x.txt", "1 2\n3\t4e-3\n"),
        ("x.txt", "  7  "),
        ("x.csv", "16777217,1e39\r\n0.1,2\r\n"),
    ],
)
def test_tables_are_what_loadtxt_reads(name: str, text: str) -> None:
    Path(name).write_bytes(text.encode())
    comma = "," if name == "x.csv" else None
    expected = np.loadtxt(name, dtype=np.float32, delimiter=comma)
    (tensor,) = open_tensors(name)

    assert (tensor.shape, tensor.dtype.name) == (expected.shape, "float32")
    if expected.shape:
        np.testing.assert_array_equal(values_of(name), expected)


def test_a_mark_of_byte_order_is_no_value() -> None:
    Path("x.csv").write_bytes(b"\xef\xbb\xbf1,2\n3,4\n")

    assert values_of("x.csv").tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("my x.csv", "a,b\n1,2\n3,4\n", "line 1: 'a' is not a number"),
        ("x.csv", "1,2\n3,4\n5\n", "line 3 has 1 of 2 values"),
        ("x.csv", "1,2\n\n#\n3,q\n5,6\n", "line 4: 'q' is not a number"),
        ("x.csv", "1;2\n3;4\n", "line 1: '1;2' is not a number"),
        ("x.csv", "1\t2\n3\t4\n", "line 1: "),
        ("x.txt", "1,2\n3,4\n", "line 1: '1,2' is not a number"),
        ("x.txt", "1 2\n3 4_0\n5 6\n", "line 2: '4_0' is not a number"),
    ],
)
def test_what_is_typed_for_a_faulty_table_works(
    poolnorm: Command, name: str, text: str, what: str
) -> None:
    Path(name).write_text(text)
    result = poolnorm("unit", name)

    assert (result.code, result.err.count("\n")) == (4, 1)
    assert result.err.startswith(f"error: {name}: {what}")
    line = result.err.split("type ")[1].split(", and give")[0].strip()
    subprocess.run(line, shell=True, check=True)  # noqa: S602
    made = "data.csv" if Path("data.csv").exists() else "data.txt"
    assert values_of(made).shape == (2, 2)


@pytest.mark.parametrize(
    ("data", "what"),
    [(b"", "no numbers in it"), (b"# x\n", "no numbers in it"), (b"\xff\xfe1\0", "not text")],
)
def test_a_table_of_nothing(poolnorm: Command, data: bytes, what: str) -> None:
    Path("x.csv").write_bytes(data)
    result = poolnorm("unit x.csv")

    assert (result.code, result.err.count("\n")) == (4, 1)
    assert what in result.err


def test_a_vast_table_is_refused(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sizes.LARGEST_TABLE_BYTES == 1 << 30
    monkeypatch.setattr(table, "LARGEST_TABLE_BYTES", 3)
    Path("x.csv").write_text("1,2\n")

    assert "4 bytes of text, at most 3 are read" in poolnorm("unit x.csv").err


def test_a_table_is_a_mask(poolnorm: Command) -> None:
    np.save("x.npy", np.arange(24, dtype=np.float32).reshape(2, 4, 3))
    Path("m.csv").write_text("1,1,0,0\n1,0,0,0\n")
    np.save("m.npy", np.loadtxt("m.csv", dtype=np.float32, delimiter=","))

    assert poolnorm("gpool average x.npy --mask m.csv -o a.npy").code == 0
    assert poolnorm("gpool average x.npy --mask m.npy -o b.npy").code == 0
    assert Path("a.npy").read_bytes() == Path("b.npy").read_bytes()
