"""What a Keras model's config.json says of its layers."""

import re
from collections.abc import Iterator
from typing import Any

from poolnorm_cli.values import frozen
from poolnorm_cli.weights.strict_json import parse


_DEEPEST = 32


@frozen
class Configured:
    """A layer in a model's config.

    Attributes:
        path: The group of an HDF5 file in which Keras keeps its weights.
        name: Its name.
        kind: Its class.
        config: Its parameters.
        rank: Axes of the input for which it was built, where that is said.
    """

    path: str
    name: str
    kind: str
    config: dict[str, Any]
    rank: int | None = None


def configured(text: bytes | str, place: str) -> list[Configured]:
    """List the layers of a model, those of models inside it too.

    Raises:
        InputError: The text is not JSON as a config has it.
    """
    return list(_inside(parse(text, place), "", _DEEPEST))


def _inside(model: Any, path: str, depth: int) -> Iterator[Configured]:
    config = model.get("config") if isinstance(model, dict) else None
    if not isinstance(config, dict) or not depth:
        return
    start = f"{path}/" if path else ""
    layers = config.get("layers")
    used: dict[str, int] = {}
    for layer in layers if isinstance(layers, list) else []:
        kind = layer.get("class_name") if isinstance(layer, dict) else None
        if isinstance(kind, str):
            yield from _layer(layer, f"{start}layers/{_unique(snake(kind), used)}", depth)
    if isinstance(config.get("layer"), dict):
        yield from _layer(config["layer"], f"{start}layer", depth)


def _layer(layer: dict[str, Any], path: str, depth: int) -> Iterator[Configured]:
    kind, config = layer.get("class_name"), layer.get("config")
    if not isinstance(kind, str) or not isinstance(config, dict):
        return
    name = config.get("name")
    name = name if isinstance(name, str) else path
    yield Configured(path, name, kind, config, _rank(layer.get("build_config")))
    yield from _inside(layer, path, depth - 1)


def _rank(built: Any) -> int | None:
    shape = built.get("input_shape") if isinstance(built, dict) else None
    return len(shape) if isinstance(shape, list) else None


def snake(kind: str) -> str:
    """Turn a class name into the name of its group, by Keras' rule: `batch_normalization`."""
    plain = re.sub(r"\W+", "", kind)
    parted = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", plain)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", parted).lower()


def _unique(name: str, used: dict[str, int]) -> str:
    """Number all but the first of a name, as Keras numbers groups."""
    count = used.get(name, 0)
    used[name] = count + 1
    return f"{name}_{count}" if count else name
