"""Layers in `.safetensors` files: beside arrays of any type, and in several files with an index."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.tensors import safetensors_header
from tests.conftest import Command, measured


BN = ("weight", "bias", "running_mean", "running_var")
X = np.random.default_rng(5).normal(size=(2, 4, 3)).astype(np.float32)
VECTOR = np.array([1.5, 2.0, 3.0], np.float32)


def write(file: str, arrays: dict[str, tuple[str, list[int], bytes]], **metadata: str) -> None:
    """Write a file of arrays: their type, shape and bytes."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, (dtype, shape, each) in arrays.items():
        place = [len(data), len(data) + len(each)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": place}
        data += each
    text = json.dumps(header).encode()
    Path(file).write_bytes(struct.pack("<Q", len(text)) + text + data)


def vectors(layer: str, *names: str, plus: float = 0) -> dict[str, tuple[str, list[int], bytes]]:
    """Make the weights of a layer."""
    return {f"{layer}.{name}": ("F32", [3], (VECTOR + plus).tobytes()) for name in names}


@pytest.fixture(autouse=True)
def _x() -> None:
    np.save("x.npy", X)


OTHERS = {
    "F4": ([4], bytes(2)),
    "F6_E2M3": ([4], bytes(3)),
    "F6_E3M2": ([8], bytes(6)),
    "F8_E4M3": ([3], bytes(3)),
    "F8_E5M2FNUZ": ([3], bytes(3)),
    "F8_E8M0": ([3], bytes(3)),
    "C64": ([3], bytes(24)),
    "I4": ([3], bytes(2)),
    "TOMORROW": ([3], bytes(7)),
}


@pytest.mark.parametrize("dtype", OTHERS)
@pytest.mark.parametrize("name", ["conv.weight", "conv.weight_packed", "bn.num_batches_tracked"])
def test_arrays_of_any_type_may_lie_beside(poolnorm: Command, dtype: str, name: str) -> None:
    other = {name: (dtype, *OTHERS[dtype])}
    write("m.safetensors", other | vectors("bn", *BN) | vectors("z", *BN), format="pt")
    write("plain.safetensors", vectors("bn", *BN))

    for file in ("m", "plain"):
        words = f"bn x.npy --weights {file}.safetensors::bn --epsilon 1e-5 -q -o {file}.npy"
        assert (poolnorm(words).code, poolnorm(f"{words} --overwrite").err) == (0, "")
    np.testing.assert_array_equal(np.load("m.npy"), np.load("plain.npy"))


@pytest.mark.parametrize("dtype", ["F8_E4M3", "I8", "BOOL", "TOMORROW"])
@pytest.mark.parametrize("weight", BN)
def test_a_weight_of_another_type_is_never_one_that_is_not_there(
    poolnorm: Command, dtype: str, weight: str
) -> None:
    write("m.safetensors", vectors("bn", *BN) | {f"bn.{weight}": (dtype, [3], bytes(3))})

    result = poolnorm("bn x.npy --weights m.safetensors::bn -q")

    told = f"m.safetensors::bn.{weight}: values of type {dtype} are not read"
    assert (result.code, told in result.err) == (4, True)


def index(**places: str) -> None:
    """Write an index: layer -> file."""
    names = {f"{layer}.{name}": file for layer, file in places.items() for name in BN}
    text = {"metadata": {"total_size": 1}, "weight_map": names}
    Path("m.safetensors.index.json").write_text(json.dumps(text))


def test_layers_are_found_by_the_index(poolnorm: Command) -> None:
    one, two = (f"m-0000{n}-of-00002.safetensors" for n in (1, 2))
    conv = {"conv.weight": ("F4", [2, 2], bytes(2))}
    write(one, vectors("a", *BN) | conv | vectors("b", "weight", "running_mean"))
    write(two, vectors("b", "bias", "running_var", plus=1) | vectors("c", *BN, plus=2))
    places = {f"a.{n}": one for n in BN} | {f"c.{n}": two for n in BN} | {"conv.weight": one}
    places |= {"b.weight": one, "b.running_mean": one, "b.bias": two, "b.running_var": two}
    Path("m.safetensors.index.json").write_text(json.dumps({"weight_map": places}))

    listed = poolnorm("info m.safetensors.index.json -q").out.split()
    assert listed == [f"m.safetensors.index.json::{layer}" for layer in "acb"]
    words = "bn x.npy --weights m.safetensors.index.json::b --epsilon 0 -q -o y.npy"
    assert (poolnorm(words).code, poolnorm(f"{words} --overwrite").err) == (0, "")
    expected = (X - VECTOR) / np.sqrt(VECTOR + 1) * VECTOR + VECTOR + 1
    np.testing.assert_allclose(np.load("y.npy"), expected, rtol=1e-5)


def test_a_part_alone_does_not_say_what_the_layer_has_not(poolnorm: Command) -> None:
    file = "m-00001-of-00002.safetensors"
    write(file, vectors("b", *(name for name in BN if name != "bias")))

    result = poolnorm(f"bn x.npy --weights {file}::b -q")

    assert (result.code, "'beta' is missing" in result.err) == (2, True)
    assert poolnorm(f"bn x.npy --weights {file}::b -q --no-center").code == 0


def test_a_missing_part_is_told_of_its_layers_alone(poolnorm: Command) -> None:
    write("one.safetensors", vectors("a", *BN))
    index(a="one.safetensors", b="two.safetensors")

    assert poolnorm("bn x.npy --weights m.safetensors.index.json::a -q").code == 0
    result = poolnorm("bn x.npy --weights m.safetensors.index.json::b -q")
    assert (result.code, "weight is in two.safetensors, which is missing" in result.err) == (
        4,
        True,
    )
    assert (
        "b\t-\tcannot be run: weight is in two.safetensors"
        in poolnorm("info m.safetensors.index.json").out
    )


@pytest.mark.parametrize(
    "name",
    ["../one.safetensors", "/one.safetensors", "one.npz", ".safetensors", "a\\b.safetensors", 3],
)
def test_an_index_leads_nowhere_else(poolnorm: Command, name: Any) -> None:
    write("one.safetensors", vectors("a", *BN))
    index(a=name)

    result = poolnorm("bn x.npy --weights m.safetensors.index.json::a -q")

    assert result.code == 4
    assert "is not a .safetensors file beside the index" in result.err


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": {}}}'])
def test_a_damaged_index_is_refused(poolnorm: Command, text: str) -> None:
    Path("m.safetensors.index.json").write_text(text)

    assert poolnorm("info m.safetensors.index.json").code == 4


def test_a_weight_that_is_not_where_the_index_says(poolnorm: Command) -> None:
    write("one.safetensors", vectors("a", *BN[1:]))
    index(a="one.safetensors")

    result = poolnorm("bn x.npy --weights m.safetensors.index.json::a -q")
    assert (result.code, "::a.weight: not in one.safetensors" in result.err) == (4, True)


def raw(header: bytes, data: bytes = b"", file: str = "m.safetensors") -> None:
    Path(file).write_bytes(struct.pack("<Q", len(header)) + header + data)


ENTRY = b'"bn.weight":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}'


@pytest.mark.parametrize(
    "header",
    [
        b"{" + ENTRY + b"}",
        b'{ "__metadata__" : { "a\\"b" : "c\\\\" , "d":"" } , ' + ENTRY + b" }   \n",
        b'{"__metadata__":{},' + ENTRY + b"}",
        b'{"__metadata__":null,' + ENTRY + b"}",
        b'{"bn.weigh\\u0074": { "shape" :[ 3 ],\n"data_offsets":[0 ,12],"dtype":"F32"}}',
    ],
)
def test_every_spelling_of_a_header_is_read(poolnorm: Command, header: bytes) -> None:
    raw(header, VECTOR.tobytes())

    assert poolnorm("info m.safetensors").out.startswith("m.safetensors::bn\t-\tweight (3,)\t")


@pytest.mark.parametrize(
    "header",
    [
        b"{" + ENTRY,
        b"{" + ENTRY + b",}",
        b"{" + ENTRY + b"}}",
        b"{" + ENTRY + b"} x",
        b"{," + ENTRY + b"}",
        b"{" + ENTRY + b"," + ENTRY + b"}",
        b'{"__metadata__":{"a":1},' + ENTRY + b"}",
        b'{"__metadata__":{"a":"b",},' + ENTRY + b"}",
        b'{"__metadata__":{},"__metadata__":{},' + ENTRY + b"}",
        ENTRY.join((b"{", b"}")).replace(b"[3]", b"[03]"),
        ENTRY.join((b"{", b"}")).replace(b"[3]", b"[3,]"),
        ENTRY.join((b"{", b"}")).replace(b"[3]", b"[3.0]"),
        ENTRY.join((b"{", b"}")).replace(b'"F32"', b'"F32","x":1'),
        ENTRY.join((b"{", b"}")).replace(b"bn", b"\xff"),
        ENTRY.join((b"{", b"}")).replace(b"bn", b"n" * 5000),
    ],
)
def test_a_header_that_is_not_one_is_refused(poolnorm: Command, header: bytes) -> None:
    raw(header, VECTOR.tobytes())

    result = poolnorm("info m.safetensors")
    assert (result.code, result.err.count("\n")) == (4, 1)


VAST = {
    "metadata": b'{"__metadata__":{"a":"' + b"x" * 30_000_000 + b'"}}',
    "much metadata": b'{"__metadata__":{' + b",".join([b'"k":"v"'] * 2_000_000) + b"}}",
    "depth": b'{"a":' + b"[" * 30_000_000,
    "empty entries": b"{" + b",".join([b'"k":{}'] * 3_000_000) + b"}",
    "blanks": b"{" + b" " * 30_000_000 + b"}",
    "escapes": b'{"' + b"\\\\" * 15_000_000,
    "arrays": b"{" + b",".join([ENTRY] * 300_000) + b"}",
    "names": b"{" + b",".join(ENTRY.replace(b"bn", b"%04000d" % n) for n in range(9000)) + b"}",
}


@pytest.mark.parametrize("what", VAST)
def test_a_vast_header_takes_little_memory(what: str) -> None:
    raw(VAST[what])
    done = measured("info", "m.safetensors")

    assert done.code in {0, 4}, done.err
    assert done.megabytes < 150


def test_limits_are_told(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors_header, "MOST_ARRAYS", 3)
    write("m.safetensors", vectors("bn", *BN))
    assert "4 arrays, at most 3 are read" in poolnorm("info m.safetensors").err
    monkeypatch.setattr(safetensors_header, "MOST_ARRAYS", 9)
    monkeypatch.setattr(safetensors_header, "LARGEST_NAMES_BYTES", 9)
    assert "names of more than 9 bytes" in poolnorm("info m.safetensors").err
