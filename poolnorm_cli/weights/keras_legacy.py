"""Layers in a legacy `.h5` file of Keras: a whole model, or what `save_weights` left.

The file has a group for each layer of the model, listed in `layer_names`, and each group lists the
paths of its weights in `weight_names`. What stands in such a path before the name of the weight is
TensorFlow's scope, which is no name of a layer.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.values import frozen, replace
from poolnorm_cli.weights.entry import Entry, StoredArray, have_one_shape
from poolnorm_cli.weights.hdf5 import Hdf5Contents
from poolnorm_cli.weights.keras_config import LayerConfig, expected_weights
from poolnorm_cli.weights.keras_scopes import (
    ScopedWeight,
    layers_of_scopes,
    normalization_scopes,
    parse_weight_name,
)
from poolnorm_cli.weights.naming import KERAS, TORCH, unversioned_class


_ROOT = "model_weights"
_FIX = "save it again with Keras"


@frozen
class LayerGroup:
    """The group of a layer of the model.

    Attributes:
        name: Its name, which is the layer's.
        weights: The weights in it.
        ordered: They are in the order in which Keras reads them.
    """

    name: str
    weights: Sequence[ScopedWeight]
    ordered: bool


def is_legacy(contents: Hdf5Contents) -> bool:
    """Whether a file has weights by name, in groups of layers."""
    listed = {"", _ROOT} & contents.layer_names.keys()
    return bool(listed) or any(path.startswith(f"{_ROOT}/") for path in contents.arrays)


def legacy_entries(contents: Hdf5Contents, file: str, model: LayerConfig | None) -> Iterator[Entry]:
    """List the normalization layers of a legacy file.

    Args:
        contents: What the file has.
        file: What messages call it.
        model: The model's config; None where there is none.

    Yields:
        The layers.

    Raises:
        InputError: A group or a weight that the file lists is not there.
    """
    groups = [group for group in _groups(contents, file, model) if group.weights]
    layers = _layers(groups, model) if model else {}
    for group in groups:
        layer = layers.get(group.name)
        if layer is not None and layer.kind:
            yield _model_layer(file, group, layer)
        elif layer is not None:
            yield from _layers_of_nested_model(
                file, group, layer, keras3=contents.version[:1] >= "3"
            )
        else:
            unsure = "the model's config has no such layer, or several" if model else ""
            yield from _layers_without_config(file, group, unsure)


def _groups(contents: Hdf5Contents, file: str, model: LayerConfig | None) -> Iterator[LayerGroup]:
    within = any(path.startswith(f"{_ROOT}/") for path in contents.arrays)
    start = f"{_ROOT}/" if within else ""
    names = contents.layer_names.get(start.rstrip("/"))
    if names is None:
        names = _names_without_list(contents, start, model)
    if len(set(names)) != len(names):
        raise InputError.at(file, "its layer_names has a name twice", _FIX)
    inside = _weights_by_group(contents, {f"{start}{name}" for name in names})
    for name in names:
        place = f"{start}{name}"
        listed = contents.weight_names.get(place)
        weights = inside.get(place, []) if listed is None else listed
        ordered = listed is not None
        yield LayerGroup(name, [_weight(contents, place, each, file) for each in weights], ordered)


def _weights_by_group(contents: Hdf5Contents, groups: Container[str]) -> dict[str, list[str]]:
    """List what is in each group, without what is in a group that is in it."""
    found: dict[str, list[str]] = {}
    for path in contents.arrays:
        group = path.rpartition("/")[0]
        while group and group not in groups:
            group = group.rpartition("/")[0]
        found.setdefault(group, []).append(path[len(group) + 1 :])
    return found


def _names_without_list(contents: Hdf5Contents, start: str, model: LayerConfig | None) -> list[str]:
    """List the layers of a file that does not: those of the config, or its outermost groups."""
    if model:
        return list(dict.fromkeys(layer.name for layer in model.layers if layer.name))
    paths = (path[len(start) :] for path in contents.arrays if path.startswith(start))
    return sorted({path.partition("/")[0] for path in paths if "/" in path})


def _weight(contents: Hdf5Contents, group: str, name: str, file: str) -> ScopedWeight:
    array = contents.arrays.get(f"{group}/{name}")
    if array is None:
        what = f"its weight {shown(name)} is not there"
        raise InputError.at(group, what, _FIX).within(file)
    return parse_weight_name(name, array)


def _layers(groups: Sequence[LayerGroup], model: LayerConfig) -> dict[str, LayerConfig]:
    """Say which layer of the config has which group, where that is certain."""
    names = Counter(layer.name for layer in model.layers)
    named = ((layer.name, place) for place, layer in enumerate(model.layers))
    places = {name: place for name, place in named if name and names[name] == 1}
    order = [places[group.name] for group in groups if group.name in places]
    if order != sorted(order):  # Keras goes by the order, so these are not groups of this model
        return {}
    layers = {name: model.layers[place] for name, place in places.items()}
    others = [group.name for group in groups if group.name not in names]
    nameless = [layer for layer in model.layers if not layer.name]
    paired = len(others) == len(nameless)
    return layers | (dict(zip(others, nameless, strict=True)) if paired else {})


def _model_layer(file: str, group: LayerGroup, layer: LayerConfig) -> Entry:
    """Describe a normalization that is a layer of the model itself: all weights are its own."""
    arrays = {each.weight: each.array for each in group.weights}
    own, moving = expected_weights(layer.kind or "", layer.config)
    expected, reason = [*own, *moving], ""
    if not set(arrays) <= {*KERAS, *TORCH} or len(arrays) < len(group.weights):
        arrays = {str(number): each.array for number, each in enumerate(group.weights)}
        reason = "" if group.ordered else "its weights are not listed, and have no names of Keras'"
    elif group.ordered and not _is_subclass(layer) and _is_permuted(arrays, expected):
        what = f"its weights are listed as {', '.join(arrays)}"
        reason = f"{what}, and Keras takes them for {', '.join(expected)}"
    return _entry(file, group.name, group.weights[0].scope, layer, arrays, reason=reason)


def _is_subclass(layer: LayerConfig) -> bool:
    """Whether a class is a person's own, whose weights may be in an order of its own."""
    return unversioned_class(layer.class_name) != layer.kind


