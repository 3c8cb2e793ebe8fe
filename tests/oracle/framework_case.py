"""A test of a framework's own, in the words of the command."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.layers import LAYERS


if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tests.conftest import Command

    Array = NDArray[Any]

BOUNDS = {"float32": (2e-5, 2e-5), "float64": (1e-9, 1e-9), "float16": (2e-3, 2e-3)}
"""Dtype -> relative and absolute difference."""


@dataclass
class Case:
    """An input, what is typed, and what the framework gives.

    Attributes:
        name: How the framework calls it.
        x: The input.
        words: What is typed, without files and backend.
        y: The framework's output.
        indices: Its indices of maxima.
        places: Indices that it is given.
        weights: Weights by their names here.
        moved: Weights after training, by their names here.
        none: Why it cannot be typed; nothing where it can.
        bound: A relative difference that the framework allows itself.
    """

    name: str
    x: Array
    words: str = ""
    y: Array | None = None
    indices: Array | None = None
    places: Array | None = None
    weights: dict[str, Array] = field(default_factory=dict)
    moved: dict[str, Array] = field(default_factory=dict)
    none: str = ""
    bound: float = 0.0

    @property
    def missing(self) -> str:
        """Why it cannot be typed, as far as layers go."""
        verb, kind = self.words.split()[:2] if self.words else ("", "")
        known = {verb, f"{verb} {kind}"} & {*LAYERS, "unpool"}
        return self.none or ("" if known else f"{verb} {kind}")

    def wrong(self, poolnorm: Command, backend: str) -> str:
        """Run the command; return what is wrong, nothing where the answer is the framework's."""
        np.save("x.npy", self.x)
        words = f"{self.words} x.npy -o y.npy --overwrite -q --backend {backend}"
        if self.weights:
            np.savez("w.npz", **self.weights)  # type: ignore[arg-type] # by their names
            words += " --weights w.npz"
        if self.moved:
            words += " --save-weights moved.npz"
        if self.indices is not None:
            words += " --indices i.npy"
        if self.places is not None:
            np.save("places.npy", self.places)
            words += " --indices places.npy"
        result = poolnorm(words)
        told = f"{self.name}: {words} on {self.x.shape} {self.x.dtype}"
        if result.code:
            return f"{told}: {result.err.strip()}"
        pairs = [("the output", np.load("y.npy"), self.y)]
        if self.indices is not None:
            pairs.append(("indices", np.load("i.npy"), self.indices))
        if self.moved:
            with np.load("moved.npz") as moved:
                pairs += [(name, moved[name], array) for name, array in self.moved.items()]
        unlike = [what for what, found, want in pairs if not _alike(found, want, self.bound)]
        return f"{told}: {', '.join(unlike)}" if unlike else ""


def _alike(found: Array, want: Array | None, bound: float) -> bool:
    assert want is not None
    if found.shape != want.shape:
        return False
    if want.dtype.kind in "iu":
        return bool(np.array_equal(found, want))
    rtol, atol = BOUNDS[want.dtype.name]
    return bool(np.allclose(found, want, rtol=max(rtol, bound), atol=atol, equal_nan=True))


def pads_word(low: Sequence[int], high: Sequence[int]) -> str:
    """Write padding as it is typed."""
    return ",".join(f"{a}:{b}" for a, b in zip(low, high, strict=True))


def sizes_word(sizes: int | Sequence[int]) -> str:
    """Write a size, or one for each axis, as it is typed."""
    return str(sizes) if isinstance(sizes, int) else ",".join(map(str, sizes))
