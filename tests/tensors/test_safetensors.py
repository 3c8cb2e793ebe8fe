"""Tensors in `.safetensors` files: read by their place, written header first, whole or not."""

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.tensors import safetensors_writer
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.tensors.safetensors import NAMES, float8_values
from poolnorm_cli.tensors.sources import open_tensors
from tests.conftest import Command


X = np.random.default_rng(3).standard_normal((4, 6, 6, 3)).astype(np.float32)
HALVES = np.maximum.reduce([X[:, i::2, j::2] for i in (0, 1) for j in (0, 1)])


def write(file: str, arrays: dict[str, tuple[str, tuple[int, ...], bytes]]) -> None:
    """Write a file of arrays: their type, shape and bytes."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, (dtype, shape, each) in arrays.items():
        place = [len(data), len(data) + len(each)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": place}
        data += each
    text = json.dumps(header).encode()
    Path(file).write_bytes(struct.pack("<Q", len(text)) + text + data)


def read(file: str) -> dict[str, np.ndarray[Any, Any]]:
    """Read a file as the format is documented, and check that it is what it should be."""
    data = Path(file).read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    header = json.loads(data[8 : 8 + length])
    found, end = {}, 0
    for name, told in header.items():
        begin, stop = told["data_offsets"]
        assert begin == end
        end = stop
        kind = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "BF16": "<u2", "BOOL": "?", "U8": "u1"}
        raw = data[8 + length :][begin:stop]
        found[name] = np.frombuffer(raw, kind[told["dtype"]]).reshape(told["shape"])
    assert 8 + length + end == len(data)
    return found


def f32(array: np.ndarray[Any, Any]) -> tuple[str, tuple[int, ...], bytes]:
    return "F32", array.shape, array.astype("<f4").tobytes()


@pytest.fixture(autouse=True)
def _files() -> None:
    np.save("x.npy", X)
    write("m.safetensors", {"a": f32(X), "layer b": f32(X[:2]), "é": f32(X + 1)})


def test_all_arrays_of_a_file_go_through(poolnorm: Command) -> None:
    result = poolnorm("pool max m.safetensors -o y.safetensors")

    assert (result.code, result.err) == (0, "")
    found = read("y.safetensors")
    assert list(found) == ["a", "layer b", "é"]
    np.testing.assert_array_equal(found["a"], HALVES)
    np.testing.assert_array_equal(found["layer b"], HALVES[:2])


def test_one_array_by_its_name(poolnorm: Command) -> None:
    assert poolnorm("pool max", "m.safetensors::layer b", "-o", "y.npy").code == 0
    np.testing.assert_array_equal(np.load("y.npy"), HALVES[:2])
    assert poolnorm("pool max m.safetensors --key a -o z.npz").code == 0
    np.testing.assert_array_equal(np.load("z.npz")["a"], HALVES)
    result = poolnorm("pool max m.safetensors::nix")
    assert result.code == 4
    assert "no array nix; there are: a, layer b, é" in result.err


def test_one_array_is_written_as_the_library_writes_it(poolnorm: Command) -> None:
    assert poolnorm("pool max x.npy -o y.safetensors").code == 0
    text = b'{"arr_0":{"dtype":"F32","shape":[4,3,3,3],"data_offsets":[0,432]}}'
    text += b" " * (-len(text) % 8)

    written = struct.pack("<Q", len(text)) + text + HALVES.tobytes()
    assert Path("y.safetensors").read_bytes() == written


@pytest.mark.parametrize(
    "words", ["info {}", "show {}", "shape pool max {} -q", "compare {} x.npy"]
)
def test_verbs_read_it(poolnorm: Command, words: str) -> None:
    result = poolnorm(words.format("m.safetensors::a"))

    assert (result.code, result.err) == (0, "")


def test_a_directory_a_mask_and_a_pipe(poolnorm: Command) -> None:
    Path("in").mkdir()
    Path("m.safetensors").rename("in/m.safetensors")
    write("mask.safetensors", {"m": ("BOOL", (4, 6, 6), bytes(72) + b"\1" * 72)})

    assert poolnorm("pool max in -O out --output-name {stem}_{key}{ext}").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "m_a.safetensors",
        "m_layer b.safetensors",
        "m_é.safetensors",
    ]
    assert poolnorm("pipe in -O p ! pool max ! tee all.safetensors ! unit").code == 0
    assert len(read("all.safetensors")) == len(read("p/m.safetensors")) == 3
    assert poolnorm("pipe x.npy -o p.safetensors ! pool max ! tee t.safetensors ! unit").code == 0
    np.testing.assert_array_equal(read("t.safetensors")["arr_0"], HALVES)
    line = "bn x.npy --training --mask mask.safetensors --save-weights {}.npz -q"
    np.save("mask.npy", np.repeat([False, True], 2)[:, None, None] & np.ones((4, 6, 6), bool))
    assert poolnorm(line.format("s")).code == 0
    assert poolnorm(line.replace("safetensors", "npy").format("n")).code == 0
    assert Path("s.npz").read_bytes() == Path("n.npz").read_bytes()


@pytest.mark.parametrize(("theirs", "ours"), NAMES.items())
def test_every_type_comes_back(theirs: str, ours: str) -> None:
    raw = np.random.default_rng(1).integers(0, 2, 12 * DTYPES[ours].itemsize).astype(np.uint8)
    write("in.safetensors", {"x": (theirs, (3, 4), raw.tobytes())})
    (tensor,) = open_tensors("in.safetensors")

    with open_output("out.safetensors", False) as output:
        writer = output.add("x", tensor.shape, tensor.dtype)
        for block in tensor.blocks(2):
            writer.write(block)

    assert tensor.dtype.name == ours
    assert Path("out.safetensors").read_bytes()[-len(raw) :] == raw.tobytes()
    assert next(iter(open_tensors("out.safetensors"))).dtype.name == ours


def test_float8_is_read_as_float32(poolnorm: Command) -> None:
    codes = np.arange(256, dtype=np.uint8)
    write("m.safetensors", {"a": ("F8_E4M3", (256, 1), codes.tobytes())})
    (tensor,) = open_tensors("m.safetensors")
    values = np.concatenate([block.copy() for block in tensor.blocks(100)])[:, 0]

    assert (tensor.dtype.name, tensor.nbytes, tensor.stored_bytes) == ("float32", 1024, 256)
    assert list(values[[0, 1, 8, 0x38, 0x7E, 0x81]]) == [0, 2**-9, 2**-6, 1, 448, -(2**-9)]
    assert np.isnan(values[[0x7F, 0xFF]]).all()
    assert np.isfinite(values).sum() == 254
    fives = float8_values("F8_E5M2")
    assert list(fives[[1, 0x3C, 0x7B, 0x7C, 0xFC]]) == [2**-16, 1, 57344, np.inf, -np.inf]
    assert np.isnan(fives).sum() == 6
    assert "float8_e4m3fn, read as float32" in poolnorm("info m.safetensors").err


def test_other_types_are_passed_over(poolnorm: Command) -> None:
    write("m.safetensors", {"c": ("C64", (2, 2), bytes(32)), "a": f32(X)})
    result = poolnorm("info m.safetensors")
    assert result.out.splitlines() == ["m.safetensors::a\t(4, 6, 6, 3)\tfloat32\tC\t1728"]
    assert result.err == "note: m.safetensors: passed over c (dtype C64)\n"
    assert poolnorm("info m.safetensors::c").code == 4
    write("m.safetensors", {"c": ("C64", (2, 2), bytes(32))})
    result = poolnorm("pool max m.safetensors")
    assert (result.code, result.err.count("\n")) == (4, 1)
    assert "m.safetensors::c: dtype C64 is not supported; save it as one of F64" in result.err


def test_many_arrays_make_the_header_larger_than_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors_writer, "PIECE_BYTES", 100)
    monkeypatch.setattr(safetensors_writer, "SAFETENSORS_ROOM_BYTES", 64)
    with open_output("y.safetensors", False) as output:
        for index in range(20):
            writer = output.add(f"array {index}", (index, 7), DTYPES["float32"])
            for row in range(index):
                writer.write(np.full((1, 7), index * 100 + row, np.float32))

    found = read("y.safetensors")
    assert len(found) == 20
    for index in range(20):
        rows = index * 100 + np.arange(index, dtype=np.float32)
        np.testing.assert_array_equal(found[f"array {index}"], np.repeat(rows[:, None], 7, 1))


def test_a_run_that_fails_leaves_nothing(poolnorm: Command) -> None:
    write("m.safetensors", {"a": f32(X), "b": f32(X[0, 0, 0])})
    result = poolnorm("pool max m.safetensors -o y.safetensors")

    assert result.code != 0
    assert not Path("y.safetensors").exists()
    assert not list(Path().glob(".poolnorm*"))


def test_names_that_the_format_has_no_place_for(poolnorm: Command) -> None:
    arrays: dict[str, Any] = {"__metadata__": X}
    np.savez("x.npz", **arrays)
    result = poolnorm("pool max x.npz -o y.safetensors")

    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "an array called __metadata__ cannot be in it" in result.err


HOSTILE = {
    "empty": b"",
    "short": b"\0\0",
    "vast": struct.pack("<Q", 1 << 62) + b"{}",
    "not JSON": struct.pack("<Q", 2) + b"{[",
    "overlap": {"a": [0, 4], "b": [2, 6]},
    "gap": {"a": [0, 4], "b": [8, 12]},
    "beyond": {"a": [0, 4], "b": [4, 400]},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_damaged_file_is_refused_in_one_line(poolnorm: Command, kind: str) -> None:
    made = HOSTILE[kind]
    if isinstance(made, dict):
        told = {
            name: {"dtype": "U8", "shape": [stop - start], "data_offsets": [start, stop]}
            for name, (start, stop) in made.items()
        }
        text = json.dumps(told).encode()
        made = struct.pack("<Q", len(text)) + text + bytes(12)
    assert isinstance(made, bytes)
    Path("m.safetensors").write_bytes(made)

    for words in ("pool max m.safetensors -o y.npy", "info m.safetensors", "show m.safetensors"):
        result = poolnorm(words)
        assert (result.code, result.err.count("\n")) == (4, 1)
        assert result.err.startswith("error: m.safetensors")
    assert not Path("y.npy").exists()


def test_too_many_axes_and_items(poolnorm: Command) -> None:
    write("m.safetensors", {"a": ("F32", (1,) * 40, bytes(4))})
    assert "40 axes, at most 32 are read" in poolnorm("pool max m.safetensors").err
    write("m.safetensors", {"a": ("F32", (0, 1 << 62, 4), b"")})
    assert "2**62 bytes or more" in poolnorm("pool max m.safetensors").err


def test_it_is_an_adjustment(poolnorm: Command) -> None:
    terms = {name: np.full(3, value, np.float32) for name, value in (("scale", 2), ("bias", 1))}
    write("a.safetensors", {name: f32(term) for name, term in terms.items()})
    arrays: dict[str, Any] = terms
    np.savez("a.npz", **arrays)
    for kind in ("safetensors", "npz"):
        line = f"bn x.npy --training --no-fused --adjustment a.{kind} -o {kind}.npy -q"
        assert poolnorm(line).code == 0
    assert Path("safetensors.npy").read_bytes() == Path("npz.npy").read_bytes()


def test_on_a_fifo_it_is_known_by_its_first_bytes(poolnorm: Command) -> None:
    reading, writing = os.pipe()
    os.write(writing, Path("m.safetensors").read_bytes())
    os.close(writing)
    result = poolnorm(f"pool max /dev/fd/{reading} --key a -o y.npy")
    os.close(reading)

    assert (result.code, result.err) == (0, "")
    np.testing.assert_array_equal(np.load("y.npy"), HALVES)


def test_info_lists_layers_first_and_arrays_on_request(poolnorm: Command) -> None:
    ones = np.ones(3, np.float32)
    names = ("weight", "bias", "running_mean", "running_var")
    write("m.safetensors", {f"bn.{name}": f32(ones) for name in names} | {"map": f32(X)})

    result = poolnorm("info m.safetensors")
    assert result.out.startswith("m.safetensors::bn\t")
    assert (
        result.err == "note: m.safetensors: only its layers are listed; --stats lists its arrays\n"
    )
    assert poolnorm("info m.safetensors::map").out.startswith("m.safetensors::map\t(4, 6, 6, 3)")
    assert poolnorm("info m.safetensors --key map").out.startswith("m.safetensors::map\t(4, 6")
    assert len(poolnorm("info m.safetensors --stats").out.splitlines()) == 5


def test_a_journal_resumes(poolnorm: Command) -> None:
    Path("in").mkdir()
    for index in range(3):
        write(f"in/{index}.safetensors", {"a": f32(X + index)})
    line = "pool max in -O out --journal j.jsonl"
    assert poolnorm(line).code == 0
    Path("out/1.safetensors").unlink()
    result = poolnorm(f"{line} --resume --verify --json --no-values")

    assert result.code == 0
    assert Path("out/1.safetensors").exists()
    np.testing.assert_array_equal(read("out/1.safetensors")["a"], HALVES + 1)
