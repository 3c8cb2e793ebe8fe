"""Which layer of a nested model each scope of weights in a legacy file belongs to.

The group of a nested model has the weights of all its layers in one list: first those that are
trained, layer by layer, then the others. TensorFlow's scopes tell them apart, but their names say
nothing of the layers: they carry suffixes, slashes, or the names of layers of another model.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from poolnorm_cli.values import frozen
from poolnorm_cli.weights.entry import StoredArray
from poolnorm_cli.weights.keras_config import LayerConfig, expected_weights
from poolnorm_cli.weights.naming import are_normalization_weights


_WEIGHT = re.compile(
    r"(?:(?P<scope>.+)_)?"
    r"(?P<weight>moving_(?:mean|variance|stddev)|renorm_(?:mean|stddev)|running_(?:mean|std|var)"
    r"|gamma|beta)(?:_(?P<number>\d+))?"
)
_KERAS_NAMES = {
    "running_mean": "moving_mean",
    "running_std": "moving_variance",  # Keras 1 keeps the variance under this name
    "running_var": "moving_variance",
}
_NOT_COMPARED = re.compile(r".*_(initializer|regularizer|constraint)|name|trainable|dtype|.*_shape")


@frozen
class ScopedWeight:
    """A weight as a legacy file lists it.

    Attributes:
        scope: What stands before its name.
        weight: Its name, by Keras' name of today where it is one of a normalization.
        array: The array.
    """

    scope: str
    weight: str
    array: StoredArray


def parse_weight_name(name: str, array: StoredArray) -> ScopedWeight:
    """Split the name of a weight: `a/bn_1/gamma:0`, or Keras 1's `bn_1_gamma_1:0`.

    Args:
        name: Its name in the file.
        array: The array.

    Returns:
        The weight, with its scope.
    """
    scope, _, leaf = name.removesuffix(":0").rpartition("/")
    plain = leaf if are_normalization_weights([leaf]) else re.sub(r"_\d+$", "", leaf)
    if are_normalization_weights([plain]):  # TensorFlow numbers variables of one name
        number, weight = leaf[len(plain) + 1 :], _KERAS_NAMES.get(plain, plain)
        return ScopedWeight(f"{scope}_{number}" if number else scope, weight, array)
    found = _WEIGHT.fullmatch(leaf)
    if found is None:
        return ScopedWeight(scope, leaf, array)
    parts = [part for part in (found["scope"], found["number"]) if part]
    places = [place for place in (scope, "_".join(parts)) if place]
    return ScopedWeight("/".join(places), _KERAS_NAMES.get(found["weight"], found["weight"]), array)


def normalization_scopes(weights: Iterable[ScopedWeight]) -> dict[str, dict[str, StoredArray]]:
    """Return the scopes that have weights as a normalization has them, each once."""
    scopes: dict[str, list[ScopedWeight]] = {}
    for each in weights:
        scopes.setdefault(each.scope, []).append(each)
    return {
        scope: {each.weight: each.array for each in found}
        for scope, found in scopes.items()
        if are_normalization_weights({each.weight for each in found})
        and len({e.weight for e in found}) == len(found)
    }


def layers_of_scopes(
    model: LayerConfig, weights: Sequence[ScopedWeight], *, ordered: bool, keras3: bool
) -> dict[str, tuple[LayerConfig, bool]]:
    """Find the layers of a nested model whose weights these are.

    Args:
        model: The nested model, or the wrapper of a layer.
        weights: Those of its scopes that have the weights of a normalization, in their order.
        ordered: The order is that in which the file lists them.
        keras3: Keras 3 wrote the file.

    Returns:
        For each scope whose parameters are certain, a layer that has them, and whether it is that
        very layer; scopes that are not certain are not there.
    """
    wanted = _weights_in_order(model, keras3=keras3)
    layers = list({id(layer): layer for layer, _ in wanted}.values())
    once = {_identity(layer): layer for layer in reversed(layers)}
    first = {id(layer) for layer in once.values()}
    if ordered or len(layers) == 1:
        found = _pair_in_order(wanted, weights, ordered=ordered)
        distinct = len(once) == len(layers)
        if found and (distinct or all(_named_alike(*pair) for pair in found.items())):
            return {scope: (layer, True) for scope, layer in found.items()}
        if not found and not distinct:  # a layer that is in two models is saved once
            found = _pair_in_order([pair for pair in wanted if id(pair[0]) in first], weights)
            if found:
                return {scope: (layer, True) for scope, layer in found.items()}
    return dict(_of_equal_parameters(layers, weights))


def _weights_in_order(model: LayerConfig, *, keras3: bool) -> list[tuple[LayerConfig, str]]:
    trained, others = _weights(model, keras3=keras3)
    return [pair for pair, _ in (*trained, *others)]


Weight = tuple[tuple[LayerConfig, str], bool]
"""A layer and the name of a weight of it, and whether it is trained."""


def _weights(layer: LayerConfig, *, keras3: bool) -> tuple[list[Weight], list[Weight]]:
    """List the weights of normalizations as Keras does: the trained ones, and the others."""
    if layer.kind:
        own, moving = expected_weights(layer.kind, layer.config)
        trained = [((layer, name), layer.trainable) for name in own]
        others = [((layer, name), False) for name in moving]
        return (trained, others) if layer.trainable else ([], [*trained, *others])
    parts = [_weights(inner, keras3=keras3) for inner in layer.layers]
    if keras3:
        every = [weight for part in parts for weight in (*part[0], *part[1])]
        if not layer.trainable:
            return [], every
        return [w for w in every if w[1]], [w for w in every if not w[1]]
    trained = [weight for part in parts for weight in part[0]]
    others = [weight for part in parts for weight in part[1]]
    return (trained, others) if layer.trainable else ([], [*trained, *others])


def _pair_in_order(
    wanted: Sequence[tuple[LayerConfig, str]],
    weights: Sequence[ScopedWeight],
    *,
    ordered: bool = True,
) -> dict[str, LayerConfig] | None:
    """Pair scopes and layers whose weights stand in one order; None where they do not."""
    if not ordered:
        wanted = sorted(wanted, key=lambda pair: pair[1])
        weights = sorted(weights, key=lambda each: each.weight)
    if [name for _, name in wanted] != [each.weight for each in weights]:
        return None
    layers: dict[str, LayerConfig] = {}
    for (layer, _), each in zip(wanted, weights, strict=True):
        if layers.setdefault(each.scope, layer) is not layer:
            return None
    return layers if len({id(layer) for layer in layers.values()}) == len(layers) else None


def _named_alike(scope: str, layer: LayerConfig) -> bool:
    """Whether a scope may have been named after a layer: suffixes aside, its name is the last."""
    ends = (re.sub(r"_\d+$", "", name) for name in (f"/{scope}", f"/{layer.name}"))
    return next(ends).endswith(next(ends))


def _of_equal_parameters(
    layers: Sequence[LayerConfig], weights: Sequence[ScopedWeight]
) -> Iterator[tuple[str, tuple[LayerConfig, bool]]]:
    """Give a scope the parameters that all layers with such weights have alike."""
    scopes = normalization_scopes(weights)
    if len(scopes) > len(layers):  # some layer is not in the config
        return
    for scope, arrays in scopes.items():
        alike = [layer for layer in layers if _expected(layer) == set(arrays)]
        if len({_parameters(layer.config) for layer in alike}) == 1:
            yield scope, (alike[0], False)


def _expected(layer: LayerConfig) -> set[str]:
    own, others = expected_weights(layer.kind or "", layer.config)
    return {*own, *others}


def _identity(layer: LayerConfig) -> tuple[str, str]:
    return layer.name, json.dumps(layer.config, sort_keys=True)


def _parameters(config: Mapping[str, object]) -> str:
    kept = {name: v for name, v in config.items() if not _NOT_COMPARED.fullmatch(name)}
    return json.dumps(kept, sort_keys=True)
