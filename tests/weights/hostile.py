"""Files that ask a reader of weights for what no honest checkpoint needs, one function each.

All are meant to be read as a batch normalization of three channels, called `bn`. Beside them lies
`secret.bin`, which none of them may bring to light.
"""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np


Make = Callable[[Path], None]
GROUP = "layers/batch_normalization"
NAMES = ("gamma", "beta", "moving_mean", "moving_variance")
SECRET = b"SECRET-" * 6
VECTOR = np.array([1.0, 2.0, 3.0], np.float32)
CONFIG: dict[str, Any] = {"name": "bn", "axis": -1, "epsilon": 0.001, "momentum": 0.99}


def weights(file: Any, *, but: str = "") -> Any:
    """Write the weights as Keras does, one of them left out."""
    group = file.create_group(f"{GROUP}/vars")
    group.attrs["name"] = "bn"
    for number in "0123":
        if number != but:
            group[number] = VECTOR
    return group


def model(**config: Any) -> bytes:
    """Write the config of a model with one layer."""
    layer = {"class_name": "BatchNormalization", "config": CONFIG | config}
    return json.dumps({"class_name": "Functional", "config": {"layers": [layer]}}).encode()


def archive(path: Path, config: bytes, members: dict[str, bytes] | None = None) -> None:
    """Write a .keras file."""
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        weights(file)
    held = {"config.json": config, "model.weights.h5": data.getvalue()} | (members or {})
    with zipfile.ZipFile(path, "w") as out:
        for name, value in held.items():
            out.writestr(name, value)


def hdf5(change: Callable[[Any, Path], None], *, but: str = "1") -> Make:
    """Make an .h5 file whose weight `1` is not what it seems."""

    def make(path: Path) -> None:
        with h5py.File(path, "w") as file:
            group = weights(file, but=but)
            change(group, path.parent)

    return make


def _loop(group: Any, _: Path) -> None:
    group["1"] = VECTOR
    group["again"] = group.parent


def _twice(group: Any, _: Path) -> None:
    group["1"] = group["0"]


def _elsewhere(group: Any, directory: Path) -> None:
    with h5py.File(directory / "other.h5", "w") as other:
        other["1"] = VECTOR
    group["1"] = h5py.ExternalLink(str(directory / "other.h5"), "1")


def _group_elsewhere(group: Any, directory: Path) -> None:
    _elsewhere(group, directory)
    del group["1"]
    group.file["layers/batch_normalization_1"] = h5py.ExternalLink("other.h5", "/")


def _external_storage(group: Any, directory: Path) -> None:
    place = [(str(directory / "secret.bin"), 0, 12)]
    group.create_dataset("1", (3,), "f4", external=place)


def _virtual(group: Any, directory: Path) -> None:
    with h5py.File(directory / "other.h5", "w") as other:
        other["1"] = VECTOR
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(str(directory / "other.h5"), "1", (3,))
    group.create_virtual_dataset("1", layout)


def _deep(group: Any, _: Path) -> None:
    for number in range(90):
        group = group.create_group(f"g{number}")


def _nothing(group: Any, directory: Path) -> None:
    del group, directory


def _endless_name(path: Path) -> None:
    """Have the name of the layer be 4 GiB long, by the four bytes that say its length."""
    honest(path)
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL")
    place = data.index(struct.pack("<IQI", len("bn"), heap, 1))
    data[place : place + 4] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(data)


honest = hdf5(_nothing, but="")

HDF5: dict[str, Make] = {
    "soft link": hdf5(lambda group, _: group.__setitem__("1", h5py.SoftLink("0"))),
    "soft link of a group": hdf5(
        lambda group, _: group.file.__setitem__("layers/x", h5py.SoftLink("/layers")), but=""
    ),
    "external link": hdf5(_elsewhere),
    "external link of a group": hdf5(_group_elsewhere),
    "loop of links": hdf5(_loop),
    "one array twice": hdf5(_twice),
    "external storage": hdf5(_external_storage),
    "virtual dataset": hdf5(_virtual),
    "lzf filter": hdf5(lambda g, _: g.create_dataset("1", data=VECTOR, compression="lzf")),
    "scale-offset filter": hdf5(lambda g, _: g.create_dataset("1", data=VECTOR, scaleoffset=2)),
    "4 TiB declared": hdf5(lambda g, _: g.create_dataset("1", (1 << 40,), "f4", chunks=(1 << 20,))),
    "vast chunks": hdf5(
        lambda g, _: g.create_dataset("1", (3,), "f4", chunks=(1 << 28,), maxshape=(None,))
    ),
    "whole numbers": hdf5(lambda g, _: g.__setitem__("1", np.arange(3))),
    "text": hdf5(lambda g, _: g.__setitem__("1", "text")),
    "a type for an array": hdf5(lambda g, _: g.__setitem__("1", np.dtype("f4"))),
    "NaN": hdf5(lambda g, _: g.__setitem__("1", np.array([1, np.nan, 2], "f4"))),
    "negative variance": hdf5(lambda g, _: g.__setitem__("3", -VECTOR), but="3"),
    "another shape": hdf5(lambda g, _: g.__setitem__("1", np.ones(4, "f4"))),
    "no shape": hdf5(lambda g, _: g.__setitem__("1", h5py.Empty("f4"))),
    "deep groups": hdf5(_deep, but=""),
    "config of numbers": hdf5(lambda g, _: g.file.attrs.__setitem__("model_config", 7), but=""),
    "config of many": hdf5(
        lambda g, _: g.file.attrs.__setitem__("model_config", [b"{}"] * 9), but=""
    ),
    "a name of 4 GiB": _endless_name,
    "name of bytes": hdf5(lambda g, _: g.attrs.__setitem__("name", np.arange(5)), but=""),
}


