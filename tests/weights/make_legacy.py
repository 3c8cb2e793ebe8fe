"""Make Keras files in which layers are easily taken for one another, for make_fixtures.py.

What each layer gives is computed by the framework, from the file as it reads it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


Array = NDArray[Any]
Outputs = dict[str, Array]

CELLS = (4, 4, 6)
X = np.random.default_rng(7).normal(0.5, 2.0, (2, *CELLS)).astype(np.float32)


def randomized(model: Any) -> Any:
    """Give a model weights that no initializer gives."""
    random = np.random.default_rng(3)
    shapes = [w.shape for w in model.get_weights()]
    model.set_weights([random.uniform(0.5, 1.5, shape).astype(np.float32) for shape in shapes])
    return model


def sequential(keras: Any, *layers: Any, **named: Any) -> Any:
    """Make a model of layers in a row."""
    return keras.Sequential([keras.Input(CELLS), *layers], **named)


def nested(keras: Any, inner: str) -> Any:
    """Make a model with one name at the top, in two models in it, and in a model in one of them.

    Args:
        keras: The framework.
        inner: The name in the innermost model; tf_keras cannot save the same one there.
    """
    bn, td = _maker(keras), keras.layers.TimeDistributed
    a = sequential(keras, bn(inner, 0.1), keras.layers.Dense(6), bn("other", 0.2), name="a")
    a.layers[0].trainable = False  # its weights are then listed behind all the others
    b = sequential(keras, bn("same", 0.3), name="b")
    c = sequential(keras, a, bn("same", 0.4), keras.layers.LayerNormalization(name="ln"), name="c")
    start = keras.Input(CELLS)
    layers = (bn("same", 0.5), c, b, td(bn("inner", 0.6), name="td"))
    last = start
    for layer in layers:
        last = layer(last)
    return randomized(keras.Model(start, last))


def _maker(keras: Any) -> Callable[..., Any]:
    def make(name: str, epsilon: float, **parameters: Any) -> Any:
        return keras.layers.BatchNormalization(name=name, epsilon=epsilon, **parameters)

    return make


@contextmanager
def edited(file: Path, *, config: bool = True) -> Iterator[tuple[Any, Any]]:
    """Change a legacy file: give it open, with its model's config."""
    with import_module("h5py").File(file, "r+") as opened:
        model = json.loads(opened.attrs["model_config"]) if config else None
        yield opened, model
        if config:
            opened.attrs["model_config"] = json.dumps(model)


def rename(group: Any, old: str, new: str) -> None:
    """Rename the scope of all weights of a layer, in the list of them too."""
    names = [name.replace(f"{old}/", f"{new}/", 1) for name in group.attrs["weight_names"]]
    for was, now in zip(group.attrs["weight_names"], names, strict=True):
        if was != now:
            group.copy(was, f"{now}~")
    for was in set(group.attrs["weight_names"]) - set(names):
        del group[was]
    for now in names:
        if f"{now}~" in group:
            if now in group:
                del group[now]
            group.move(f"{now}~", now)
    group.attrs["weight_names"] = names


class Noted:
    """What layers give, by the words that run them."""

    def __init__(self, keras: Any, directory: Path) -> None:
        """Begin with none."""
        self.keras, self.directory = keras, directory
        self.outputs: Outputs = {"x": X}

    def load(self, file: str, **classes: Any) -> Any:
        """Read a file with the framework."""
        found = self.keras.models.load_model
        return found(self.directory / file, custom_objects=classes, compile=False)

    def layers(self, file: str, flags: str = "", **layers: Any) -> None:
        """Note what layers give; `__` in a name is a slash."""
        for name, layer in layers.items():
            verb = "ln" if "Layer" in type(layer).__name__ else "bn"
            word = name.replace("__", "/")
            y = np.asarray(layer(X)).astype(np.float32)
            self.outputs[f"{verb} x.npy {flags}--weights {file}::{word}"] = y


