"""Runs layers in a real framework, as a process of its own, and writes down what came out.

    python keras_worker.py JOBS_DIR keras|tf_keras|tensorflow|torch

JOBS_DIR holds `jobs.jsonl` (one job a line) and `arrays.npz` (`<id>.x0`, `<id>.gamma`, ...).
Every job leaves `outcomes/<id>.npz`: `y0`, `y1`, ... and the weights by name, or `error`.
TensorFlow dies (SIGFPE) on some shapes, so the file `started` names the job under way and a
job that has its outcome is not run again: whoever started the process marks the job and starts
anew. `tensorflow` means the Keras inside an old TensorFlow; the file runs on Python 3.8 for it.
"""

from __future__ import annotations

import json
import math
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np


if TYPE_CHECKING:
    Job = dict[str, Any]
    Arrays = dict[str, Any]

POOLS = {
    "pool max": "MaxPooling{}D",
    "pool average": "AveragePooling{}D",
    "gpool max": "GlobalMaxPooling{}D",
    "gpool average": "GlobalAveragePooling{}D",
    "apool max": "AdaptiveMaxPooling{}D",
    "apool average": "AdaptiveAveragePooling{}D",
}
NORMALIZATIONS = {
    "bn": "BatchNormalization",
    "ln": "LayerNormalization",
    "gn": "GroupNormalization",
    "in": "GroupNormalization",
    "rms": "RMSNormalization",
    "unit": "UnitNormalization",
}
NOT_WEIGHTS = ("mask", "adjustment_scale", "adjustment_bias")


class KerasLayers:
    """The layers of Keras 3, of tf_keras or of the Keras inside TensorFlow."""

    def __init__(self, framework: str) -> None:
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        if os.environ["KERAS_BACKEND"] == "tensorflow" or framework != "keras":
            tf = import_module("tensorflow")
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        self.framework = framework
        name = "tensorflow.keras" if framework == "tensorflow" else framework
        self.keras: Any = import_module(name)

    def run(self, job: Job, arrays: Arrays) -> Arrays:
        layer = self.layer(job, arrays)
        inputs = [arrays[f"x{step}"] for step in range(job["steps"])]
        layer.build(inputs[0].shape)
        set_weights(layer, arrays)
        call = {"training": job["training"]} if job["words"] == ["bn"] else {}
        if "mask" in arrays:
            call["mask"] = arrays["mask"]
        outcome = {f"y{step}": self.numpy(layer(x, **call)) for step, x in enumerate(inputs)}
        for variable in layer.weights:
            value = self.numpy(variable)
            name = short_name(variable)
            outcome[name] = value.reshape(arrays[name].shape) if name in arrays else value
        return outcome

    def layer(self, job: Job, arrays: Arrays) -> Any:
        words = " ".join(job["words"])
        params = {name: frozen(value) for name, value in job["params"].items()}
        if words == "bn" and isinstance(params.get("axis"), tuple):
            params["axis"] = list(params["axis"])  # TensorFlow 2.3 writes into it
        if words == "in":
            params["groups"] = -1
        if "adjustment_scale" in arrays:
            pair = (arrays["adjustment_scale"], arrays["adjustment_bias"])
            params["adjustment"] = lambda _shape: pair
        rank = arrays["x0"].ndim - 2
        name = NORMALIZATIONS[words] if words in NORMALIZATIONS else POOLS[words].format(rank)
        return getattr(self.keras.layers, name)(dtype=job["dtype"], **params)

    def numpy(self, tensor: Any) -> Any:
        if self.framework == "keras":
            return np.array(self.keras.ops.convert_to_numpy(tensor))
        return np.array(tensor.numpy())


def frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def short_name(variable: Any) -> str:
    """`gamma` for Keras 3's `gamma` and for Keras 2's `batch_normalization/gamma:0`."""
    return str(variable.name).rsplit("/", maxsplit=1)[-1].split(":", maxsplit=1)[0]


def set_weights(layer: Any, arrays: Arrays) -> None:
    unused = {name for name in arrays if name not in NOT_WEIGHTS and not is_input(name)}
    for variable in layer.weights:
        name = short_name(variable)
        if name in arrays:
            variable.assign(arrays[name].reshape(variable.shape))
            unused.discard(name)
    if unused:
        raise KeyError(f"the layer has no weights {sorted(unused)}")


