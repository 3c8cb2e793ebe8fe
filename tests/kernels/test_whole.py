"""Compiled maxima of integers are those of NumPy, with and without arrays."""

from typing import Any

import numpy as np
import pytest

from poolnorm_cli.kernels import native
from poolnorm_cli.layers.adaptive_pooling import AdaptiveMaxPooling
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.global_pooling import GlobalMaxPooling
from poolnorm_cli.layers.min_pooling import MinPooling
from poolnorm_cli.layers.pooling import MaxPooling


pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")

KINDS = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
SHAPES = ((3, 70, 1), (2, 9, 11, 3), (2, 13, 12, 70), (1, 5, 6, 7, 2))
LAYERS = (
    *(GlobalMaxPooling(data_format=layout) for layout in ("channels_last", "channels_first")),
    AdaptiveMaxPooling(output_size=(2,)),
    AdaptiveMaxPooling(output_size=(2,), data_format="channels_first"),
    MaxPooling(pool_size=(2,)),
    MaxPooling(pool_size=(3,), strides=(1,), padding="same"),
    MaxPooling(pool_size=(11,), strides=(2,), padding="same"),
    MaxPooling(pool_size=(2,), strides=(1,), dilation_rate=(2,), padding="same"),
    MinPooling(pool_size=(3,), strides=(2,), padding="same"),
)


def _cells(kind: str, shape: tuple[int, ...]) -> Any:
    """Draw from the whole range, its ends among them."""
    random = np.random.default_rng(len(shape))
    if kind == "bool":
        return random.random(shape) < 0.1
    ends = np.iinfo(kind)
    x = random.integers(ends.min, ends.max, shape, kind, endpoint=True)
    x[0] = ends.min
    x.reshape(-1)[-1] = ends.max
    return x


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
@pytest.mark.parametrize("kind", KINDS)
def test_maxima_of_integers_are_those_of_numpy(
    kind: str, layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [_cells(kind, shape) for shape in SHAPES]
    found = [layer.apply(x, {}) for x in inputs]
    monkeypatch.setattr(native, "_LOOPS", None)
    for x, y in zip(inputs, found, strict=True):
        np.testing.assert_array_equal(y, layer.apply(x, {}), strict=True)


@pytest.mark.parametrize("layer", LAYERS[:-1], ids=repr)
@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_of_integers_needs_no_arrays(kind: str, layer: Layer) -> None:
    for shape in SHAPES:
        x = _cells(kind, shape)
        call = layer.loop_call(shape, kind, {})
        expected = layer.apply(x, {})
        out = bytearray(expected.nbytes)
        assert call is not None
        assert call(memoryview(x).cast("B"), out)
        assert bytes(out) == expected.tobytes()


def test_no_loop_averages_integers() -> None:
    x, windows = np.ones(4, np.int64), (1, 1, 1, 0, 1, 0, 0, 0)
    shape = (1, 1, 1, 4, 1)
    with pytest.raises(ValueError, match="averages integers"):
        native.loops().windows(x, x.copy(), True, "q", 0, shape, windows, windows, windows)
    with pytest.raises(ValueError, match="averages integers"):
        native.loops().fold_sum(x, np.ones(1), (1, 4, 1), "q")
    with pytest.raises(ValueError, match="minima"):
        native.loops().fold_min(x, x.copy(), (1, 4, 1), "q")
    with pytest.raises(ValueError, match="no loop is for items of type"):
        native.loops().fold_max(x, x.copy(), (1, 4, 1), "x")
