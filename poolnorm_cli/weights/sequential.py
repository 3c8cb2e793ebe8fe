"""A Keras `Sequential` of pooling and normalization layers, as the steps of a pipeline.

It is read from the JSON of `model.to_json()`, without weights, or from a `.keras` or `.h5` file,
whose weights the steps then name. Nothing of a model is run.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, UsageError, shown
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.keras.config import from_config
from poolnorm_cli.layers.recipe import RecipeStep
from poolnorm_cli.tensors.formats import suffix_of
from poolnorm_cli.tensors.untrusted import open_span
from poolnorm_cli.values import frozen
from poolnorm_cli.weights.formats import entries_of
from poolnorm_cli.weights.keras_config import LayerConfig, expected_weights, parse_model_config
from poolnorm_cli.weights.naming import unversioned_class


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.weights.entry import Entry


SUFFIXES = (".json", ".keras", ".h5", ".hdf5")
"""Files that a model is read from; the first has no weights."""

_MODELS = ("Sequential",)
_IDLE = {
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout"),
    *("GaussianDropout", "GaussianNoise", "ActivityRegularization", "Identity"),
}
"""Layers that do nothing at inference."""
_INPUT = "InputLayer"
_FIX = "run that part in Keras, and give poolnorm what comes out of it"
_FOLLOWED = ("float32", "float64")


@frozen(kw_only=True)
class Sequential:
    """What a model says.

    Attributes:
        steps: Its layers, in order; their weights are named as `--weights` takes them.
        rank: Axes of its input; None where it takes any.
        notes: What a person should know of what was left out.
    """

    steps: tuple[RecipeStep, ...]
    rank: int | None
    notes: tuple[str, ...]


def read_sequential(file: str) -> Sequential:
    """Read a model.

    Args:
        file: Its path, of one of `SUFFIXES`.

    Returns:
        The steps, and what is known of the input.

    Raises:
        InputError: The file cannot be read.
        UsageError: It is no Sequential, or has a layer that is not one of poolnorm's.
        UnavailableError: h5py is not installed.
    """
    model = _model(file)
    entries = [] if suffix_of(file) == SUFFIXES[0] else entries_of(file)
    if model.class_name not in _MODELS:
        named = (
            f"a model of class {shown(model.class_name)}"
            if model.class_name
            else "not the JSON of a model"
        )
        fix = "give a Sequential, as model.to_json() or model.save() write it"
        raise UsageError.at(file, named, fix)
    layers = list(_flat(model))
    idle = [layer.name for layer in layers if _is_idle(layer)]
    kept = [layer for layer in layers if layer.class_name != _INPUT and not _is_idle(layer)]
    if not kept:
        raise UsageError.at(file, "a Sequential without a pooling or normalization layer", _FIX)
    weights = _weights(kept, entries, file)
    names = Counter(layer.name for layer in kept)
    steps = tuple(
        _step(layer, file, own, is_unique=names[layer.name] == 1)
        for layer, own in zip(kept, weights, strict=True)
    )
    notes = (
        [f"{file}: left out, as {_do(idle)} nothing at inference: {_list(idle)}"] if idle else []
    )
    others = list(dict.fromkeys(p for layer in kept if (p := _policy(layer)) not in _FOLLOWED))
    notes += [f"{file}: dtype policy {shown(p)} is not followed: --dtype is" for p in others if p]
    return Sequential(steps=steps, rank=_rank(model, layers), notes=tuple(notes))


def _model(file: str) -> LayerConfig:
    """Return the config of the model in a file.

    Raises:
        InputError: It has none.
    """
    if suffix_of(file) == SUFFIXES[0]:
        with open_span(file) as span:
            text = span.read_exactly(0, span.size, file)
        return parse_model_config(text, file)
    from poolnorm_cli.weights.keras_files import model_config

    config = model_config(file)
    if not config:
        fix = "save the model whole, with model.save('model.keras')"
        raise InputError.at(file, "weights without the config of a model", fix)
    return parse_model_config(config, f"{file}: its config")


def _flat(model: LayerConfig) -> Iterator[LayerConfig]:
    """List the layers, those of a Sequential inside in its place."""
    for layer in model.layers:
        if layer.class_name in _MODELS:
            yield from _flat(layer)
        else:
            yield layer


def _is_idle(layer: LayerConfig) -> bool:
    linear = layer.class_name == "Activation" and layer.config.get("activation") == "linear"
    return linear or layer.class_name in _IDLE


def _do(names: Sequence[str]) -> str:
    return "it does" if len(names) == 1 else "they do"


def _list(names: Sequence[str]) -> str:
    return ", ".join(shown(name) for name in names)


def _step(layer: LayerConfig, file: str, weights: str | None, *, is_unique: bool) -> RecipeStep:
    kind, place = _kind(layer, file), f"{file}::{shown(layer.name)}"
    parameters = from_config(kind, dict(layer.config), place)
    parameters.pop("name", None)  # those of a Sequential inside another may be the same
    name = {"name": layer.name} if layer.name and is_unique else {}
    return RecipeStep(kind=kind, parameters=parameters | name, weights=weights)


def _kind(layer: LayerConfig, file: str) -> "type[Layer]":
    """Return the class of a layer.

    Raises:
        UsageError: It is not one of poolnorm's.
    """
    own = unversioned_class(layer.class_name)
    bare = re.sub(r"[123]D$", "", own)
    for words, path in LAYERS.items():
        kind = find(*words.split()) if path.in_keras else None
        if kind is not None and kind.keras_name == bare:
            return kind
    own_class = f"of class {shown(layer.class_name)}, which poolnorm does not have"
    what = f"layer {shown(layer.name)!r} is {own_class}"
    raise UsageError.at(file, what, _FIX)


def _weights(
    layers: Sequence[LayerConfig], entries: "Sequence[Entry]", file: str
) -> list[str | None]:
    """Return the word that names the weights of each layer; None for one that has none.

    Raises:
        UsageError: The file has weights of layers, and not which are whose.
    """
    if not entries:
        return [None] * len(layers)
    trained = [layer for layer in layers if _has_weights(layer)]
    by_path = {entry.path: entry for entry in entries}
    found = [by_path.get(layer.path) for layer in trained]
    if None in found:
        found = _by_name(trained, entries)
    words = {}
    for layer, entry in zip(trained, found, strict=True):
        if entry is None:
            what = f"no weights that are surely those of layer {shown(layer.name)!r}"
            raise UsageError.at(file, what, "save the model again, with model.save('model.keras')")
        words[layer.path] = f"{file}::{entry.name or entry.path}"
    return [words.get(layer.path) for layer in layers]


def _has_weights(layer: LayerConfig) -> bool:
    return layer.kind is not None and any(expected_weights(layer.kind, layer.config))


def _by_name(layers: Sequence[LayerConfig], entries: "Sequence[Entry]") -> "list[Entry | None]":
    """Find the weights of layers in a legacy file, whose paths end with their names.

    Where several have one name it goes by their order, if the file has all of them.
    """
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(_last_part(entry.path), []).append(entry)
    counts = Counter(_last_part(layer.name) for layer in layers)
    found: list[Entry | None] = []
    for layer in layers:
        name = _last_part(layer.name)
        same = by_name.get(name, [])
        complete = len(same) == counts[name]
        place = sum(_last_part(each.name) == name for each in layers[: len(found)])
        found.append(same[place] if complete else None)
    return found


def _last_part(path: str) -> str:
    return path.rpartition("/")[2]


def _policy(layer: LayerConfig) -> str:
    """Return the name of the dtype policy of a layer."""
    policy: Any = layer.config.get("dtype")
    if isinstance(policy, dict):
        inner = policy.get("config")
        policy = inner.get("name") if isinstance(inner, dict) else None
    return policy if isinstance(policy, str) else "float32"


def _rank(model: LayerConfig, layers: Sequence[LayerConfig]) -> int | None:
    """Return the number of axes of the input, by its shape or by the first class that has one."""
    for config in (model.config, *(layer.config for layer in layers[:1])):
        for key in ("build_input_shape", "batch_shape", "batch_input_shape"):
            shape = config.get(key)
            if isinstance(shape, list):
                return len(shape)
    for layer in layers:
        digit = re.search(r"Pooling([123])D$", layer.class_name)
        if digit is not None:
            return int(digit[1]) + 2
    return None