def make_tf_keras(directory: Path) -> Outputs:
    """Save models with tf_keras, and change some as other versions have written them."""
    keras = import_module("tf_keras")
    noted = Noted(keras, directory)
    for make in (_renamed, _slashes, _nested, _listed, _classes, _shared, _weights_only, _first):
        make(keras, directory, noted)
    return noted.outputs


def _renamed(keras: Any, directory: Path, noted: Noted) -> None:
    """TensorFlow renames scopes when a model is made a second time."""
    bn, file = _maker(keras), "legacy_renamed.h5"
    randomized(sequential(keras, bn("bn", 0.1), bn("bn_1", 0.2))).save(directory / file)
    with edited(directory / file) as (opened, _):
        for name in ("bn_1", "bn"):
            rename(opened[f"model_weights/{name}"], name, f"{name}_1")
    model = noted.load(file)
    noted.layers(file, bn=model.layers[0], bn_1=model.layers[1])


def _slashes(keras: Any, directory: Path, noted: Noted) -> None:
    bn, file = _maker(keras), "legacy_slashes.h5"
    layers = [bn(*pair) for pair in (("conv1", 0.3), ("conv1/bn", 0.5), ("bn", 1e-5))]
    randomized(sequential(keras, *layers)).save(directory / file)
    model = noted.load(file)
    noted.layers(file, conv1=model.layers[0], conv1__bn=model.layers[1], bn=model.layers[2])


def _nested(keras: Any, directory: Path, noted: Noted) -> None:
    file = "legacy_nested.h5"
    nested(keras, "inner_same").save(directory / file)
    with edited(directory / file) as (opened, _):
        rename(opened["model_weights/c"], "inner_same", "other_1")
        rename(opened["model_weights/c"], "other", "inner_same")
    model = noted.load(file)
    c = model.get_layer("c")
    a = c.get_layer("a")
    noted.layers(file, inner_same=a.layers[0], other=a.layers[2], ln=c.get_layer("ln"))
    noted.layers(file, same__same=model.get_layer("same"), c__same=c.get_layer("same"))
    noted.layers(file, b__same=model.get_layer("b").layers[0])
    y = np.asarray(model.get_layer("td")(X))
    noted.outputs[f"bn x.npy --axis -1 --weights {file}::inner"] = y


def _listed(keras: Any, directory: Path, noted: Noted) -> None:
    """Before Keras 2.2.3 the config of a Sequential is the list of its layers."""
    bn, file = _maker(keras), "legacy_list.h5"
    inner = sequential(keras, bn("deep", 0.2), name="inner")
    randomized(sequential(keras, bn("bn", 0.1), inner)).save(directory / file)
    with edited(directory / file) as (_, model):
        model["config"] = model["config"]["layers"]
        model["config"][2]["config"] = model["config"][2]["config"]["layers"]
    model = noted.load(file)
    noted.layers(file, bn=model.layers[0], deep=model.layers[1].layers[0])


def _classes(keras: Any, directory: Path, noted: Noted) -> None:
    """Names that versions of TensorFlow and subclasses give the class, and bfloat16 weights."""
    bn, file = _maker(keras), "legacy_classes.h5"

    @keras.saving.register_keras_serializable("my")
    class OwnNorm(keras.layers.BatchNormalization):  # type: ignore[misc]
        pass

    own = OwnNorm(name="own", epsilon=0.3)
    randomized(sequential(keras, bn("first", 0.1), bn("second", 0.2), own)).save(directory / file)
    model = noted.load(file)
    noted.layers(file, first=model.layers[0], second=model.layers[1], own=model.layers[2])
    with edited(directory / file) as (_, config):
        for layer, version in zip(config["config"]["layers"][1:3], "12", strict=True):
            layer["class_name"] += f"V{version}"
    file = "legacy_bfloat16.h5"
    half = keras.layers.LayerNormalization(name="half", epsilon=0.4, dtype="bfloat16")
    model = randomized(sequential(keras, half))
    model.save(directory / file)  # tf_keras cannot read it again
    full = keras.layers.LayerNormalization(epsilon=0.4)
    full(X)
    full.set_weights([np.asarray(weight).astype(np.float32) for weight in half.get_weights()])
    noted.layers(file, half=full)


