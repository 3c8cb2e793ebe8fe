"""Whether groups that are named by class and number are those that a config would have named so.

tf_keras does not count a layer that has been saved elsewhere in the model, and without the names
of layers in the file nothing then says which of several a group is.
"""

import re
from collections.abc import Collection, Iterator, Mapping

from poolnorm_cli.weights.keras_classes import expected_weights
from poolnorm_cli.weights.keras_config import Configured


def misplaced(model: Configured, groups: Collection[str]) -> set[str]:
    """List the paths of layers that may be in another group than the config says.

    Args:
        model: The model's config.
        groups: Paths of the groups that have weights.
    """
    held: dict[str, set[str]] = {}
    for path in {place for group in groups for place in _above(group)}:
        held.setdefault(_stem(path), set()).add(path)
    return {path for layer in (model, *model.everything()) for path in _in(layer, held)}


def _in(model: Configured, held: Mapping[str, set[str]]) -> Iterator[str]:
    """List the layers of a model that may be elsewhere, and all within them."""
    wanted: dict[str, set[str]] = {}
    for layer in model.inner:
        if any(_has_weights(each) for each in (layer, *layer.everything())):
            wanted.setdefault(_stem(layer.path), set()).add(layer.path)
    for stem, paths in wanted.items():
        there = held.get(stem, set())
        if not paths <= there and not _has_gap(stem, there):
            doubtful = [layer for layer in model.inner if _stem(layer.path) == stem]
            for layer in doubtful:
                yield from (each.path for each in (layer, *layer.everything()))


def _has_weights(layer: Configured) -> bool:
    return bool(layer.kind and any(expected_weights(layer.kind, layer.config)))


def _has_gap(stem: str, there: set[str]) -> bool:
    """Whether a number is left out, which is so only where all layers have been counted."""
    numbers = {int(path[len(stem) + 1 :] or 0) for path in there}
    return numbers != set(range(len(numbers)))


def _stem(path: str) -> str:
    return re.sub(r"_\d{1,9}$", "", path)


def _above(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
