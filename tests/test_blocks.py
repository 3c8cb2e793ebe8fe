"""The bytes of a result do not depend on how its tensor is cut into blocks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.kernels.gathering import gather
from poolnorm_cli.layers import find


ADJUSTMENT = {"scale": np.linspace(0.5, 2, 11).reshape(11, 1, 1), "bias": np.full(10, 0.5)[:, None]}
LAYERS: list[tuple[str, dict[str, Any], bool]] = [
    ("pool max", {"pool_size": 3, "strides": 2, "padding": "same"}, False),
    ("pool average", {"pool_size": 3, "strides": 1, "padding": "same"}, False),
    ("pool average", {"pool_size": 9, "strides": 1}, False),
    ("gpool max", {}, False),
    ("gpool average", {"data_format": "channels_first"}, False),
    ("bn", {}, False),
    ("bn", {"axis": 0}, False),
    ("bn", {"axis": 1}, True),
    ("bn", {"axis": -1}, True),
    ("bn", {"axis": 0}, True),
    ("bn", {"renorm": True}, True),
    ("bn", {"renorm": True, "renorm_clipping": {"rmin": 0.9, "dmax": 0.1}, "axis": 0}, True),
    ("bn", {"virtual_batch_size": 1}, True),
    ("bn", {"virtual_batch_size": 4, "axis": 1}, True),
    ("bn", {"virtual_batch_size": 20, "renorm": True}, True),
    ("bn", {"adjustment": ADJUSTMENT}, True),
    ("bn", {"axis": (1, 3)}, True),
    ("bn", {"trainable": False}, True),
    ("ln", {"axis": -1}, False),
    ("ln", {"axis": 0}, False),
    ("ln", {"axis": (0, 2)}, False),
    ("ln", {"axis": (1, 3)}, False),
    ("apool max", {"output_size": (3, 7)}, False),
    ("apool average", {"output_size": (3, 7)}, False),
    ("gn", {"groups": 1}, False),
    ("in", {"axis": 1}, False),
    ("rms", {"axis": -1}, False),
    ("rms", {"axis": (0, 2)}, False),
    ("unit", {"axis": (1, 2)}, False),
    ("unit", {"axis": 0}, False),
]


@pytest.mark.parametrize(("words", "parameters", "training"), LAYERS)
@given(
    batch=st.one_of(st.integers(0, 40), st.sampled_from([20, 40])),
    channels=st.sampled_from([1, 3, 8]),
    rows=st.integers(1, 41),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
)
@settings(max_examples=25, deadline=None)
def test_the_bytes_are_those_of_one_block(
    words: str,
    parameters: dict[str, Any],
    training: bool,
    batch: int,
    channels: int,
    rows: int,
    dtype: str,
) -> None:
    layer = find(*words.split())(**parameters)
    batch -= batch % parameters.get("virtual_batch_size", 1)
    x = np.random.default_rng(batch).standard_normal((batch, 11, 10, channels)).astype(dtype)
    before = x.copy()

    whole, whole_weights = run_array(layer, x, training=training, rows=10**6)
    cut, cut_weights = run_array(layer, x, training=training, rows=rows)

    assert cut.tobytes() == whole.tobytes()
    assert {k: v.tobytes() for k, v in cut_weights.items()} == {
        k: v.tobytes() for k, v in whole_weights.items()
    }
    assert cut.shape == layer.output_shape(x.shape)
    assert x.tobytes() == before.tobytes()


@given(
    batch=st.integers(1, 60),
    rows=st.integers(1, 61),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
    parameters=st.sampled_from(
        [{}, {"renorm": True}, {"fused": False}, {"axis": 1}, {"axis": (1, 3)}, {"axis": (0, 3)}]
    ),
)
@settings(max_examples=40, deadline=None)
def test_the_bytes_under_a_mask_are_those_of_one_block(
    batch: int, rows: int, dtype: str, parameters: dict[str, Any]
) -> None:
    random = np.random.default_rng(batch)
    x = random.standard_normal((batch, 40, 300, 2)).astype(dtype)
    mask = random.random((batch, 40, 300)) < random.random((batch, 1, 1))
    layer = find("bn")(**parameters)

    whole, whole_weights = run_array(layer, x, training=True, rows=10**6, mask=mask)
    cut, cut_weights = run_array(layer, x, training=True, rows=rows, mask=mask)

    assert cut.tobytes() == whole.tobytes()
    assert {k: v.tobytes() for k, v in cut_weights.items()} == {
        k: v.tobytes() for k, v in whole_weights.items()
    }


def test_moments_of_many_grains_are_those_of_one_pass() -> None:
    x = np.random.default_rng(3).normal(1e6, 1, (700, 40, 9))
    blocks = (x[start : start + 364] for start in range(0, 700, 364))
    found = gather(blocks, (40, 9), (0, 1))

    np.testing.assert_allclose(found.mean, x.mean((0, 1), keepdims=True), rtol=1e-13)
    np.testing.assert_allclose(found.variance, x.var((0, 1), keepdims=True), rtol=1e-9)
    assert found.count == 28000
