"""What a layer may say is said by some layer, and there is a neutral value for all others."""

import inspect

import pytest

from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.maskable import Maskable
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.layers.unpooling import MaxUnpooling


MOST = 29


def hooks_of(kind: type) -> set[str]:
    """Return the public names that a subclass may give another value; final ones are none."""
    names = {*vars(kind), *kind.__annotations__} - {"name"}
    public = {name: vars(kind).get(name) for name in names if not name.startswith("_")}
    return {name for name, body in public.items() if not getattr(body, "__final__", False)}


def said_by(layer: type[Layer], base: type) -> set[str]:
    """Return the hooks of a base to which a layer, or what it is made of, gives a value."""
    above = [kind for kind in inspect.getmro(layer) if issubclass(kind, Layer) and kind is not base]
    return {name for kind in above for name in vars(kind)}


@pytest.mark.parametrize("base", [Layer, Trainable, Maskable])
def test_no_hook_is_there_for_nothing(base: type[Layer]) -> None:
    layers: list[type[Layer]] = [find(*words.split()) for words in LAYERS]
    layers.append(MaxUnpooling)
    said = set().union(*(said_by(layer, base) for layer in layers if issubclass(layer, base)))

    assert hooks_of(base) - said == set()


def test_a_layer_has_few_hooks() -> None:
    assert {"apply", "build", "output_shape", "words"} < hooks_of(Layer)
    assert len(hooks_of(Layer)) <= MOST


def test_what_only_training_layers_need_is_not_asked_of_others() -> None:
    for words in LAYERS:
        layer = find(*words.split())
        assert issubclass(layer, Trainable) == (words == "bn")
        assert hooks_of(Trainable) <= set(dir(layer)) or not issubclass(layer, Trainable)
    assert not hooks_of(Trainable) & set(dir(Layer))
    assert not hooks_of(Maskable) & set(dir(Layer))
