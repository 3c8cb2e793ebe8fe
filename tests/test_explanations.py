"""`--explain`: the formula of a layer, with the numbers of the run."""

import json
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.engine.layer_pass import initial_weights
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.call import Facts
from tests.conftest import Command


BATCH = np.array([[1, 2], [3, 2], [5, 2], [7, 2]], np.float64)
"""Means 4 and 2, biased variances 5 and 0."""


def lines(poolnorm: Command, words: str) -> list[str]:
    result = poolnorm(f"{words} --explain --no-values")
    assert (result.code, result.err) == (0, "")
    return result.out.splitlines()[1:]


def test_training_says_how_the_averages_moved(poolnorm: Command) -> None:
    np.save("x.npy", BATCH)

    assert lines(poolnorm, "bn x.npy --training --momentum 0.75 --epsilon 0") == [
        "training: the statistics are those of the batch",
        "N = 4 cells per channel (axis 0: 4 cells)",
        "mean = sum(x) / N = [4 2]",
        "variance = sum((x - mean)**2) / N = [5 0], the biased one",
        "y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, epsilon = 0",
        "moving_mean = moving_mean * 0.75 + batch * 0.25: [0 0] -> [1 0.5]",
        "moving_variance = moving_variance * 0.75 + batch * 0.25: [1 1] -> [2 0.75]",
    ]


def test_inference_says_what_it_amounts_to(poolnorm: Command) -> None:
    np.save("x.npy", BATCH)
    np.savez("w.npz", moving_mean=np.array([4.0, 2.0]), moving_variance=np.array([3.0, 0.0]))

    text = lines(poolnorm, "bn x.npy --weights w.npz --epsilon 1 --no-center --no-scale")
    assert text == [
        "inference: the statistics are the moving ones, and stay as they are",
        "y = (x - moving_mean) / sqrt(moving_variance + epsilon), epsilon = 1",
        "moving_mean = [4 2], moving_variance = [3 0]",
        "so y = x * scale + shift, scale = [0.5 1], shift = [-2 -2]",
    ]


def test_training_under_a_mask_says_how_many_cells_counted(poolnorm: Command) -> None:
    np.save("x.npy", BATCH)
    np.save("m.npy", np.array([True, True, False, False]))

    assert lines(poolnorm, "bn x.npy --training --mask m.npy")[1:4] == [
        "n = [2] cells per channel that the mask lets count, of axis 0: 4 cells",
        "mean = sum(x where the mask is true) / (n + 1e-07) = [2 2]",
        "variance = sum((x - mean)**2 where it is) / (n + 1e-07) = [1 1e-14], the biased one",
    ]


def test_renorm_says_what_r_and_d_were(poolnorm: Command) -> None:
    np.save("x.npy", BATCH)
    words = "bn x.npy --training --renorm --renorm-clipping rmax=2,dmax=3 --epsilon 0"
    text = lines(poolnorm, words)

    assert text[4:7] == [
        "r = sqrt(variance + epsilon) / renorm_stddev = [2 0], clipped by rmax=2,dmax=3",
        "d = (mean - renorm_mean) / renorm_stddev = [3 2], clipped by rmax=2,dmax=3",
        "y = ((x - mean) / sqrt(variance + epsilon) * r + d) * gamma + beta, epsilon = 0",
    ]
    assert text[-1] == "moving_variance = max(moving_stddev**2 - epsilon, 0) = [1.02487 0.9801]"


def test_ghosts_fused_and_adjustment_are_explained(poolnorm: Command) -> None:
    np.save("x.npy", BATCH.astype(np.float32).reshape(4, 1, 1, 2))
    np.savez("a.npz", scale=np.full(2, 2.0))

    assert (
        "2 ghost batches of 2 samples, each with its own statistics: sample i is in ghost batch "
        "i % 2; the first one's are shown"
    ) in lines(poolnorm, "bn x.npy --training --virtual-batch-size 2")
    assert ("the batch's variance counts N / (N - 1) = 1.33333 fold") in lines(
        poolnorm, "bn x.npy --training --fused"
    )
    assert ("s and b are the scale and bias of the adjustment 'a.npz'") in lines(
        poolnorm, "bn x.npy --training --adjustment a.npz"
    )
    assert lines(poolnorm, "bn x.npy --training --no-trainable")[0].startswith("inference: ")