def _shared(keras: Any, directory: Path, noted: Noted) -> None:
    """A layer that is in two models, and used twice, is saved in one place of each list."""
    bn = _maker(keras)
    shared, layers = bn("shared", 0.1), (bn("bn", 0.2), bn("last", 0.3))
    inner = [sequential(keras, shared, name="p"), sequential(keras, shared, layers[0], name="q")]
    start = keras.Input(CELLS)
    outer = keras.Model(start, inner[1](inner[0](start)), name="outer")
    last = layers[1](shared(shared(outer(start))))
    model = randomized(keras.Model(start, last))
    for file in ("legacy_shared.h5", "tf_keras_shared.keras"):
        model.save(directory / file)
    names = {"last": layers[1], "bn": layers[0], "shared__shared": shared}
    noted.layers("legacy_shared.h5", **names)  # tf_keras cannot read it again
    file = "tf_keras_shared.keras"
    noted.layers(file, shared=shared)
    flags, path = "--epsilon {} --axis 3 ", "layers__functional__layers__sequential_1__"
    noted.layers(file, flags.format(0.3), layers__batch_normalization=layers[1])
    path = f"{path}layers__batch_normalization"
    noted.layers(file, flags.format(0.2), **{path: layers[0]})


def _weights_only(keras: Any, directory: Path, noted: Noted) -> None:
    """A file of weights alone says nothing of what is in a model in the model."""
    file, model = "legacy_weights.h5", nested(keras, "inner_same")
    model.save_weights(directory / file)
    with edited(directory / file, config=False) as (opened, _):
        rename(opened["same"], "same", "same_9")
        rename(opened["b"], "same", "other")
    noted.layers(file, "--epsilon 0.5 ", same=model.get_layer("same"))
    noted.layers(file, "--epsilon 0.3 ", b=model.get_layer("b").layers[0])
    noted.layers(file, "--epsilon 0.001 ", c__ln=model.get_layer("c").get_layer("ln"))
    disorder = keras.layers.LayerNormalization(axis=[3, 1], name="disorder")
    model = randomized(sequential(keras, disorder))
    model.save_weights(directory / "legacy_disorder.h5")
    noted.layers("legacy_disorder.h5", "--axis 3,1 --epsilon 0.001 ", disorder=disorder)


def _first(keras: Any, directory: Path, noted: Noted) -> None:
    """Keras 1 has names of its own, no groups in groups, and the variance as `running_std`."""
    bn, file = _maker(keras), "legacy_keras1.h5"
    model = randomized(sequential(keras, bn("bn_conv1", 0.1), bn("bn2", 0.2)))
    model.save(directory / file)
    noted.layers(file, bn_conv1=model.layers[0], bn2=model.layers[1])
    now = {"moving_mean": "running_mean", "moving_variance": "running_std"}
    with edited(directory / file) as (opened, config):
        config["config"] = config["config"]["layers"][1:]
        for layer in config["config"]:
            kept = ("name", "epsilon", "axis", "momentum", "trainable")
            layer["config"] = {name: layer["config"][name] for name in kept} | {"mode": 0}
        for key in ("keras_version", "backend"):
            del opened["model_weights"].attrs[key], opened.attrs[key]
        for name in ("bn_conv1", "bn2"):
            group, names = opened[f"model_weights/{name}"], []
            for weight in list(group.attrs["weight_names"]):
                plain = weight.rpartition("/")[2].removesuffix(":0")
                names.append(f"{name}_{now.get(plain, plain)}_1:0")
                group.move(weight, names[-1])
            del group[name]
            group.attrs["weight_names"] = [each.encode() for each in names]