def keras(config: bytes, members: dict[str, bytes] | None = None) -> Make:
    """Make a .keras file."""
    return lambda path: archive(path, config, members)


def _rewritten(old: bytes, new: bytes) -> Make:
    def make(path: Path) -> None:
        archive(path, model())
        path.write_bytes(path.read_bytes().replace(old, new))

    return make


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("config.json", model())
        out.writestr("model.weights.h5", bytes(300 << 20))


def _twice_named(path: Path) -> None:
    archive(path, model(), {"config.jsom": model(epsilon=0.5)})
    path.write_bytes(path.read_bytes().replace(b"config.jsom", b"config.json"))


KERAS: dict[str, Make] = {
    "NaN epsilon": keras(model(epsilon=float("nan"))),
    "infinite epsilon": keras(model().replace(b"0.001", b"1e999")),
    "negative epsilon": keras(model(epsilon=-1)),
    "epsilon of text": keras(model(epsilon="import os")),
    "epsilon of a dictionary": keras(model(epsilon={"class_name": "Lambda"})),
    "momentum of true": keras(model(momentum=True)),
    "axis out of range": keras(model(axis=7)),
    "axis of fractions": keras(model(axis=[1.5])),
    "vast number": keras(model().replace(b"0.001", b"9" * 5000)),
    "deep JSON": keras(b"[" * 100_000 + b"]" * 100_000),
    "rather deep JSON": keras(b'{"config":' * 300 + b"1" + b"}" * 300),
    "a key twice": keras(model().replace(b'"axis": -1', b'"epsilon": 0.5, "axis": -1')),
    "long JSON": keras(b'{"a": "' + b"a" * (9 << 20) + b'"}'),
    "no JSON": keras(b"\x80\x04\x95"),
    "no UTF-8": keras(b'{"\xff": 1}'),
    "zip bomb": _bomb,
    "two configs": _twice_named,
    "a member outside": keras(model(), {"../../evil.txt": b"x"}),
    "an absolute member": keras(model(), {"/etc/evil": b"x"}),
    "no weights": _rewritten(b"model.weights.h5", b"model.weightz.h5"),
    "another CRC": _rewritten(VECTOR.tobytes(), VECTOR[::-1].tobytes()),
}


def content(data: bytes) -> Make:
    """Make a file of these bytes."""

    def make(path: Path) -> None:
        path.write_bytes(data)

    return make


def safetensors(header: bytes | dict[str, Any], data: bytes, length: int | None = None) -> Make:
    """Make a .safetensors file."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = struct.pack("<Q", len(text) if length is None else length)
    return content(size + text + data)


def _told(**changes: Any) -> dict[str, Any]:
    """Write a correct header, but for some of its arrays."""
    names = ("weight", "bias", "running_mean", "running_var")
    places = {n: [12 * i, 12 * i + 12] for i, n in enumerate(names)}
    header = {
        f"bn.{n}": {"dtype": "F32", "shape": [3], "data_offsets": p} for n, p in places.items()
    }
    return header | {
        f"bn.{name}": header[f"bn.{name}"] | change for name, change in changes.items()
    }


_DATA = VECTOR.tobytes() * 4
_TEXT = json.dumps(_told()).encode()
SAFETENSORS: dict[str, Make] = {
    "overlap": safetensors(_told(bias={"data_offsets": [0, 12]}), _DATA),
    "gap": safetensors(
        _told(running_var={"data_offsets": [40, 52]}),
        _DATA + b"....",
    ),
    "trailing bytes": safetensors(_told(), _DATA + b"x"),
    "truncated": safetensors(_told(), _DATA[:-1]),
    "vast header": safetensors(_told(), _DATA, 1 << 62),
    "header beyond the file": safetensors(_told(), _DATA, len(_TEXT) + 1000),
    "a name twice": safetensors(_TEXT.replace(b"bn.bias", b"bn.weight"), _DATA),
    "shape of truth": safetensors(_told(bias={"shape": [True, 3]}), _DATA),
    "negative shape": safetensors(_told(bias={"shape": [-3]}), _DATA),
    "shape and place disagree": safetensors(_told(bias={"shape": [1 << 40]}), _DATA),
    "unknown dtype": safetensors(_told(bias={"dtype": "PICKLE"}), _DATA),
    "dtype of a list": safetensors(_told(bias={"dtype": ["F32"]}), _DATA),
    "more in an entry": safetensors(_told(bias={"module": "os"}), _DATA),
    "a list for a header": safetensors(b"[]", b""),
    "no JSON": safetensors(b"{" * 50, b""),
    "NaN in the header": safetensors(b'{"a": NaN}', b""),
    "NaN": safetensors(_told(), np.array([np.nan] * 12, "f4").tobytes()),
    "empty": content(b""),
}
