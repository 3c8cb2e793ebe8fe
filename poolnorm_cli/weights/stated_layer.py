"""The layer that a file of weights has: its parameters, and what the file leaves open of them."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import UsageError, shown
from poolnorm_cli.layers.make_layer import make_layer


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.weights.entry import Entry


_CHANNELS_SECOND = ("torch", "gluon")
_GAMMA_BETA = ("BatchNormalization", "LayerNormalization", "GroupNormalization")
_EPSILONS = {
    "torch": dict.fromkeys(_GAMMA_BETA, 1e-5),
    "gluon": dict.fromkeys(_GAMMA_BETA, 1e-5),
    "flax": {"BatchNormalization": 1e-5}
    | dict.fromkeys((*_GAMMA_BETA[1:], "RMSNormalization"), 1e-6),
}
"""The epsilons that layers of frameworks have without being asked for another."""
_DECISIVE = ("epsilon", "axis", "groups")


def stated_layer(
    kind: type["Layer"], parameters: Mapping[str, Any], entry: "Entry"
) -> "tuple[Layer, bool]":
    """Make a layer of what a file says of it, and of what a person does.

    Args:
        kind: The class of the layer.
        parameters: Those that a person gave, by name.
        entry: The layer in the file, as it is for the rank of the input.

    Returns:
        The layer, and whether neither says what epsilon is.

    Raises:
        UsageError: They contradict each other, or the file leaves open what it has to say.
        InputError: The file says what cannot be.
    """
    from poolnorm_cli.layers.keras.config import computing_config

    config = computing_config(kind, _of_instances(kind, entry), entry.place)
    layout = computing_config(kind, entry.layout, entry.place)
    _require_sure(kind, parameters, entry)
    layer = make_layer(kind, parameters, config, entry.place, layout, entry.rank)
    return layer, "epsilon" not in {*config, *parameters}


def _of_instances(kind: type["Layer"], entry: "Entry") -> Mapping[str, Any]:
    """Return the config; Keras writes one group for each channel as their number, once built."""
    sizes = [array.shape for array in entry.arrays.values()]
    each = kind.fixed == {"groups": -1} and sizes[:1] == [(entry.config.get("groups"),)]
    return {**entry.config, "groups": -1} if each else entry.config


def _require_sure(kind: type["Layer"], parameters: Mapping[str, Any], entry: "Entry") -> None:
    """Refuse a layer whose parameters are in the file, but not which of them are its own.

    Raises:
        UsageError: Parameters do not give them either.
    """
    known = {*parameters, *entry.config}
    wanted = [p.flag for p in kind.parameters() if p.name in _DECISIVE and p.name not in known]
    if entry.unsure and wanted:
        raise UsageError.at(
            entry.place, entry.unsure, f"give {' and '.join(wanted)} as the model has them"
        )


def require_axis_of_torch(layer: "Layer", entry: "Entry", shape: "Ints") -> None:
    """Refuse an axis along which the weights do not run, where those of torch would.

    Args:
        layer: The layer.
        entry: Its weights in their file.
        shape: Shape of the input.

    Raises:
        UsageError: The channels are the second axis, and the layer has them last.
    """
    if entry.framework not in _CHANNELS_SECOND:
        return
    size, *more = next(iter(entry.arrays.values())).shape or (1,)
    axis = getattr(layer, "axis", ())
    if len(shape) > 2 and not more and axis == (-1,) and shape[1] == size != shape[-1]:
        raise UsageError.at(
            entry.place,
            f"weights of shape ({size}), and --axis -1 has {shape[-1]} channels",
            f"{entry.framework} has the channels second: give --axis 1",
        )


def assumptions(
    layer: "Layer", entry: "Entry", *, lacks_epsilon: bool, training: bool
) -> Iterator[str]:
    """Say what the file of the weights leaves open, or has that is not used.

    Args:
        layer: The layer.
        entry: Where its weights are.
        lacks_epsilon: Nothing says what epsilon is.
        training: The call is a training call.

    Yields:
        Lines for a person.
    """
    if entry.kind and entry.of_subclass:
        own = shown(entry.class_name, 60)
        yield f"{entry.place}: a {own}, run as the {entry.kind} whose parameters it has"
    if lacks_epsilon and (text := _epsilon_note(layer, entry)):
        yield f"{entry.place}: {text}"
    yield from entry.file_notes
    if entry.note and not training:
        yield f"{entry.place}: {entry.note}"


def _epsilon_note(layer: "Layer", entry: "Entry") -> str | None:
    epsilon = getattr(layer, "epsilon", None)
    if epsilon is None or not (entry.framework != "keras" or entry.name):
        return None
    theirs = _EPSILONS.get(entry.framework, {}).get(layer.keras_name)
    if theirs is None:
        return f"the file says nothing of epsilon: it is {epsilon} here, which --epsilon changes"
    short = str(theirs).replace("e-0", "e-")
    return (
        f"{entry.framework} keeps no epsilon with the weights: it stays {epsilon} here, "
        f"{entry.framework}'s default is {theirs} (--epsilon {short})"
    )
