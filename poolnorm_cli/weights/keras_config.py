"""What the config of a Keras model says of its layers: classes, names, parameters, order."""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.keras.spelling import snake
from poolnorm_cli.tensors.untrusted import parse_json
from poolnorm_cli.values import frozen
from poolnorm_cli.weights.naming import OPTIONAL, unversioned_class


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer


_DEEPEST = 32
_UNSURE_AXIS = "it is in a TimeDistributed, and its axis is counted without that of time"


def keras_class(name: str, config: Mapping[str, Any]) -> str | None:
    """Return Keras' own name of a class of normalization with weights.

    TensorFlow 1 and 2 have numbered it (`BatchNormalizationV1`), and a subclass goes by a package
    and a name of its own (`my>FrozenNorm`), and is known by parameters that no other class has.

    Args:
        name: What the config calls the class.
        config: The parameters of the layer.

    Returns:
        The name; None for another class, or one that is not known.
    """
    own = unversioned_class(name.rpartition(">")[2])
    if own in _classes():
        return own
    if "moving_variance_initializer" in config:
        return "BatchNormalization"
    if "gamma_initializer" in config and "groups" in config:
        return "GroupNormalization"
    if "gamma_initializer" in config and "epsilon" in config and "LayerNorm" in own:
        return "LayerNormalization"
    return None


def class_of_group(path: str) -> str | None:
    """Guess a class by its group, `batch_normalization_1`; None where the group is named else."""
    stem = re.sub(r"_\d+$", "", path.rpartition("/")[2])
    return next((kind for kind in _classes() if snake(kind) == stem), None)


