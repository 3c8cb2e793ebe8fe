"""Batch normalization in words, with the numbers of a run."""

from typing import TYPE_CHECKING

from poolnorm_cli.formulas import cell_count_text
from poolnorm_cli.layers.batch_norm.statistics import (
    BATCHES,
    KERAS_EPSILON,
    fold,
    mean_and_variance,
)
from poolnorm_cli.layers.call import Facts
from poolnorm_cli.layers.explain import format_vector, moving_average_lines
from poolnorm_cli.shapes import Shape, counted


if TYPE_CHECKING:
    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.layers.batch_norm.parameters import BatchParameters


def explain(layer: "BatchParameters", facts: Facts) -> list[str]:
    """Write which statistics were used, by which formula, and how the moving ones moved.

    Args:
        layer: The layer.
        facts: The run.

    Returns:
        The lines.
    """
    if facts.moments is None:
        return _inference(layer, facts)
    lines = [*_statistics(layer, facts, facts.moments), *_formula(layer, facts, facts.moments)]
    return [*lines, *_moved(layer, facts)]


def shape_lines(layer: "BatchParameters", shape: Shape) -> list[str]:
    """Write what the layer does with any input of a shape, in inference and in training.

    Args:
        layer: The layer.
        shape: Shape of the input, whose dims may be symbolic.

    Returns:
        The lines.
    """
    moving = _affine("(x - moving_mean) / sqrt(moving_variance + epsilon)", layer)
    lines = [f"inference: y = {moving}, epsilon = {layer.epsilon:g}; no statistics are taken"]
    if not layer.trainable:
        return [*lines, "training: the same, for the layer is not trainable"]
    over = cell_count_text(shape, layer.reduced_axes(len(shape)))
    own = _affine(_corrected("(x - mean) / sqrt(variance + epsilon)", layer), layer)
    ghosts = layer.virtual_batch_size
    each = f", of each ghost batch of {ghosts} samples" if ghosts is not None else ""
    variance = "moving_stddev" if layer.renorm else "moving_variance"
    moved = "batch * N / (N - 1)" if layer.moves_unbiased else "batch"
    keep, share = "(1 - 1 / n)", "1 / n, n the number of batches so far"
    if layer.momentum is not None:
        keep, share = f"{layer.momentum:g}", f"{1 - layer.momentum:g}"
    return [
        *lines,
        f"training: mean and variance over {over} per channel{each}, the variance the biased one",
        f"training: y = {own}",
        f"training: moving_mean = moving_mean * {keep} + batch * {share}",
        f"training: {variance} = {variance} * {keep} + {moved} * {share}",
    ]


def _corrected(inner: str, layer: "BatchParameters") -> str:
    """Write what renorm and an adjustment make of the normalized value."""
    if layer.renorm:
        inner = f"({inner} * r + d)"
    return f"({inner} * s + b)" if layer.adjustment is not None else inner


def _inference(layer: "BatchParameters", facts: Facts) -> list[str]:
    folded = fold(facts.weights, layer.epsilon)
    affine = _affine("(x - moving_mean) / sqrt(moving_variance + epsilon)", layer)
    return [
        "inference: the statistics are the moving ones, and stay as they are",
        f"y = {affine}, epsilon = {layer.epsilon:g}",
        (
            f"moving_mean = {format_vector(facts.weights['moving_mean'])}, "
            f"moving_variance = {format_vector(facts.weights['moving_variance'])}"
        ),
        (
            f"so y = x * scale + shift, scale = {format_vector(folded['scale'])}, "
            f"shift = {format_vector(folded['shift'])}"
        ),
    ]


def _statistics(layer: "BatchParameters", facts: Facts, moments: "Moments") -> list[str]:
    lines = ["training: the statistics are those of the batch"]
    if layer.is_synchronized(training=True):
        lines.append("synchronized: the batch is that of all inputs together")
    if layer.virtual_batch_size is not None:
        groups = len(moments.mean)
        lines.append(
            f"{groups} ghost batches of {layer.virtual_batch_size} samples, each with its own "
            f"statistics: sample i is in ghost batch i % {groups}; the first one's are shown"
        )
    shown = slice(1) if layer.virtual_batch_size is not None else slice(None)
    axes = layer.statistics_axes(len(facts.shape), training=True)
    over = (
        cell_count_text(facts.shape, axes) if not layer.virtual_batch_size else "each ghost batch"
    )
    if moments.masked:
        return [*lines, *_masked(moments, over)]
    squares = "sum((x - mean)**2)"
    return [
        *lines,
        f"N = {counted(int(moments.count), 'cell')} per channel ({over})",
        f"mean = sum(x) / N = {format_vector(moments.mean[shown])}",
        f"variance = {squares} / N = {format_vector(moments.variance[shown])}, the biased one",
    ]


def _masked(moments: "Moments", over: str) -> list[str]:
    mean, variance = mean_and_variance(moments)
    divisor = f"(n + {KERAS_EPSILON:g})"
    squares = f"sum((x - mean)**2 where it is) / {divisor}"
    return [
        f"n = {format_vector(moments.count)} cells per channel that the mask lets count, of {over}",
        f"mean = sum(x where the mask is true) / {divisor} = {format_vector(mean)}",
        f"variance = {squares} = {format_vector(variance)}, the biased one",
    ]


def _formula(layer: "BatchParameters", facts: Facts, moments: "Moments") -> list[str]:
    inner = "(x - mean) / sqrt(variance + epsilon)"
    lines = []
    if layer.renorm:
        terms = layer.corrections(moments, facts.weights)
        clipped = f", clipped by {layer.renorm_clipping}" if layer.renorm_clipping else ""
        lines = [
            f"r = sqrt(variance + epsilon) / renorm_stddev = {format_vector(terms['r'])}{clipped}",
            f"d = (mean - renorm_mean) / renorm_stddev = {format_vector(terms['d'])}{clipped}",
        ]
    if layer.adjustment is not None:
        lines.append(f"s and b are the scale and bias of the adjustment {layer.adjustment!r}")
    y = _affine(_corrected(inner, layer), layer)
    return [*lines, f"y = {y}, epsilon = {layer.epsilon:g}"]


def _affine(inner: str, layer: "BatchParameters") -> str:
    return f"{inner}{' * gamma' if layer.scale else ''}{' + beta' if layer.center else ''}"


def _moved(layer: "BatchParameters", facts: Facts) -> list[str]:
    if facts.updated is None or facts.moments is None:
        return []
    if not (facts.moments.masked or facts.moments.count):
        return ["an empty batch leaves the moving statistics as they are"]
    variance = "moving_stddev" if layer.renorm else "moving_variance"
    momentum = layer.momentum
    if momentum is None:
        momentum = 1 - 1 / float(facts.updated[BATCHES].max(initial=1))
    momenta = {"moving_mean": momentum, variance: momentum}
    if layer.renorm:
        momenta |= dict.fromkeys(("renorm_mean", "renorm_stddev"), layer.renorm_momentum)
    lines = moving_average_lines(facts.weights, facts.updated, momenta)
    if layer.moves_unbiased and not facts.moments.masked:
        count = int(facts.moments.count)
        lines.append(
            f"the batch's variance counts N / (N - 1) = {count / max(count - 1, 1):g} fold"
        )
    if layer.renorm:
        moved = format_vector(facts.updated["moving_variance"])
        lines.append(f"moving_variance = max(moving_stddev**2 - epsilon, 0) = {moved}")
    return lines
