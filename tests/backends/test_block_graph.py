from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings, strategies as st

from poolnorm_cli.backends.layer_graphs import BATCH, BlockGraph
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.pooling import AveragePooling, MaxPooling
from poolnorm_cli.layers.sliding import Pooling
from tests.backends.models import parsed


NumberArray = np.ndarray[Any, np.dtype[Any]]


def run_graph(layer: Layer, x: NumberArray, *, exact: bool) -> NumberArray:
    shape = (BATCH, *x.shape[1:])
    model, _ = BlockGraph(layer, shape, x.dtype.name, training=False, exact=exact).build()
    onnx.checker.check_model(model.serialized(), full_check=True)
    session = onnxruntime.InferenceSession(model.serialized())
    (y,) = session.run(None, {"x": x})
    return np.asarray(y)


@st.composite
def poolings(draw: st.DrawFn, kind: type[Pooling]) -> tuple[Pooling, tuple[int, ...]]:
    rank = draw(st.integers(1, 3))
    layer = kind(
        pool_size=tuple(draw(st.integers(1, 12)) for _ in range(rank)),
        strides=draw(st.none() | st.tuples(st.integers(1, 4))),
        padding="same",
        data_format=draw(st.sampled_from(["channels_last", "channels_first"])),
    )
    return layer, (2, *(draw(st.integers(1, 9)) for _ in range(rank + 1)))


@given(poolings(MaxPooling), st.sampled_from(["float32", "float64", "uint8", "int64", "bool"]))
@settings(max_examples=40, deadline=None)
def test_maximum_of_slices_is_that_of_numpy_for_every_dtype(
    case: tuple[Pooling, tuple[int, ...]], dtype: str
) -> None:
    layer, shape = case
    x = np.random.default_rng(1).integers(0, 200, shape).astype(dtype)
    np.testing.assert_array_equal(run_graph(layer, x, exact=True), layer.apply(x, {}))


@given(poolings(MaxPooling), st.booleans())
@settings(max_examples=40, deadline=None)
def test_plain_maximum_is_that_of_numpy_for_finite_values(
    case: tuple[Pooling, tuple[int, ...]], wide: bool
) -> None:
    layer, shape = case
    x = np.random.default_rng(2).standard_normal(shape).astype("float64" if wide else "float32")
    np.testing.assert_array_equal(run_graph(layer, x, exact=False), layer.apply(x, {}))


@given(poolings(AveragePooling), st.booleans())
@settings(max_examples=60, deadline=None)
def test_plain_and_exact_average_stay_near_that_of_numpy(
    case: tuple[Pooling, tuple[int, ...]], exact: bool
) -> None:
    layer, shape = case
    x = np.random.default_rng(3).standard_normal(shape).astype("float32")
    np.testing.assert_allclose(
        run_graph(layer, x, exact=exact), layer.apply(x, {}), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e-40])
@pytest.mark.parametrize("layer", [MaxPooling(pool_size=(3,)), AveragePooling(pool_size=(3,))])
def test_exact_graph_gives_what_numpy_gives_for_special_values(
    layer: Pooling, value: float
) -> None:
    x = np.full((1, 12, 1), -np.inf, "float32")
    x[0, 4:, 0] = 1.0
    x[0, 7, 0] = value
    np.testing.assert_array_equal(run_graph(layer, x, exact=True), layer.apply(x, {}))


def test_average_of_float64_does_not_overflow_where_the_mean_does_not() -> None:
    x = np.full((1, 4, 1), 1.5e308)
    y = run_graph(AveragePooling(pool_size=(4,)), x, exact=True)
    np.testing.assert_array_equal(y, np.full((1, 1, 1), 1.5e308))


def test_pads_are_explicit_and_padding_is_not_counted() -> None:
    layer = AveragePooling(pool_size=(3,), strides=(2,), padding="same")
    model, _ = BlockGraph(layer, (BATCH, 8, 3), "float32", training=False, exact=False).build()
    (pool,) = (node for node in parsed(model).graph.node if node.op_type == "AveragePool")
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in pool.attribute}
    assert attributes == {
        "kernel_shape": [3],
        "strides": [2],
        "pads": [0, 1],
        "count_include_pad": 0,
    }


def test_channels_first_needs_no_transpose() -> None:
    layer = MaxPooling(data_format="channels_first")
    model, _ = BlockGraph(layer, (BATCH, 3, 8, 8), "float32", training=False, exact=False).build()
    assert [node.kind for node in model.nodes] == ["MaxPool"]
