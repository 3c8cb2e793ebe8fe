"""Keras' initializers, regularizers and constraints, by every identifier that Keras takes."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers import find
from poolnorm_cli.layers.keras.identifiers import Identifier
from poolnorm_cli.layers.keras.initializers import Initializer
from poolnorm_cli.layers.keras.penalties import Constraint, Regularizer
from poolnorm_cli.layers.trainable import apply_constraints, penalties


Array = NDArray[Any]

WORDS: dict[type[Identifier], str] = {
    Initializer: """
        zeros zero Zeros ZerosV2 ones one Ones OnesV2 constant Constant ConstantV2
        random_normal normal RandomNormal random_uniform uniform RandomUniform
        truncated_normal TruncatedNormal variance_scaling VarianceScaling VarianceScalingV2
        glorot_normal GlorotNormal glorot_uniform GlorotUniform glorot_uniformV2
        he_normal HeNormal he_uniform HeUniform lecun_normal LecunNormal lecun_uniform LecunUniform
        orthogonal Orthogonal OrthogonalInitializer identity Identity IdentityInitializer
        stft STFT STFTInitializer""",
    Regularizer: "l1 L1 l2 L2 l1l2 L1L2 l1_l2 orthogonal_regularizer OrthogonalRegularizer",
    Constraint: """
        max_norm MaxNorm maxnorm non_neg NonNeg nonneg unit_norm UnitNorm unitnorm
        min_max_norm MinMaxNorm radial_constraint RadialConstraint""",
}


@pytest.mark.parametrize(
    ("kind", "word"), [(kind, word) for kind, words in WORDS.items() for word in words.split()]
)
def test_every_word_of_keras_names_an_object(kind: type[Identifier], word: str) -> None:
    found = kind.of(word)
    config = json.dumps(found.config())

    assert (
        kind.of({"class_name": word, "config": {}}).config()["class_name"] == type(found).__name__
    )
    assert kind.of(config) == found
    assert kind.of(str(found)) == found
    assert kind.of(repr(found).strip("'")) == found
    assert kind.of(found) is found


def test_no_name_is_left_out() -> None:
    for kind, words in WORDS.items():
        assert set(kind.known()) <= set(words.split())


def test_arguments_go_by_position_and_by_name() -> None:
    made = Initializer.of("random_normal(mean=1, stddev=0.5, seed=3)")

    assert Initializer.of("RandomNormal(1,0.5,3)") == made
    assert Initializer.of("normal(1, seed=3, stddev=.5)") == made
    given = {"class_name": "RandomNormal", "config": {"mean": 1, "stddev": 0.5, "seed": 3}}
    assert Initializer.of(given) == made
    assert repr(made) == "RandomNormal(mean=1.0, stddev=0.5, seed=3)"
    assert str(made) == "random_normal(mean=1.0, stddev=0.5, seed=3)"
    assert repr(Initializer.of("one")) == "'ones'"
    scaled = Initializer.of("variance_scaling(2, mode=fan_avg, distribution='normal', seed=1)")
    assert scaled.config()["config"] == {
        "scale": 2.0,
        "mode": "fan_avg",
        "distribution": "truncated_normal",
        "seed": 1,
        "input_axes": None,
        "output_axes": None,
    }
    assert Constraint.of("max_norm(3, axis=[0, 1])").config()["config"]["axis"] == [0, 1]


def test_l1_l2_alone_is_the_word_of_keras_2() -> None:
    assert Regularizer.of("l1_l2").config()["config"] == {"l1": 0.01, "l2": 0.01}
    assert Regularizer.of("l1l2").config()["config"] == {"l1": 0.0, "l2": 0.0}
    assert Regularizer.of("l1_l2(l1=0.5)").config()["config"] == {"l1": 0.5, "l2": 0.0}


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (
            Initializer,
            "xavier_uniform",
            "'xavier_uniform' is not one of Keras' initializers; did you mean glorot_uniform?",
        ),
        (Initializer, "ZEROS", "'ZEROS' is not one of Keras' initializers"),
        (Initializer, "0.5", "'0.5' is not one of Keras' initializers"),
        (Regularizer, "0.1", "'0.1' is not one of Keras' regularizers; give one of l1, l2, l1l2"),
        (
            Constraint,
            "minmaxnorm",
            "'minmaxnorm' is not one of Keras' constraints; did you mean min_max_norm?",
        ),
        (Initializer, "random_normal(mu=1)", "no 'mu' here; it takes mean, stddev, seed"),
        (Initializer, "random_normal(1, mean=2)", "takes no 'mean' here; it takes mean"),
        (Initializer, "constant(1, 2)", "constant takes no 2 here; it takes value"),
        (Initializer, "zeros(0)", "zeros takes no 0 here; it takes no arguments"),
        (Initializer, "random_normal(mean=", "is not a name with arguments; write it as"),
        (Initializer, "ones()()", "is not a name with arguments"),
        (Initializer, "__import__('os').getcwd()", "is not a name with arguments"),
        (Initializer, "constant(2**9)", "is not a name with arguments"),
        (Initializer, "constant(" + "[" * 9999 + ")", "is not a name with arguments"),
        (Initializer, '{"class_name": "Ones"', "is not JSON; write it as"),
        (Initializer, '{"config": {}}', "{'config': {}} is not a Keras config; give"),
        (Initializer, 0.5, "0.5 is not an identifier; give a name, such as ones"),
        (Initializer, "constant('a')", "constant has value='a'; give a finite number"),
        (Initializer, "constant(True)", "constant has value=True; give a finite number"),
        (Initializer, "constant(1e999)", "constant has value=inf; give a finite number"),
        (Initializer, f"constant({10**400})", "give a finite number"),
        (Initializer, "random_normal(stddev=-1)", "random_normal has stddev=-1.0; give 0 or more"),
        (Initializer, "random_normal(seed=-1)", "seed=-1; give a whole number that is not"),
        (Initializer, "uniform(2, 1)", "maxval=1.0 below minval=2.0; swap them"),
        (Initializer, "variance_scaling(0)", "variance_scaling has scale=0.0; give more than 0"),
        (Initializer, "variance_scaling(mode=fan)", "mode='fan'; give fan_in or fan_out or"),
        (Initializer, "variance_scaling(mode=3)", "mode=3; give a word"),
        (Initializer, "he_normal(input_axes=1)", "input_axes=1; give a list of axes, as [0, 1]"),
        (Initializer, "stft(periodic=1)", "periodic=1; give True or False"),
        (Regularizer, "l2(-0.1)", "l2 has l2=-0.1; give 0 or more"),
        (Regularizer, "l1(l1=nan)", "l1 has l1='nan'; give a finite number"),
        (Regularizer, "orthogonal_regularizer(mode=cells)", "give rows or columns"),
        (Constraint, "max_norm(-1)", "max_norm has max_value=-1.0; give 0 or more"),
        (Constraint, "max_norm(axis=0.5)", "axis=0.5; give an axis or a list of axes"),
        (Constraint, "min_max_norm(2, 1)", "min_value=2.0, max_value=1.0; give 0 or more, and"),
    ],
)
def test_what_keras_does_not_take_is_refused(
    kind: type[Identifier], given: Any, message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        kind.of(given, "--flag")

    assert str(refused.value).startswith("--flag ")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("word", "shape", "message"),
    [
        ("orthogonal", (3,), "orthogonal cannot start a weight of shape (3); it makes matrices"),
        ("identity", (3,), "identity cannot start a weight of shape (3); it makes matrices alone"),
        ("stft", (2, 3), "stft cannot start a weight of shape (2,3); it makes kernels of conv"),
        ("he_normal(input_axes=[0],output_axes=[1])", (3,), "an axis out of range for a weight"),
    ],
)
def test_a_weight_that_keras_cannot_start_is_refused(
    word: str, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        Initializer.of(word).values(shape)
    assert message in str(refused.value)


Cdf = Callable[[Array], Array]


def normal(x: Array) -> Array:
    return np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x])


def cut_normal(x: Array) -> Array:
    low, high = normal(np.array([-2.0, 2.0]))
    found: Array = (normal(x) - low) / (high - low)
    return found


def uniform(x: Array) -> Array:
    found: Array = (x + 1) / 2
    return found


CUT = 0.87962566103423978


@pytest.mark.parametrize(
    ("word", "cdf", "width", "centre"),
    [
        ("random_normal(2, 3, seed=1)", normal, 3.0, 2.0),
        ("truncated_normal(2, 3, seed=2)", cut_normal, 3.0, 2.0),
        ("random_uniform(-1, 5, seed=3)", uniform, 3.0, 2.0),
        ("variance_scaling(4, seed=4)", cut_normal, math.sqrt(4 / 20000) / CUT, 0.0),
        (
            "variance_scaling(4, 'fan_out', 'untruncated_normal', 4)",
            normal,
            math.sqrt(4 / 20000),
            0.0,
        ),
        ("glorot_normal(seed=5)", cut_normal, math.sqrt(1 / 20000) / CUT, 0.0),
        ("glorot_uniform(seed=6)", uniform, math.sqrt(3 / 20000), 0.0),
        ("he_normal(seed=7)", cut_normal, math.sqrt(2 / 20000) / CUT, 0.0),
        ("he_uniform(seed=8)", uniform, math.sqrt(6 / 20000), 0.0),
        ("lecun_normal(seed=9)", cut_normal, math.sqrt(1 / 20000) / CUT, 0.0),
        ("lecun_uniform(seed=10)", uniform, math.sqrt(3 / 20000), 0.0),
    ],
)
def test_values_are_distributed_as_keras_has_it(
    word: str, cdf: Cdf, width: float, centre: float
) -> None:
    count = 20000
    values = np.sort((Initializer.of(word).values((count,)) - centre) / width)
    steps = np.arange(count + 1) / count
    expected = cdf(values)
    # Kolmogorov and Smirnov's distance; one draw in a hundred has a larger one.
    distance = max((steps[1:] - expected).max(), (expected - steps[:-1]).max())

    assert distance < 1.628 / math.sqrt(count)
    variances: dict[Cdf, float] = {normal: 1.0, cut_normal: CUT**2, uniform: 1 / 3}
    variance = variances[cdf]
    assert abs(values.mean()) < 4 * math.sqrt(variance / count)
    assert abs(values.var() - variance) < 0.03
    if cdf is not normal:
        assert np.abs(values).max() <= (2.0 if cdf is cut_normal else 1.0) + 1e-9


def test_a_seed_gives_the_same_numbers_everywhere() -> None:
    found = Initializer.of("random_normal(seed=1)").values((3,))
    cut = Initializer.of("truncated_normal(seed=1)").values((2, 2))
    even = Initializer.of("random_uniform(seed=1)").values((3,))

    np.testing.assert_allclose(found, [0.01727921, 0.04108091, 0.01652185], atol=1e-8)
    np.testing.assert_allclose(
        cut, [[0.01727921, 0.04108091], [0.01652185, -0.06515786]], atol=1e-8
    )
    np.testing.assert_allclose(even, [0.00118216, 0.04504637, -0.03558404], atol=1e-8)


def test_without_a_seed_one_is_drawn_and_shown() -> None:
    first, second = (Initializer.of("random_normal") for _ in range(2))

    assert first != second
    assert "seed=" in repr(first)
    again = Initializer.of(str(first))
    np.testing.assert_array_equal(again.values((4,)), first.values((4,)))


def test_fans_are_those_of_keras() -> None:
    scaling: Any = Initializer.of("variance_scaling(seed=1)")

    assert [scaling.fans(shape) for shape in ((), (5,), (2, 3), (2, 3, 4), (2, 3, 4, 5))] == [
        (1, 1),
        (5, 5),
        (2, 3),
        (6, 8),
        (24, 30),
    ]
    chosen: Any = Initializer.of("he_normal(1, input_axes=[0, 1], output_axes=[-1])")
    assert chosen.fans((2, 3, 4)) == (6, 4)


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (2, 3, 5)])
def test_orthogonal_matrices(shape: tuple[int, ...]) -> None:
    found = Initializer.of("orthogonal(gain=2, seed=1)").values(shape).reshape(-1, shape[-1]) / 2
    product = found @ found.T if len(found) < shape[-1] else found.T @ found

    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-12)
    np.testing.assert_array_equal(Initializer.of("identity(3)").values((2, 3)), 3 * np.eye(2, 3))


W = np.array([1.0, -2.0, 3.0])
M = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]])


@pytest.mark.parametrize(
    ("word", "weight", "expected"),
    [
        ("l1(0.1)", W, 0.6),
        ("l2(0.1)", W, 1.4),
        ("l1l2(0.1, 0.2)", W, 3.4),
        ("orthogonal_regularizer", M, 0.005124394),  # Keras 3.15
        ("orthogonal_regularizer(0.5, 'columns')", M, 0.069843028),
    ],
)
def test_penalties_are_those_of_keras(word: str, weight: Array, expected: float) -> None:
    assert Regularizer.of(word).penalty(weight) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("max_norm(2)", [1.19404, -1.59206, 0.19901]),
        ("unit_norm", [0.59702, -0.79603, 0.0995]),
        ("min_max_norm(1, 2, 0.5)", [2.09702, -2.79603, 0.3495]),
        ("non_neg", [3.0, 0.0, 0.5]),
    ],
)
def test_projections_are_those_of_keras(word: str, expected: list[float]) -> None:
    found = Constraint.of(word).project(np.array([3, -4, 0.5]))

    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Regularizer.of("orthogonal_regularizer").penalty(W), "it is for matrices"),
        (lambda: Constraint.of("radial_constraint").project(W), "it is for kernels of Conv2D"),
        (lambda: Constraint.of("max_norm(axis=1)").project(W), "max_norm has axis=1 for a weight"),
        (lambda: Constraint.of("unit_norm(axis=-2)").project(W), "of shape (3); give axis=0"),
        (lambda: Constraint.of("unit_norm([0, 0])").project(W), "unit_norm has axis=(0, 0) for"),
    ],
)
def test_weights_of_another_rank_are_refused(act: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        act()
    assert message in str(refused.value)


@pytest.mark.parametrize("words", ["ln", "gn", "in", "bn"])
def test_a_frozen_layer_has_neither_penalties_nor_constraints(words: str) -> None:
    given: dict[str, Any] = {"gamma_regularizer": "l2(1)", "beta_constraint": "non_neg"}
    weights = {"gamma": np.full(3, 2, np.float32), "beta": np.array([-1, 0, 1], np.float32)}

    layer = find(words)(**given)
    assert penalties(layer, weights) == {"gamma": 12.0}
    assert apply_constraints(layer, weights)["beta"].tolist() == [0, 0, 1]
    assert apply_constraints(layer, weights)["beta"].dtype == np.float32
    frozen = find(words)(**given | {"trainable": False})
    assert (penalties(frozen, weights), apply_constraints(frozen, weights)) == ({}, {})