def make_keras(directory: Path) -> Outputs:
    """Save models with Keras 3 in all ways."""
    keras = import_module("keras")
    noted = Noted(keras, directory)
    for make in (_nested_ways, _shards, _blocks, _own_class, _negative):
        make(keras, directory, noted)
    return noted.outputs


def _nested_ways(keras: Any, directory: Path, noted: Noted) -> None:
    model = nested(keras, "same")
    for file in ("keras_nested.h5", "keras_nested.keras", "keras_nested.weights.h5"):
        (model.save_weights if "weights" in file else model.save)(directory / file)
        c = model.get_layer("c")
        a = c.get_layer("a")
        layers = [a.layers[0], a.layers[2], c.get_layer("same"), model.get_layer("b").layers[0]]
        names = ("c/a/same", "c/a/other", "c/c/same", "b/b/same", "same/same")
        if not file.endswith("nested.h5"):
            batch, inner = "layers/batch_normalization", "layers/sequential"
            names = (
                f"{inner}/{inner}/{batch}",
                f"{inner}/{inner}/{batch}_1",
                f"{inner}/{batch}",
                f"{inner}_1/{batch}",
                batch,
            )
        for name, layer in zip(names, [*layers, model.get_layer("same")], strict=True):
            flags = f"--epsilon {layer.epsilon} " if "weights" in file else ""
            noted.layers(file, flags, **{name.replace("/", "__"): layer})
        flags = "--epsilon 0.6 " if "weights" in file else ""
        y = np.asarray(model.get_layer("td")(X))
        noted.outputs[f"bn x.npy {flags}--weights {file}::inner"] = y


def _shards(keras: Any, directory: Path, noted: Noted) -> None:
    """Cut weights into files so small that layers are cut, too."""
    bn, file = _maker(keras), "keras_shards.weights.json"
    model = randomized(sequential(keras, bn("bn", 0.1), bn("bn_1", 0.2)))
    model.save_weights(directory / file, max_shard_size=80 / 2**30)
    for layer in model.layers:
        noted.layers(file, f"--epsilon {layer.epsilon} ", **{layer.name: layer})


def _blocks(keras: Any, directory: Path, noted: Noted) -> None:
    """A layer in one of a class of its own has the name of another, and no config."""

    class Block(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, **named: Any) -> None:
            super().__init__(**named)
            self.bn = keras.layers.BatchNormalization(name="bn", epsilon=0.2)

        def build(self, shape: Any) -> None:
            self.bn.build(shape)

        def call(self, x: Any) -> Any:
            return self.bn(x)

    block, bn = Block(name="block"), _maker(keras)("bn", 0.5)
    model = randomized(sequential(keras, block, bn))
    for file in ("keras_block.h5", "keras_block.keras"):
        model.save(directory / file)
        legacy = file.endswith(".h5")
        path = "bn" if legacy else "layers__batch_normalization"
        within = "block" if legacy else "layers__block__bn"
        noted.layers(file, **{path: bn})
        noted.layers(file, "--epsilon 0.2 --axis -1 ", **{within: block.bn})


def _own_class(keras: Any, directory: Path, noted: Noted) -> None:
    @keras.saving.register_keras_serializable("my")
    class OwnNorm(keras.layers.BatchNormalization):  # type: ignore[misc]
        pass

    own = OwnNorm(name="own", epsilon=0.3)
    model = randomized(sequential(keras, own))
    for file in ("keras_own.h5", "keras_own.keras"):
        model.save(directory / file)
        noted.layers(file, own=own)


def _negative(keras: Any, directory: Path, noted: Noted) -> None:
    """Public files have variances a little below zero; epsilon makes up for it."""
    bn, file = _maker(keras)("bn", 0.5), "keras_negative.keras"
    model = randomized(sequential(keras, bn))
    bn.moving_variance.assign(np.array([-1e-5, -0.1, 0, 1, 2, 3], np.float32))
    model.save(directory / file)
    noted.layers(file, bn=bn)
