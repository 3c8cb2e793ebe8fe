"""Calls that were made before: quicker, and the same in all else."""

import copy
import pickle
import re
from typing import Any

import numpy as np
import pytest

import poolnorm_cli as pn
from poolnorm_cli.engine import ready_call
from poolnorm_cli.kernels import native


Array = np.ndarray[Any, np.dtype[Any]]

LAYERS = [
    pn.MaxPooling(2),
    pn.AveragePooling(3, strides=1, padding="same"),
    pn.MinPooling(2),
    pn.LpPooling(2, p=2),
    pn.GlobalAveragePooling(),
    pn.GlobalMaxPooling(data_format="channels_first"),
    pn.AdaptiveAveragePooling(3),
    pn.BatchNormalization(),
    pn.BatchNormalization(axis=1, center=False),
    pn.LayerNormalization(),
    pn.GroupNormalization(groups=2),
    pn.InstanceNormalization(),
    pn.RMSNormalization(),
    pn.UnitNormalization(),
    pn.LocalResponseNormalization(),
]
X = np.random.default_rng(5).standard_normal((3, 6, 8, 4)).astype(np.float32)


def weights_of(layer: pn.LayerFunction, x: Array, dtype: str = "float32") -> dict[str, Array]:
    names, random = layer.weights_for(x.shape), np.random.default_rng(7)
    return {name: np.asarray(random.uniform(0.5, 2, w.shape), dtype) for name, w in names.items()}


