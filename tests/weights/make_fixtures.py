"""Make real checkpoints and what their framework makes of a tensor with each layer.

    python tests/weights/make_fixtures.py NAME DIRECTORY

NAME is keras, tf_keras, torch, torch_onnx, onnx, nested or legacy. `nested` is Keras 3 and `legacy`
is tf_keras with models in which layers are easily confused; `torch_onnx` is torch's older exporter.
`checksum` makes the one file of no framework, as earlier versions of poolnorm saved weights.

Each framework leaves its files and `FRAMEWORK.npz`: the tensor `x`, and for each layer its output,
by the words that run it: `bn x.npy --weights keras.keras::bn_1`. Without a directory the fixtures
beside this file are made anew, with the few layers that are enough to read each format.
"""

import hashlib
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


Array = NDArray[Any]
Outputs = dict[str, Array]

FIXTURES = Path(__file__).parent / "fixtures"
SHAPE = (2, 4, 4, 6)
FEW = ("bn_1", "bn_renorm", "bn_two", "ln_two", "rms_1")
FIRST = np.random.default_rng(7).normal(0.5, 2.0, (2, *SHAPE[1:])).astype(np.float32)


def keras_layers(keras: Any, framework: str) -> list[tuple[str, Any]]:
    """List (words that run it, layer)."""
    layers = keras.layers
    several = [("ln", layers.LayerNormalization(axis=[1, 3], name="ln_two", epsilon=0.02))]
    if framework == "tf_keras":  # Keras 3 takes one axis only
        several.append(("bn", layers.BatchNormalization(axis=[1, 3], name="bn_two")))
        several.append(("bn", layers.BatchNormalization(virtual_batch_size=2, name="bn_ghosts")))
        several.append(("ln", layers.LayerNormalization(axis=[3, 1], name="ln_disorder")))
    else:
        several.append(("ln", layers.LayerNormalization(axis=[-1, 1], name="ln_disorder")))
        several.append(("rms", layers.RMSNormalization(name="rms_1", epsilon=1e-4)))
    return [
        ("bn", layers.BatchNormalization(name="bn_1", epsilon=0.01, momentum=0.9)),
        ("bn", layers.BatchNormalization(name="bn_no_scale", scale=False)),
        ("bn", layers.BatchNormalization(name="bn_no_center", center=False)),
        ("bn", layers.BatchNormalization(name="bn_bare", scale=False, center=False)),
        ("bn", layers.BatchNormalization(name="bn_renorm", renorm=True, scale=False)),
        ("bn", layers.BatchNormalization(name="bn_axis", axis=2)),
        ("ln", layers.LayerNormalization(name="ln_1")),
        ("gn", layers.GroupNormalization(3, name="gn_1", epsilon=0.05)),
        ("in", layers.GroupNormalization(-1, name="in_1", epsilon=0.05)),
        *several,
    ]


def randomize(layer: Any, random: np.random.Generator) -> None:
    """Give a layer weights that no initializer gives."""
    weights = [random.uniform(0.5, 1.5, w.shape).astype(np.float32) for w in layer.get_weights()]
    layer.set_weights(weights)


def make_keras(framework: str, directory: Path, *, few: bool) -> Outputs:
    """Save a functional model in all ways, with a model inside it, and a subclassed one."""
    keras = import_module(framework)
    random = np.random.default_rng(3)
    layers = [
        (verb, layer)
        for verb, layer in keras_layers(keras, framework)
        if not few or layer.name in FEW
    ]
    inner = [keras.Sequential([keras.Input(SHAPE[1:]), _same(keras)], name=n) for n in "ab"]
    entry = last = keras.Input(SHAPE[1:])
    for _, layer in [*layers, *((None, model) for model in inner)]:
        last = layer(last)
    last = keras.layers.Dense(2, name="dense")(last)
    model = keras.Model(entry, last)
    model.compile("adam", "mse")
    for _, layer in layers:
        randomize(layer, random)
    for each in inner:
        randomize(each.layers[-1], random)
    files = [f"{framework}.keras", f"{framework}.h5"]
    for file in files:
        model.save(directory / file)
    outputs = {"x": FIRST}
    for file in files:
        for verb, layer in layers:
            outputs[f"{verb} x.npy --weights {file}::{layer.name}"] = np.asarray(layer(FIRST))
    path = "layers/{}/layers/batch_normalization"
    groups = ("sequential", "sequential_1")
    legacy = ("a/a/same", "b/b/same") if framework == "keras" else ("a/same", "b/same")
    for each, group, old in zip(inner, groups, legacy, strict=True):
        y = np.asarray(each(FIRST))
        outputs[f"bn x.npy --weights {framework}.keras::{path.format(group)}"] = y
        outputs[f"bn x.npy --weights {framework}.h5::{old}"] = y
    return outputs | _weights_only(keras, framework, directory)


