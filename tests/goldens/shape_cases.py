"""Random layers and input shapes, some of their sizes not known, for `compute_output_shape`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple


if TYPE_CHECKING:
    from collections.abc import Iterator


class ShapeCase(NamedTuple):
    """A layer, its parameters by Keras' names, and the shape of an input."""

    words: str
    params: dict[str, Any]
    shape: list[int | None]


def shape_cases(count: int, seed: int) -> Iterator[ShapeCase]:
    """Draw layers of all kinds in turn.

    Args:
        count: How many.
        seed: Of the generator.

    Yields:
        The cases; windows may be larger than the input, which both sides refuse.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    for index in range(count):
        words = _WORDS[index % len(_WORDS)]
        family = words.split()[0]
        yield (_pooled if family in _POOLS else _normalized)(words, draw)


def _size(draw: random.Random, most: int) -> int:
    """Draw a size: mostly a small one."""
    return draw.choice([draw.randint(1, 9), draw.randint(1, most), draw.randint(1, most)])


def _pooled(words: str, draw: random.Random) -> ShapeCase:
    family, rank = words.split(maxsplit=1)[0], draw.randint(1, 3)
    spatial: list[int | None] = [_size(draw, 300) for _ in range(rank)]
    if family != "apool" and draw.random() < 0.25:
        spatial[draw.randrange(rank)] = None
    batch, channels = draw.choice([None, draw.randint(1, 64)]), draw.randint(1, 64)
    first = draw.random() < 0.5
    params: dict[str, Any] = {"data_format": "channels_first"} if first else {}
    params |= _POOLS[family](draw, rank)
    shape = [batch, channels, *spatial] if first else [batch, *spatial, channels]
    return ShapeCase(words, params, shape)


def _windows(draw: random.Random, rank: int) -> dict[str, Any]:
    sizes = [_size(draw, 40) for _ in range(rank)]
    params: dict[str, Any] = {"pool_size": draw.choice([sizes, sizes[0]])}
    if draw.random() < 0.7:
        strides = [_size(draw, 40) for _ in range(rank)]
        params["strides"] = draw.choice([strides, strides[0]])
    return params | {"padding": draw.choice(["valid", "same"])}


def _whole(draw: random.Random, rank: int) -> dict[str, Any]:
    del rank
    return {"keepdims": draw.random() < 0.5}


def _even(draw: random.Random, rank: int) -> dict[str, Any]:
    sizes = [_size(draw, 40) for _ in range(rank)]
    return {"output_size": draw.choice([sizes, sizes[0]])}


def _normalized(words: str, draw: random.Random) -> ShapeCase:
    rank = draw.randint(2, 5)
    shape: list[int | None] = [draw.randint(1, 64) for _ in range(rank)]
    axis: Any = draw.choice([-1, rank - 1, 1])
    if words in {"ln", "rms", "unit"} and draw.random() < 0.5:
        axis = draw.sample(range(1, rank), draw.randint(1, rank - 1))
    params = {"axis": axis}
    axes = {a % rank for a in (axis if isinstance(axis, list) else [axis])}
    for index in range(rank):
        if index not in axes and draw.random() < 0.4:
            shape[index] = None
    if words == "gn":
        channels = shape[axis % rank] or 1
        params["groups"] = draw.choice([m for m in range(1, channels + 1) if channels % m == 0])
    return ShapeCase(words, params, shape)


_POOLS = {"pool": _windows, "gpool": _whole, "apool": _even}
_WORDS = (
    *("pool max", "pool average", "pool max", "pool average", "gpool max", "gpool average"),
    *("apool max", "apool average", "bn", "ln", "gn", "in", "rms", "unit"),
)