def is_input(name: str) -> bool:
    return name[:1] == "x" and name[1:].isdigit()


class TorchLayers:
    """Pooling in torch, on arrays that NumPy has padded as Keras' formula says."""

    def __init__(self) -> None:
        self.torch: Any = import_module("torch")
        self.torch.set_num_threads(1)

    def run(self, job: Job, arrays: Arrays) -> Arrays:
        family, kind = job["words"]
        params = dict(job["params"])
        last = params.pop("data_format", "channels_last") == "channels_last"
        outcome = {}
        for step in range(job["steps"]):
            x = arrays[f"x{step}"]
            x = np.moveaxis(x, -1, 1) if last else x
            y = getattr(self, family)(x, kind, params)
            has_space = y.ndim == x.ndim
            outcome[f"y{step}"] = np.moveaxis(y, 1, -1) if last and has_space else y
        return outcome

    def pool(self, x: Any, kind: str, params: Job) -> Any:
        sizes = params["pool_size"]
        strides = params.get("strides") or sizes
        pads = [(0, 0), (0, 0)]
        for size, window, stride in zip(x.shape[2:], sizes, strides):  # noqa: B905 - Python 3.8
            out = math.ceil(size / stride)
            same = params.get("padding", "valid") == "same"
            total = max((out - 1) * stride + window - size, 0) if same else 0
            pads.append((total // 2, total - total // 2))
        if kind == "max":
            padded = np.pad(x, pads, constant_values=lowest(x.dtype))
            return self.windows(padded, "max", sizes, strides)
        total = self.windows(np.pad(x, pads), "avg", sizes, strides)
        cells = self.windows(np.pad(np.ones_like(x), pads), "avg", sizes, strides)
        return total / cells

    def windows(self, x: Any, kind: str, sizes: list[int], strides: list[int]) -> Any:
        """One pool without padding; one axis goes as two, because torch has no integers there."""
        single = len(sizes) == 1
        tensor = self.torch.from_numpy(np.ascontiguousarray(x[..., None] if single else x))
        tail = [1] if single else []
        pool = getattr(self.torch.nn.functional, f"{kind}_pool{max(len(sizes), 2)}d")
        y = pool(tensor, kernel_size=[*sizes, *tail], stride=[*strides, *tail]).numpy()
        return y[..., 0] if single else y

    def gpool(self, x: Any, kind: str, params: Job) -> Any:
        tensor = self.torch.from_numpy(np.ascontiguousarray(x))
        axes = tuple(range(2, x.ndim))
        reduce = tensor.amax if kind == "max" else tensor.mean
        return reduce(axes, keepdim=bool(params.get("keepdims"))).numpy()

    def apool(self, x: Any, kind: str, params: Job) -> Any:
        name = f"adaptive_{'max' if kind == 'max' else 'avg'}_pool{x.ndim - 2}d"
        tensor = self.torch.from_numpy(np.ascontiguousarray(x))
        return getattr(self.torch.nn.functional, name)(tensor, params["output_size"]).numpy()


def lowest(dtype: Any) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def write(path: Path, arrays: Arrays) -> None:
    part = path.with_suffix(".part.npz")
    np.savez(part, **arrays)
    part.replace(path)


def main(folder: Path, framework: str) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    layers: Any = TorchLayers() if framework == "torch" else KerasLayers(framework)
    stored = np.load(folder / "arrays.npz", allow_pickle=False)
    names: dict[str, list[str]] = {}
    for key in stored.files:
        names.setdefault(key.split(".", maxsplit=1)[0], []).append(key)
    for line in (folder / "jobs.jsonl").read_text().splitlines():
        job = json.loads(line)
        path = folder / "outcomes" / f"{job['id']}.npz"
        if path.exists():
            continue
        (folder / "started").write_text(job["id"])
        arrays = {key.split(".", maxsplit=1)[1]: stored[key] for key in names[job["id"]]}
        try:
            outcome = layers.run(job, arrays)
        except Exception as error:  # noqa: BLE001 - what a framework refuses is a result
            outcome = {"error": np.array(f"{type(error).__name__}: {error}"[:500])}
        write(path, outcome)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