def used(layer: pn.LayerFunction, *given: Any, **more: Any) -> pn.LayerFunction:
    for _ in range(3):
        layer(*given, **more)
    return layer


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note of each call whether it was ready."""
    if not native.compiled():
        pytest.skip("there are no compiled loops")
    seen: list[bool] = []
    for name in ("run", "train"):
        made = getattr(ready_call.ReadyCalls, name)

        def noted(self: Any, *given: Any, made: Any = made, **more: Any) -> Any:
            found = made(self, *given, **more)
            seen.append(found is not None)
            return found

        monkeypatch.setattr(ready_call.ReadyCalls, name, noted)
    return seen


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_each_call_gives_what_the_first_gave(
    layer: pn.LayerFunction, dtype: str, ready: list[bool]
) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    x = X.astype(dtype)
    own = type(layer).of(layer.layer)
    for weights in (None, weights_of(layer, x), weights_of(layer, x, "float64")):
        fresh = type(layer).of(layer.layer)(x, weights)
        for out in (None, np.empty_like(fresh), None, np.empty_like(fresh)):
            found = own(x, weights, out=out)
            assert out is None or found is out
            np.testing.assert_array_equal(found.view("u1"), fresh.view("u1"))
            assert found.dtype == fresh.dtype
    if not isinstance(layer, pn.LocalResponseNormalization | pn.LpPooling):
        assert ready[-1]


TRAINED = [
    pn.BatchNormalization(),
    pn.BatchNormalization(axis=1, momentum=0.5, scale=False),
    pn.BatchNormalization(momentum=None),
    pn.BatchNormalization(renorm=True),
    pn.BatchNormalization(virtual_batch_size=1),
    pn.BatchNormalization(trainable=False),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("layer", TRAINED, ids=repr)
def test_each_call_in_training_does_what_the_first_did(
    layer: pn.LayerFunction, dtype: str, ready: list[bool]
) -> None:
    x = X.astype(dtype)
    own = type(layer).of(layer.layer)
    for weights in (None, weights_of(layer, x), weights_of(layer, x, "float64")):
        fresh, moved = type(layer).of(layer.layer).train(x, weights)
        given = None if weights is None else dict(reversed(weights.items()))
        for out in (None, np.empty_like(fresh), None):
            found, updated = own.train(x, given, out=out)
            assert out is None or found is out
            np.testing.assert_array_equal(found.view("u1"), fresh.view("u1"))
            np.testing.assert_array_equal(own(x, given, training=True), fresh)
            assert list(updated) == list(moved)
            for name, weight in moved.items():
                np.testing.assert_array_equal(updated[name], weight, name, strict=True)
                assert given is None or not np.may_share_memory(updated[name], given[name])
    if layer in TRAINED[:3]:
        assert ready[-1]


def test_a_batch_that_is_not_finite_is_refused_by_every_call() -> None:
    layer = pn.BatchNormalization()
    for _ in range(3):
        layer.train(X)
    bad = X.copy()
    bad[0, 0, 0, 2] = np.nan
    for _ in range(2):
        with pytest.raises(ValueError, match="channel 2"):
            layer.train(bad)
        with pytest.raises(ValueError, match="moving_variance"):
            layer.train(X, weights_of(layer, X) | {"moving_variance": -np.ones(4, "f4")})


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", ">f4", ">f8"])
def test_other_types_give_what_the_first_call_gave(dtype: str, ready: list[bool]) -> None:
    x = (X * 10).astype(dtype)
    for layer in (pn.MaxPooling(2), pn.AveragePooling(2), pn.BatchNormalization()):
        first = layer(x)
        for _ in range(3):
            found = layer(x)
            np.testing.assert_array_equal(found, first)
            assert found.dtype == first.dtype
        assert ready[-1] == x.dtype.isnative


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_a_result_of_another_type_is_what_the_first_call_gave(dtype: str) -> None:
    if "b" in dtype:
        pytest.importorskip("ml_dtypes")
    for x in (X, X.astype("f2"), (X * 9).astype("i8")):
        for layer in (pn.AveragePooling(2), pn.LayerNormalization(), pn.GlobalAveragePooling()):
            first, weights = layer(x, dtype=dtype), weights_of(layer, x)
            scaled = layer(x, weights, dtype=dtype)
            for _ in range(3):
                for given, expected in ((None, first), (weights, scaled)):
                    found = layer(x, given, dtype=dtype)
                    np.testing.assert_array_equal(found.view("u1"), expected.view("u1"))
                    assert found.dtype.name == dtype


def test_weights_are_read_anew_in_each_call(ready: list[bool]) -> None:
    layer, gamma = pn.LayerNormalization(), np.ones(4)
    weights = {"gamma": gamma, "beta": np.zeros(4)}
    first = layer(X, weights).copy()
    for factor in (2.0, 3.0, 4.0):
        gamma[:] = factor
        np.testing.assert_allclose(layer(X, weights), first * factor, rtol=1e-6)
        np.testing.assert_array_equal(layer(X), first)
        np.testing.assert_allclose(
            layer(X, [gamma, np.ones(4)]), first * factor + 1, rtol=1e-5, atol=1e-5
        )
    assert ready[-1]


def test_weights_of_two_types_or_in_other_holders_are_taken(ready: list[bool]) -> None:
    import types

    layer = pn.BatchNormalization()
    weights = weights_of(layer, X, "float64")
    first = used(layer, X, weights)(X, weights)
    assert ready[-1]
    mixed = weights | {"gamma": weights["gamma"].astype("f4").astype("f8").astype(">f8")}
    lists: dict[str, Any] = {name: weight.tolist() for name, weight in weights.items()}
    for other in (mixed, lists, types.MappingProxyType(weights), tuple(weights.values())):
        np.testing.assert_allclose(layer(X, other), first, rtol=1e-5, atol=1e-6)
    strided = {name: np.repeat(weight, 2)[::2] for name, weight in weights.items()}
    np.testing.assert_array_equal(layer(X, strided), first)


BAD_WEIGHTS = [
    ({"gamma": np.ones(3)}, "has shape"),
    ({"gamma": np.array([1, 2, np.nan, 3.0])}, "NaN or an infinity"),
    ({"gamma": np.array([1, 2, np.inf, 3.0])}, "NaN or an infinity"),
    ({"moving_variance": np.array([1, 1, 1, -0.01])}, "a negative value"),
    ({"moving_variance": np.array([1, 1, 1, -1e-3])}, "a negative value"),
    ({"other": np.ones(4)}, "is not one of the layer's"),
    ({"gamma": np.array(["a"] * 4)}, "gamma is of dtype"),
]


@pytest.mark.parametrize(("change", "message"), BAD_WEIGHTS)
def test_bad_weights_are_refused_by_every_call(change: dict[str, Array], message: str) -> None:
    layer = pn.BatchNormalization()
    weights = weights_of(layer, X, "float64")
    used(layer, X, weights)
    for _ in range(3):
        with pytest.raises(ValueError, match=re.escape(message)):
            layer(X, weights | change)
    with pytest.raises(ValueError, match="is missing"):
        layer(X, {name: weight for name, weight in weights.items() if name != "gamma"})
    with pytest.raises(ValueError, match="3 weights where the layer has 4"):
        layer(X, list(weights.values())[:3])


def test_a_variance_that_epsilon_makes_positive_is_taken() -> None:
    layer = pn.BatchNormalization()
    weights = weights_of(layer, X) | {"moving_variance": np.full(4, -1e-5, "f4")}
    first = layer(X, weights)
    for _ in range(3):
        np.testing.assert_array_equal(layer(X, weights), first)


BAD_OUTPUTS = [
    (np.empty((3, 3, 4, 3), "f4"), "out has shape"),
    (np.empty((3, 3, 4, 4), "f8"), "out has shape"),
    ([1.0], "out is a list"),
    (np.broadcast_to(np.float32(0), (3, 3, 4, 4)), "out is read-only"),
]


@pytest.mark.parametrize(("out", "message"), BAD_OUTPUTS)
def test_an_output_that_does_not_fit_is_refused_by_every_call(out: Any, message: str) -> None:
    layer = used(pn.MaxPooling(2), X, out=np.empty((3, 3, 4, 4), "f4"))
    with pytest.raises(ValueError, match=message):
        layer(X, out=out)


def test_an_output_may_lie_anywhere() -> None:
    layer = used(pn.LayerNormalization(), X)
    expected = layer(X)
    turned = np.empty(X.shape[::-1], "f4").T
    apart = np.empty((3, 6, 8, 8), "f4")[..., ::2]
    shifted = np.empty(X.nbytes + 1, "u1")[1:].view("f4").reshape(X.shape)
    for out in (turned, apart, shifted):
        assert layer(X, out=out) is out
        np.testing.assert_array_equal(out, expected)
    memory = np.zeros(X.size + 16, "f4")
    for first in (0, 4, 16):  # the input, or some of it
        x, out = memory[: X.size].reshape(X.shape), memory[first : first + X.size]
        x[...] = X
        np.testing.assert_array_equal(layer(x, out=out.reshape(X.shape)), expected)
    for x in (X[:, ::-1], X.T, shifted):
        np.testing.assert_allclose(layer(x), layer(x.copy()), rtol=1e-5)


def test_what_else_is_asked_for_is_looked_at(ready: list[bool]) -> None:
    x = X[:, 0].copy()
    layer = used(pn.GlobalAveragePooling(), x)
    mask = np.zeros((3, 8), bool)
    mask[:, :2] = True
    assert ready[-1]
    np.testing.assert_allclose(layer(x, mask=mask), x[:, :2].mean(1), rtol=1e-5)
    assert used(layer, X, dtype="float64")(X, dtype="float64").dtype == np.float64
    for bad in ("int8", ["float32"], 5j):
        with pytest.raises((ValueError, TypeError)):
            layer(X, dtype=bad)
    training = pn.BatchNormalization()
    used(training, X)
    assert abs(training(X, training=True).mean()) < 1e-6
    with pytest.raises(ValueError, match="rank"):
        used(pn.MaxPooling(2), X)(X[0, 0, 0])


def test_values_that_no_loop_can_average_are_averaged() -> None:
    layer = used(pn.AveragePooling(2), X)
    out = np.empty((3, 3, 4, 4), "f4")
    assert (layer(np.full_like(X, 3e38), out=out) == np.float32(3e38)).all()
    assert np.isinf(layer(np.full_like(X, np.inf))).all()


def test_a_layer_goes_to_another_process_after_calls() -> None:
    layer = used(pn.LayerNormalization(), X)
    for other in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):  # noqa: S301
        assert other == layer
        np.testing.assert_array_equal(used(other, X)(X), layer(X))


def test_kinds_of_arrays_are_forgotten_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready_call, "_MOST", 3)
    layer = pn.UnitNormalization()
    for _ in range(3):
        for length in range(1, 9):
            x = np.ones((2, length), np.float32)
            np.testing.assert_allclose(layer(x), x / np.sqrt(length), rtol=1e-6)
            assert len(layer._ready._calls) <= 3


@pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")
def test_weights_are_read_and_checked_by_a_loop() -> None:
    loops, nan = native.loops(), float("nan")
    for kind in "fd":
        weights = np.array([1, -2, 3], kind), np.array([0.5], kind), np.zeros(0, kind)
        out = np.empty(4)
        assert loops.read_weights(out, weights, (nan, 0.0, nan), kind)
        assert out.tolist() == [1, -2, 3, 0.5]
        assert not loops.read_weights(out, weights, (2.0, nan, nan), kind)
        assert loops.read_weights(out, weights, (2.5, nan, nan), kind)
        weights[0][1] = nan
        assert not loops.read_weights(out, weights, (nan, nan, nan), kind)
        for wrong in (np.empty(3), np.empty(5)):
            with pytest.raises(ValueError, match="sizes"):
                loops.read_weights(wrong, weights, (nan, nan, nan), kind)
        with pytest.raises(ValueError, match="addends"):
            loops.read_weights(out, weights, (nan,), kind)


@pytest.mark.parametrize(("place", "value"), [(0, np.nan), (3, np.nan), (2, 3e38)])
def test_a_call_refuses_statistics_that_its_weights_could_not_keep(
    place: int, value: float, ready: list[bool]
) -> None:
    layer, x = pn.BatchNormalization(momentum=0.5), X.copy()
    weights = weights_of(layer, x)
    y, _ = used(layer, x, weights, training=True).train(x, weights)
    np.testing.assert_array_equal(layer(x, weights, training=True), y)
    assert ready[-1]
    x[..., place] = value
    x[0, 0, 0, place] = 0
    for _ in range(2):
        with pytest.raises(ValueError, match=f"channel {place}|moving_variance would leave"):
            layer(x, weights, training=True)