def expected_weights(kind: str, config: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """List the weights of a normalization by its config.

    Args:
        kind: Keras' own name of the class.
        config: Its parameters.

    Returns:
        The names of the weights that are trained, and of the others, in Keras' order.
    """
    left_out = {
        *(() if config.get("center", True) else ("beta",)),
        *(() if config.get("scale", True) else ("gamma",)),
        *(() if config.get("renorm") else ("moving_stddev", "renorm_mean", "renorm_stddev")),
    }
    names = [n for n in _classes()[kind].weight_names if n not in {*left_out, *OPTIONAL}]
    trained = [name for name in names if name in ("gamma", "beta", "scale")]
    return trained, [name for name in names if name not in trained]


@cache
def _classes() -> "dict[str, type[Layer]]":
    layers = (find(*words.split()) for words in LAYERS)
    return {layer.keras_name: layer for layer in layers if layer.weight_names}


@frozen
class LayerConfig:
    """A layer in a model's config, or the model itself.

    Attributes:
        path: The group of an HDF5 file of Keras 3 in which its weights are.
        name: Its name; empty where the config gives it none.
        class_name: Its class.
        config: Its parameters.
        rank: Axes of the input for which it was built, where that is said.
        layers: The layers in it, in order.
        unsure: Why a parameter that it states is left out of `config`.
    """

    path: str
    name: str
    class_name: str
    config: Mapping[str, Any]
    rank: int | None = None
    layers: "tuple[LayerConfig, ...]" = ()
    unsure: str = ""

    @property
    def kind(self) -> str | None:
        """Keras' class of normalization that it is; None where it is none."""
        return keras_class(self.class_name, self.config)

    @property
    def trainable(self) -> bool:
        """Whether it is trained; it decides the order of weights in a legacy file."""
        return self.config.get("trainable") is not False

    def descendants(self) -> "Iterator[LayerConfig]":
        """List the layers in it at any depth, each before those in it."""
        for layer in self.layers:
            yield layer
            yield from layer.descendants()


def parse_model_config(text: bytes | str, place: str) -> LayerConfig:
    """Read the config of a model.

    Args:
        text: The config, JSON.
        place: What messages call it.

    Returns:
        The model, with its layers.

    Raises:
        InputError: The text is not JSON as a config has it.
    """
    return _layer(parse_json(text, place), "", _DEEPEST, timed=False) or LayerConfig("", "", "", {})


def _layer(layer: Any, path: str, depth: int, *, timed: bool) -> LayerConfig | None:
    """Read a layer and those in it; None where it is none.

    Args:
        layer: What the config has.
        path: Where Keras 3 keeps its weights.
        depth: How many layers may be in one another from here on.
        timed: It is in a `TimeDistributed`, and has an axis less than what that is given.
    """
    if not isinstance(layer, dict) or not depth:
        return None
    kind, config = layer.get("class_name"), layer.get("config")
    if isinstance(config, list):  # a Sequential before Keras 2.2.3
        config = {"layers": config}
    if not isinstance(kind, str) or not isinstance(config, dict):
        return None
    name, rank, unsure = config.get("name", layer.get("name")), _rank(layer.get("build_config")), ""
    plain = _without_ghost_batch_axis(config)
    if timed:
        plain, rank, unsure = _without_time_axis(plain, rank), None, _UNSURE_AXIS
    start = f"{path}/" if path else ""
    timed = timed or kind == "TimeDistributed"
    return LayerConfig(
        path,
        name if isinstance(name, str) else "",
        kind,
        plain,
        rank,
        tuple(_inside(config, start, depth - 1, timed=timed)),
        unsure if "axis" in config and "axis" not in plain else "",
    )


def _without_time_axis(config: dict[str, Any], rank: int | None) -> dict[str, Any]:
    """Count axes from the end, where they are the same with the axis of time and without."""
    axes: Any = config.get("axis")
    listed = axes if isinstance(axes, list) else [axes]
    if not all(type(axis) is int for axis in listed) or all(axis < 0 for axis in listed):
        return config
    if not rank:
        return {name: value for name, value in config.items() if name != "axis"}
    return config | {"axis": [axis % rank - rank for axis in listed]}


def _inside(
    config: dict[str, Any], start: str, depth: int, *, timed: bool
) -> Iterator[LayerConfig]:
    """List the layers of a model, or the one of a wrapper."""
    layers = config.get("layers")
    used: dict[str, int] = {}
    for layer in layers if isinstance(layers, list) else []:
        kind = layer.get("class_name") if isinstance(layer, dict) else None
        if isinstance(kind, str):
            path = f"{start}layers/{_numbered(snake(kind), used)}"
            found = _layer(layer, path, depth, timed=timed)
            yield from [found] if found else []
    found = _layer(config.get("layer"), f"{start}layer", depth, timed=timed)
    yield from [found] if found else []


def _without_ghost_batch_axis(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config with the axis that was meant: Keras 2 adds one to it with ghost batches."""
    axes = config.get("axis")
    if config.get("virtual_batch_size") is None or not isinstance(axes, list):
        return config
    return config | {"axis": [axis - 1 if type(axis) is int else axis for axis in axes]}


def _rank(built: Any) -> int | None:
    shape = built.get("input_shape") if isinstance(built, dict) else None
    return len(shape) if isinstance(shape, list) else None


def _numbered(name: str, used: dict[str, int]) -> str:
    """Number all but the first of a name, as Keras numbers groups."""
    count = used.get(name, 0)
    used[name] = count + 1
    return f"{name}_{count}" if count else name


def misnumbered(model: LayerConfig, groups: Collection[str]) -> set[str]:
    """List the paths of layers that may be in another group than the config says.

    Args:
        model: The model's config.
        groups: Paths of the groups that have weights.

    Returns:
        The paths, those of layers inside them too.
    """
    held: dict[str, set[str]] = {}
    for path in {place for group in groups for place in _path_and_parents(group)}:
        held.setdefault(_stem(path), set()).add(path)
    return {
        path for layer in (model, *model.descendants()) for path in _misnumbered_in(layer, held)
    }


def _misnumbered_in(model: LayerConfig, held: Mapping[str, set[str]]) -> Iterator[str]:
    """List the layers of a model that may be elsewhere, and all within them."""
    wanted: dict[str, set[str]] = {}
    for layer in model.layers:
        if any(_has_weights(each) for each in (layer, *layer.descendants())):
            wanted.setdefault(_stem(layer.path), set()).add(layer.path)
    for stem, paths in wanted.items():
        there = held.get(stem, set())
        if not paths <= there and not _has_gap(stem, there):
            doubtful = [layer for layer in model.layers if _stem(layer.path) == stem]
            for layer in doubtful:
                yield from (each.path for each in (layer, *layer.descendants()))


def _has_weights(layer: LayerConfig) -> bool:
    return bool(layer.kind and any(expected_weights(layer.kind, layer.config)))


def _has_gap(stem: str, there: set[str]) -> bool:
    """Whether a number is left out, which is so only where all layers have been counted."""
    numbers = {int(path[len(stem) + 1 :] or 0) for path in there}
    return numbers != set(range(len(numbers)))


def _stem(path: str) -> str:
    return re.sub(r"_\d{1,9}$", "", path)


def _path_and_parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
