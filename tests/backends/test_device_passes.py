"""How often the graphs that a device tries first go through memory: what they take is that."""

from typing import Any

import numpy as np
import pytest

from poolnorm_cli.backends.layer_graphs import BATCH, BlockGraph, FileGraph
from poolnorm_cli.backends.model import Model
from poolnorm_cli.engine.layer_pass import initial_weights
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from tests.backends.passes import passes


SHAPE = (64, 224, 224, 64)
FIRST = (64, 64, 224, 224)


def layer(words: str, **parameters: Any) -> Layer:
    return find(*words.split())(**parameters)


def tried_first(made: Layer, shape: tuple[int, ...]) -> Model:
    given: tuple[int | str | None, ...] = (BATCH, *shape[1:])
    graph = BlockGraph(made, given, "float32", training=False, exact=True, on_device=True)
    return graph.build()[0]


ROWS: list[tuple[str, dict[str, Any], tuple[int, ...], float]] = [
    ("gpool average", {}, SHAPE, 1.23),
    ("gpool average", {"data_format": "channels_first"}, FIRST, 1.23),
    ("gpool max", {}, SHAPE, 1.01),
    ("gpool max", {"data_format": "channels_first"}, FIRST, 1.01),
    ("pool max", {}, SHAPE, 1.52),
    ("pool average", {}, SHAPE, 1.52),
    ("bn", {}, SHAPE, 2.0001),
    ("bn", {"axis": 1}, FIRST, 2.0001),
    ("ln", {}, SHAPE, 5.2),
]


@pytest.mark.parametrize(("words", "parameters", "shape", "most"), ROWS)
def test_a_device_goes_through_a_tensor_as_often_as_it_has_to(
    words: str, parameters: dict[str, Any], shape: tuple[int, ...], most: float
) -> None:
    moved = passes(tried_first(layer(words, **parameters), shape), shape[0])
    assert sum(share for _, share in moved) < most, moved


@pytest.mark.parametrize(
    ("words", "first"), [("gpool average", "MatMul"), ("gpool max", "MaxPool")]
)
def test_the_whole_tensor_is_read_once(words: str, first: str) -> None:
    """What is checked is the result, which has whatever of NaN and infinities there is."""
    moved = passes(tried_first(layer(words), SHAPE), SHAPE[0])
    assert [kind for kind, share in moved if share >= 1] == [first]


def test_a_batch_in_training_is_read_for_two_sums_and_once_more() -> None:
    made = layer("bn")
    graph = FileGraph(made, SHAPE, *("float32",) * 3, training=True, on_device=True)
    moved = passes(graph.model(initial_weights(made, SHAPE, "float32"))[0], SHAPE[0])
    assert [kind for kind, share in moved if share >= 1] == [
        "MatMul",
        "Mul",
        "MatMul",
        "BatchNormalization",
    ]
    assert sum(share for _, share in moved) < 6.5


@pytest.mark.parametrize("words", ["bn", "ln", "rms"])
def test_weights_come_as_the_operator_takes_them(words: str) -> None:
    """Each conversion would be an operator before it, of some microseconds."""
    model = tried_first(layer(words), (4, 8, 8, 16))
    assert "Cast" not in [node.kind for node in model.nodes]
    assert {given.dtype for given in model.inputs} == {"float32"}


def test_weights_that_float64_works_with_stay_so() -> None:
    model = tried_first(layer("gn", groups=4), (4, 8, 8, 16))
    assert {given.name: given.dtype for given in model.inputs} == {
        "x": "float32",
        "gamma": "float64",
        "beta": "float64",
    }


def test_a_weight_out_of_range_is_infinite_as_it_is_there() -> None:
    from poolnorm_cli.backends.onnx_feeds import as_wanted

    given = np.array([1e39, -1e39, np.nan, 0.1])
    np.testing.assert_array_equal(
        as_wanted(given, "float32"), np.array([np.inf, -np.inf, np.nan, 0.1], np.float32)
    )