def test_pooling_says_window_stride_pads_and_divisor(poolnorm: Command) -> None:
    np.save("x.npy", np.zeros((1, 28, 5, 3)))

    assert lines(poolnorm, "pool average x.npy --pool-size 3,2 --strides 2 --padding same") == [
        (
            "axis 1: 28 cells, window 3, stride 2, padding 'same': ceil(28 / 2) = 14 places; "
            "pads max((14 - 1) * 2 + 3 - 28, 0) = 1: 0 before, 1 after"
        ),
        "axis 1: real cells under the window: 3 at places 0-12, 2 at place 13",
        (
            "axis 2: 5 cells, window 2, stride 2, padding 'same': ceil(5 / 2) = 3 places; "
            "pads max((3 - 1) * 2 + 2 - 5, 0) = 1: 0 before, 1 after"
        ),
        "axis 2: real cells under the window: 2 at places 0-1, 1 at place 2",
        (
            "y = sum of the cells under the window / the real cells, 2 to 6 of them; "
            "padding does not count"
        ),
    ]
    assert lines(poolnorm, "pool max x.npy")[1:] == [
        (
            "axis 2: 5 cells, window 2, stride 2, padding 'valid': (5 - 2) // 2 + 1 = 2 places; "
            "cell 4 never read"
        ),
        "y = max of the cells under the window; NaN wins, padding is never looked at",
    ]
    assert lines(poolnorm, "pool average x.npy")[2] == (
        "y = sum of the cells under the window / the 4 cells; padding does not count"
    )


def test_global_pooling_and_layer_normalization_say_over_which_cells(poolnorm: Command) -> None:
    np.save("x.npy", np.zeros((2, 4, 5, 3)))

    assert lines(poolnorm, "gpool average x.npy --keepdims") == [
        "y = mean over axes 1,2: 4 * 5 = 20 cells of each sample and channel",
        "the axes keep size 1",
    ]
    assert lines(poolnorm, "ln x.npy --axis 1,3 --no-center") == [
        "mean and variance over axes 1,3: 4 * 3 = 12 cells, one of each per place of (2,5)",
        "variance = sum((x - mean)**2) / N, the biased one",
        "the first of them: mean = 0, variance = 0",
        "y = (x - mean) / sqrt(variance + epsilon) * gamma, epsilon = 0.001",
        "gamma = [1 1 1 1 ...]",
    ]


def test_groups_squares_norms_and_even_covers_are_explained(poolnorm: Command) -> None:
    x = np.zeros((2, 7, 4))
    x[0, :, 0], x[0, :, 2], x[0, 0, 1] = 3, 100, 4
    np.save("x.npy", x)

    assert lines(poolnorm, "gn x.npy --groups 2 --no-center") == [
        "4 channels in 2 groups of 2, split as (2,7,2,2)",
        "mean and variance over axes 1,3: 7 * 2 = 14 cells of each sample and group",
        "variance = sum((x - mean)**2) / N, the biased one",
        "the first of them: mean = 1.78571, variance = 2.45408",
        "y = (x - mean) / sqrt(variance + epsilon) * gamma, epsilon = 0.001",
        "gamma = [1 1 1 1]",
    ]
    assert lines(poolnorm, "rms x.npy") == [
        "mean(x**2) over axis 2: 4 cells, one of each per place of (2,7)",
        "the first of them: mean(x**2) = 2506.25",
        "y = x / sqrt(mean(x**2) + epsilon) * scale, epsilon = 1e-06",
        "scale = [1 1 1 1]",
    ]
    assert lines(poolnorm, "unit x.npy --axis 1,2") == [
        "norm = sqrt(sum(x**2)) over axes 1,2: 7 * 4 = 28 cells, one of each per place of (2)",
        "the first of them: norm = 264.724",
        "y = x / max(norm, 1e-12)",
    ]
    assert lines(poolnorm, "apool average x.npy --output-size 3") == [
        "axis 1: 7 cells, 3 windows from floor(i * 7 / 3) to ceil((i + 1) * 7 / 3): 0-3, 2-5, 4-7",
        "y = mean of the cells under each window",
    ]


@pytest.mark.parametrize("words", LAYERS)
def test_every_layer_explains_itself(words: str) -> None:
    needed: dict[str, Any] = {"output_size": 3} if words.startswith("apool") else {}
    layer: Any = find(*words.split())(**needed)
    shape = (2, 6, 6, 32)
    text = layer.explain(Facts(shape, initial_weights(layer, shape, "float32")))

    assert text
    assert all(line == line.strip() and "\n" not in line for line in text)


def test_json_has_the_explanation_and_quiet_has_not(poolnorm: Command) -> None:
    np.save("x.npy", BATCH)
    (result,) = json.loads(poolnorm("bn x.npy --explain --json").out)["results"]

    assert result["explanation"][0].startswith("inference: ")
    assert "explanation" not in json.loads(poolnorm("bn x.npy --json").out)["results"][0]
    assert poolnorm("bn x.npy --explain -q").out == ""