def _is_permuted(names: Iterable[str], expected: Sequence[str]) -> bool:
    found = list(names)
    return found != list(expected) and sorted(found) == sorted(expected)


def _layers_of_nested_model(
    file: str, group: LayerGroup, layer: LayerConfig, *, keras3: bool
) -> Iterator[Entry]:
    """Describe the normalizations in a model that is a layer of the model."""
    scopes = normalization_scopes(group.weights)
    weights = [each for each in group.weights if each.scope in scopes]
    found = layers_of_scopes(layer, weights, ordered=group.ordered, keras3=keras3)
    unsure = f"it is not certain which layer of {shown(layer.name or layer.class_name)} it is"
    if not any(each.kind for each in layer.descendants()):
        unsure = f"the config says nothing of what is in {shown(layer.class_name)}"
    for scope, arrays in scopes.items():
        if scope not in found:
            yield from _layers_without_config(file, group, unsure, {scope: arrays})
            continue
        inner, certain = found[scope]
        entry = _entry(file, group.name, scope, inner, arrays)
        yield entry if certain else replace(entry, name=entry.path, rank=None)


def _entry(
    file: str,
    group: str,
    scope: str,
    layer: LayerConfig,
    arrays: Mapping[str, StoredArray],
    *,
    reason: str = "",
) -> Entry:
    path = f"{group}/{scope}" if scope else group
    mode = layer.config.get("mode")
    return Entry(
        file=file,
        name=layer.name or path,
        path=path,
        kind=layer.kind,
        class_name=layer.class_name,
        arrays=arrays,
        config=layer.config,
        unsure=layer.unsure,
        rank=layer.rank,
        reason=reason or (f"Keras 1 normalizes by the batch in its mode {mode}" if mode else ""),
    )


def _layers_without_config(
    file: str,
    group: LayerGroup,
    unsure: str,
    scopes: Mapping[str, Mapping[str, StoredArray]] | None = None,
) -> Iterator[Entry]:
    """Describe what has the weights of a normalization, and of which no config is known."""
    found = normalization_scopes(group.weights) if scopes is None else scopes
    alone = len({each.scope for each in group.weights}) == 1
    for scope, arrays in found.items():
        path = f"{group.name}/{scope}" if scope else group.name
        name = group.name if alone else path  # a scope is no name of a layer
        if have_one_shape(arrays):
            yield Entry(file=file, name=name, path=path, kind=None, arrays=arrays, unsure=unsure)
