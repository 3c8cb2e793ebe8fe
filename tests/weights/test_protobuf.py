"""Messages of protocol buffers are read as the library of ONNX reads them, in little memory."""

from pathlib import Path

import numpy as np
import pytest

from poolnorm_cli.errors import InputError
from poolnorm_cli.tensors.untrusted import open_span
from poolnorm_cli.weights import protobuf
from poolnorm_cli.weights.onnx_graph import MOST_NODES, Model
from tests.conftest import Command, measured


def opened(file: str) -> Model:
    span = open_span(file)
    return Model(protobuf.ProtobufFile(span, file), span.size)


@pytest.mark.parametrize("window", [41, 64, 101, 1000])
def test_a_graph_is_what_the_library_says(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    onnx = pytest.importorskip("onnx")
    monkeypatch.setattr(protobuf, "WIRE_WINDOW_BYTES", window)
    random = np.random.default_rng(window)
    nodes, held = [], []
    for index in range(300):
        name = "n" * int(random.integers(0, 300))
        inputs = [f"{'i' * int(random.integers(0, 40))}{n}" for n in range(random.integers(0, 5))]
        made = onnx.helper.make_node("Relu", inputs, [f"o{index}"], name=name, ints=[1] * 9)
        nodes.append(made)
        values = random.normal(size=random.integers(0, 90)).astype(np.float32)
        held.append(onnx.numpy_helper.from_array(values, f"t{index}"))
    graph = onnx.helper.make_graph(nodes, "g", [], [], held)
    onnx.save(onnx.helper.make_model(graph), "m.onnx")

    found = opened("m.onnx").main.graph

    told = [(n.op_type, n.name, list(n.input), list(n.output)) for n in nodes]
    assert [(n.operator, n.name, n.inputs, n.outputs) for n in found.nodes] == told
    assert [(t.name, t.shape) for t in found.tensors.values()] == [
        (t.name, tuple(t.dims)) for t in held
    ]


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def part(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


NODE = part(1, b"x") + part(2, b"y") + part(4, b"LayerNormalization")
MANY = 3_000_000
VAST = {
    "nodes": b"\x0a\0" * MANY,
    "initializers": part(1, NODE) + b"\x2a\0" * MANY,
    "described values": part(1, NODE) + b"\x6a\0" * MANY,
    "inputs": part(1, NODE) + b"\x5a\0" * MANY,
    "sparse initializers": part(1, NODE) + b"\x7a\0" * MANY,
    "fields that nobody knows": part(1, NODE) + b"\xe0\x3f\0" * MANY,
    "attributes": part(1, NODE + b"\x2a\0" * MANY),
    "inputs of a node": part(1, NODE + b"\x0a\0" * MANY),
    "sizes": part(1, NODE) + part(5, part(8, b"s") + b"\x08\1" * MANY),
    "packed sizes": part(1, NODE) + part(5, part(8, b"s") + part(1, b"\1" * MANY)),
    "entries about a file": part(1, NODE) + part(5, part(8, b"s") + b"\x6a\0" * MANY),
    "pieces of values": part(1, NODE) + part(5, part(8, b"s") + b"\x4a\0" * MANY),
    "a name": part(1, NODE) + part(5, part(8, b"s" * MANY)),
}


def vast(graph: bytes) -> bytes:
    return b"\x08\x0a" + part(7, graph) + part(8, b"\x10\x15")


@pytest.mark.parametrize("what", VAST)
def test_a_vast_graph_of_nothing_is_refused_in_little_memory(what: str, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(vast(VAST[what]))
    done = measured("info", "m.onnx")

    assert done.code == 4, done.err
    assert done.err.startswith("error: m.onnx: ")
    assert done.megabytes < 150


@pytest.mark.parametrize("what", VAST)
def test_limits_are_told(poolnorm: Command, what: str) -> None:
    told = {
        "nodes": f"more than {MOST_NODES} nodes and tensors",
        "described values": f"more than {protobuf.MOST_FIELDS} fields",
        "a name": f"a name of {MANY} bytes",
    }
    if what in told:
        Path("m.onnx").write_bytes(vast(VAST[what]))
        assert told[what] in poolnorm("info m.onnx").err


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b"\0",
            b"\x3a",
            b"\x3a\x7f",
            b"\x3a\xff",
            b"\xff" * 20,
            b"\x3b\0",
            b"\x3c\0",
            b"\x3e",
        ),
        *(part(7, b"\x0a\xff\xff\xff\xff\x7f"), part(7, part(1, b"\x0b")), part(7, b"\x5d\1")),
        part(7, part(1, NODE)) * 2,
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    Path("m.onnx").write_bytes(data)

    with pytest.raises(InputError, match=r"^m\.onnx: (not an|an) ONNX file"):
        opened("m.onnx")