def _same(keras: Any) -> Any:
    """Two layers of one name, which only their paths tell apart."""
    return keras.layers.BatchNormalization(name="same")


def _weights_only(keras: Any, framework: str, directory: Path) -> Outputs:
    """Save a subclassed model, and its weights alone, which say nothing of parameters."""

    class Blocks(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [
                keras.layers.BatchNormalization(name="one", epsilon=0.2),
                keras.layers.BatchNormalization(name="two", scale=False),
            ]
            self.head = keras.layers.LayerNormalization(name="head")

        def call(self, x: Any) -> Any:
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    model = Blocks()
    model(FIRST)
    random = np.random.default_rng(5)
    for layer in (*model.blocks, model.head):
        randomize(layer, random)
    one, two = (np.asarray(block(FIRST)) for block in model.blocks)
    head = np.asarray(model.head(FIRST))
    file = "tf_keras_blocks.h5" if framework == "tf_keras" else "keras_blocks.weights.h5"
    model.save_weights(directory / file)
    return {
        f"bn x.npy --epsilon 0.2 --weights {file}::one": one,
        f"bn x.npy --no-scale --weights {file}::two": two,
        f"ln x.npy --weights {file}::head": head,
        f"ln x.npy --weights {file}": head,
    }


def make_torch(directory: Path) -> Outputs:
    """Save a state dict as safetensors and as npz."""
    torch = import_module("torch")
    save_file = import_module("safetensors.torch").save_file
    torch.manual_seed(2)
    model = torch.nn.ModuleDict(
        {
            "stem": torch.nn.ModuleDict(
                {"conv": torch.nn.Conv2d(3, 6, 1), "bn": torch.nn.BatchNorm2d(6)}
            ),
            "plain": torch.nn.BatchNorm2d(6, affine=False),
            "norm": torch.nn.LayerNorm(6),
            "groups": torch.nn.GroupNorm(3, 6),
        }
    )
    state = model.state_dict()
    for name, values in state.items():
        if values.dtype.is_floating_point:
            state[name] = torch.rand(values.shape) + 0.5
    model.load_state_dict(state)
    model.eval()
    save_file(state, directory / "torch.safetensors")
    np.savez(directory / "torch.npz", **{name: v.numpy() for name, v in state.items()})
    x = torch.from_numpy(FIRST)
    swapped = x.permute(0, 3, 1, 2)
    with torch.no_grad():
        bn = model["stem"]["bn"](swapped).permute(0, 2, 3, 1).numpy()
        plain = model["plain"](swapped).permute(0, 2, 3, 1).numpy()
        norm = model["norm"](x).numpy()
        groups = model["groups"](swapped).permute(0, 2, 3, 1).numpy()
    outputs = {"x": FIRST}
    for file in ("torch.safetensors", "torch.npz"):
        bare = "" if file == "torch.safetensors" else "--no-center --no-scale "
        outputs |= {
            f"bn x.npy --epsilon 1e-5 --weights {file}::stem.bn": bn,
            f"bn x.npy --epsilon 1e-5 {bare}--weights {file}::plain": plain,
            f"ln x.npy --epsilon 1e-5 --weights {file}::norm": norm,
            f"gn x.npy --epsilon 1e-5 --groups 3 --weights {file}::groups": groups,
        }
    return outputs


def make_onnx(directory: Path) -> Outputs:
    """Save a graph of all normalizations of ONNX, each of them an output."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    onnx, runtime = import_module("onnx"), import_module("onnxruntime")
    helper, random = onnx.helper, np.random.default_rng(9)
    x = np.ascontiguousarray(FIRST.transpose(0, 3, 1, 2))
    spec = [
        ("bn", "BatchNormalization", ["s", "b", "m", "v"], {"epsilon": 0.03}),
        ("ln", "LayerNormalization", ["s2", "b2"], {"epsilon": 0.001, "axis": 2}),
        ("gn", "GroupNormalization", ["s", "b"], {"num_groups": 2, "epsilon": 0.5}),
        ("in", "InstanceNormalization", ["s", "b"], {"epsilon": 0.001}),
    ]
    shapes: dict[str, Any] = {"s": 6, "b": 6, "m": 6, "v": 6, "s2": (4, 4), "b2": (4, 4)}
    tensors = [
        onnx.numpy_helper.from_array(random.uniform(0.5, 1.5, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node(kind, ["x", *names], [f"y_{verb}"], name=f"/{verb}/{kind}", **attributes)
        for verb, kind, names, attributes in spec
    ]
    info = helper.make_tensor_value_info
    ends = [info(f"y_{verb}", 1, list(x.shape)) for verb, *_ in spec]
    graph = helper.make_graph(nodes, "norms", [info("x", 1, list(x.shape))], ends, tensors)
    opset = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.save(model, directory / "onnx.onnx")
    session = runtime.InferenceSession(model.SerializeToString())
    results = session.run(None, {"x": x})
    return {"x": x} | {
        f"{verb} x.npy --weights onnx.onnx::/{verb}/{kind}": y
        for (verb, kind, *_), y in zip(spec, results, strict=True)
    }


def make_torch_onnx(directory: Path) -> Outputs:
    """Export with torch's older exporter, which names equal weights once and copies them."""
    torch = import_module("torch")
    torch.manual_seed(4)
    norms = [torch.nn.BatchNorm2d(6, eps=0.01, momentum=0.3).eval() for _ in range(2)]
    state = {name: torch.rand(v.shape) + 0.5 for name, v in norms[0].state_dict().items() if v.ndim}
    for norm in norms:
        norm.load_state_dict(state, strict=False)
    last = torch.nn.LayerNorm([6, 4, 4], eps=0.02, bias=False)
    torch.nn.init.uniform_(last.weight, 0.5, 1.5)
    model = torch.nn.Sequential(norms[0], torch.nn.ReLU(), norms[1], last).eval()
    x = torch.from_numpy(np.ascontiguousarray(FIRST.transpose(0, 3, 1, 2)))
    file = directory / "torch_onnx.onnx"
    torch.onnx.export(model, (x,), str(file), dynamo=False, opset_version=17)
    with torch.no_grad():
        one, other, end = norms[0](x).numpy(), norms[1](x).numpy(), last(x).numpy()
    return {
        "x": x.numpy(),
        "bn x.npy --weights torch_onnx.onnx::/0/BatchNormalization": one,
        "bn x.npy --weights torch_onnx.onnx::/2/BatchNormalization": other,
        "ln x.npy --weights torch_onnx.onnx": end,
    }


def make_checksum(directory: Path) -> None:
    """Save weights as earlier versions did, with an array of bytes that is their checksum."""
    from poolnorm_cli.weights.npz import save

    weights = {
        "gamma": np.ones(3, "<f4"),
        "beta": np.zeros(3, "<f4"),
        "moving_mean": np.array([1.2627436, 0.73737854, 0.7662857], "<f4"),
        "moving_variance": np.array([4.63446, 4.563723, 2.815624], "<f4"),
    }
    digest = hashlib.sha256()
    for name, weight in sorted(weights.items()):
        digest.update(json.dumps([name, weight.dtype.name, weight.shape]).encode())
        digest.update(weight.tobytes())
    text = json.dumps({"version": 1, "sha256": digest.hexdigest()})
    weights["__poolnorm__"] = np.frombuffer(text.encode(), np.uint8)
    save(str(directory / "saved_with_checksum.npz"), weights, overwrite=True)


def make(framework: str, directory: Path, *, few: bool) -> None:
    """Make the files of a framework."""
    if framework == "checksum":
        make_checksum(directory)
        return
    confusing = import_module("make_legacy")  # beside this script
    makers = {"torch": make_torch, "torch_onnx": make_torch_onnx, "onnx": make_onnx}
    makers |= {"nested": confusing.make_keras, "legacy": confusing.make_tf_keras}
    if framework in makers:
        outputs = makers[framework](directory)
    else:
        outputs = make_keras(framework, directory, few=few)
    np.savez_compressed(directory / f"{framework}.expected.npz", **outputs)  # type: ignore[arg-type]


if __name__ == "__main__":
    make(sys.argv[1], Path(*sys.argv[2:]) if sys.argv[2:] else FIXTURES, few=not sys.argv[2:])
