"""Random layers and inputs for which conventions are compared with the frameworks themselves."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.layers import LAYERS, find


if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from poolnorm_cli.calculator.convention import Convention
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.shapes import Shape

    Array = NDArray[Any]


class Case:
    """A layer, an input, weights that are not as they start, and what the layer gives here."""

    def __init__(self, layer: Layer, shape: tuple[int, ...], seed: int) -> None:
        """Draw the input and the weights."""
        draw = np.random.default_rng(seed)
        self.layer, self.shape = layer, shape
        self.x = draw.standard_normal(shape).astype(np.float32)
        self.weights = {
            name: draw.uniform(0.5, 1.5, sizes).astype(np.float32)
            for name, sizes in layer.weight_shapes(shape).items()
        }
        self.y, _ = run_array(layer, self.x, self.weights)

    def named(self) -> Shape:
        """Return the shape with names where the layer needs no number."""
        letters: tuple[Any, ...] = ("N", "D", "H", "W", "C", "E")
        shape: Shape = letters[: len(self.shape)]
        axes = {axis % len(shape) for axis in getattr(self.layer, "axis", ())}
        return tuple(self.shape[a] if a in axes else n for a, n in enumerate(shape))

    def turned(self, convention: Convention, array: Array) -> Array:
        """Bring an input or an output into the framework's order of axes."""
        if array.ndim != len(convention.order):  # global pooling has dropped what is moved
            return array
        return np.ascontiguousarray(array.transpose(convention.order))

    def agrees(self, convention: Convention, y: Array) -> bool:
        """Whether a framework's answer is Keras'."""
        want = self.turned(convention, self.y)
        return y.shape == want.shape and bool(np.allclose(y, want, rtol=1e-4, atol=1e-5))

    def __str__(self) -> str:
        """Name the case in a message."""
        return f"{self.layer.call_text(self.shape)} on {self.shape}"


def cases(words: str, count: int, seed: int = 20260203) -> Iterator[Case]:
    """Draw layers and inputs of a kind.

    Args:
        words: The layer, as `pool max`.
        count: How many.
        seed: Of the generator.

    Yields:
        The cases, all of which the layer can take.
    """
    draw = random.Random(f"{seed} {words}")  # noqa: S311 - no secret
    family = words.split(maxsplit=1)[0]
    made = 0
    while made < count:
        spatial = draw.randint(1, 3)
        most = {1: 20, 2: 9, 3: 6}[spatial]
        # Axes of one cell make different layers alike by chance.
        least = 2 if family in {"ln", "rms", "unit"} else 1
        sizes = [draw.randint(least, most) for _ in range(spatial)]
        channels = draw.choice([least, 2, 3, 4, 6])
        parameters: dict[str, Any] = {}
        shape = (draw.randint(1, 3), *sizes, channels)
        if family in {"pool", "gpool", "apool"}:
            if draw.random() < 0.5:
                parameters["data_format"] = "channels_first"
                shape = (shape[0], channels, *sizes)
            parameters |= _POOLS[family](draw, sizes)
        else:
            parameters |= _norm(family, draw, shape)
        layer = find(*words.split())(**parameters)
        windows = zip(getattr(layer, "pool_size", ()), sizes, strict=False)
        if parameters.get("padding") == "valid" and any(k > n for k, n in windows):
            continue
        made += 1
        yield Case(layer, shape, made)


def _pool(draw: random.Random, sizes: list[int]) -> dict[str, Any]:
    return {
        "pool_size": tuple(draw.randint(1, 5) for _ in sizes),
        "strides": draw.choice([None, tuple(draw.randint(1, 5) for _ in sizes)]),
        "padding": draw.choice(["valid", "same", "same"]),
    }


def _gpool(draw: random.Random, sizes: list[int]) -> dict[str, Any]:
    del sizes
    return {"keepdims": draw.random() < 0.5}


def _apool(draw: random.Random, sizes: list[int]) -> dict[str, Any]:
    if draw.random() < 0.5:
        divisors = [[m for m in range(1, n + 1) if n % m == 0] for n in sizes]
        return {"output_size": tuple(map(draw.choice, divisors))}
    return {"output_size": tuple(draw.randint(1, 6) for _ in sizes)}


_POOLS = {"pool": _pool, "gpool": _gpool, "apool": _apool}


def _norm(family: str, draw: random.Random, shape: tuple[int, ...]) -> dict[str, Any]:
    rank = len(shape)
    if family == "lrn":
        return {
            "size": draw.randint(1, 6),
            "alpha": draw.choice([1e-4, 0.5]),
            "beta": draw.choice([0.75, 1.0]),
            "bias": draw.choice([1.0, 2.0]),
            "data_format": draw.choice(["channels_last", "channels_first"]),
        }
    parameters: dict[str, Any] = {"axis": draw.choice([-1, -1, rank - 1, 1])}
    if family in {"ln", "rms", "unit"} and draw.random() < 0.5:
        axes = draw.sample(range(1, rank), draw.randint(1, rank - 1))
        parameters["axis"] = tuple(axes)
    if family == "gn":
        channels = shape[parameters["axis"]]
        parameters["groups"] = draw.choice([m for m in range(1, channels + 1) if channels % m == 0])
    if family in {"bn", "ln", "gn", "in", "rms"}:
        parameters["epsilon"] = draw.choice([1e-3, 1e-5, 0.1])
    if family in {"bn", "ln", "gn", "in"}:
        parameters |= {"center": draw.random() < 0.7, "scale": draw.random() < 0.7}
    if family == "bn":
        parameters["momentum"] = draw.choice([0.99, 0.5, 0.9])
        if draw.random() < 0.2:
            parameters["axis"] = tuple(draw.sample(range(1, rank), draw.randint(1, rank - 1)))
    return parameters


KINDS = tuple(LAYERS)
