"""What the sweep measures: layers by shapes, types and layouts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """A layer on an input.

    Attributes:
        words: The layer in the words of the command line; `training` behind them for statistics.
        parameters: Of the layer, as its class takes them.
        shape: Of the input, channels last.
        dtype: Of the input.
        layout: Where the channels are put; `shape` is turned accordingly.
    """

    words: str
    parameters: dict[str, Any]
    shape: tuple[int, ...]
    dtype: str = "float32"
    layout: str = "channels_last"

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape with the channels where the layout has them."""
        if self.layout == "channels_last":
            return self.shape
        return self.shape[0], self.shape[-1], *self.shape[1:-1]

    @property
    def layer(self) -> str:
        """The layer in a few words: `pool max 3/1 same`."""
        given = self.parameters
        size, stride = given.get("pool_size"), given.get("strides")
        more = [f"{size}/{stride}"] if size else []
        more += ["same"] if given.get("padding") == "same" else []
        more += [f"to {given['output_size']}"] if "output_size" in given else []
        more += [f"{given['groups']} groups"] if "groups" in given else []
        return " ".join([self.words, *more])

    @property
    def name(self) -> str:
        """The row in a line."""
        sizes = "x".join(map(str, self.sizes))
        first = " channels first" if self.layout == "channels_first" else ""
        return f"{self.layer} | {sizes}{first} | {self.dtype}"


IMAGES = (
    (16, 224, 224, 3),
    (64, 112, 112, 1),
    (16, 56, 56, 64),
    (16, 28, 28, 256),
    (64, 7, 7, 2048),
)
SEQUENCES = ((32, 512, 768), (32, 8000, 16))
VOLUMES = ((4, 16, 56, 56, 16), (2, 32, 64, 64, 4))
OTHER_TYPES = ((16, 224, 224, 3), (16, 28, 28, 256), (32, 512, 768))
"""Shapes for which there are types other than float32."""
INTEGERS = ("uint8", "int32", "int64")
FLOATS = ("float64", "float16", "bfloat16")


def _pool(size: int, stride: int, padding: str = "valid") -> dict[str, Any]:
    return {"pool_size": size, "strides": stride, "padding": padding}


Layers = tuple[tuple[str, dict[str, Any]], ...]
SPATIAL: Layers = (
    ("pool max", _pool(2, 2)),
    ("pool max", _pool(3, 1, "same")),
    ("pool average", _pool(2, 2)),
    ("pool average", _pool(3, 2, "same")),
    ("pool average", _pool(5, 1, "same")),
    ("pool max", _pool(5, 1, "same")),
    ("gpool average", {}),
    ("gpool max", {}),
    ("apool average", {"output_size": 5}),
    ("apool max", {"output_size": 5}),
)
CHANNELS: Layers = (("bn", {}), ("bn training", {}), ("in", {}))
LAST: Layers = (("ln", {}), ("rms", {}), ("unit", {}))


def rows() -> Iterator[Row]:
    """Yield all rows, the layers of one input together."""
    for shape in (*IMAGES, *SEQUENCES, *VOLUMES):
        yield from _of_shape(shape, "float32")
    for dtype in FLOATS:
        for shape in OTHER_TYPES:
            yield from _of_shape(shape, dtype)
    for dtype in INTEGERS:
        for words, parameters in SPATIAL:
            if words.endswith("max"):
                yield Row(words, parameters, (16, 56, 56, 64), dtype)


def _of_shape(shape: tuple[int, ...], dtype: str) -> Iterator[Row]:
    for layout in ("channels_last", "channels_first"):
        few = dtype != "float32" and layout == "channels_first"
        for words, parameters in SPATIAL:
            if few and words.split()[0] == "pool":
                continue
            small = {"output_size": 3} if "output_size" in parameters and shape[1] < 14 else {}
            yield Row(words, {**parameters, **small}, shape, dtype, layout)
        for words, parameters in CHANNELS:
            yield Row(words, parameters, shape, dtype, layout)
    for words, parameters in LAST:
        yield Row(words, parameters, shape, dtype)
    if shape[-1] % 8 == 0:
        yield Row("gn", {"groups": 8}, shape, dtype)
