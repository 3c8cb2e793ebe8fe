"""What is measured: layers, and inputs by shape and dtype."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """A layer in the words of the command line, and in those that the scripts of the peers read."""

    name: str
    command: tuple[str, ...]
    op: str
    pool: int = 0
    stride: int = 0
    padding: str = "valid"
    peers: tuple[str, ...] = ("torch", "keras", "onnxruntime")

    def spec(self) -> dict[str, Any]:
        return {"op": self.op, "pool": self.pool, "stride": self.stride, "padding": self.padding}


def _pool(kind: str, size: int, stride: int, padding: str, *more: str) -> Case:
    flags = ("--pool-size", str(size), "--strides", str(stride), "--padding", padding)
    peers = ("torch", "keras", "onnxruntime", *more)
    name = f"pool {kind} {size}/{stride} {padding}"
    return Case(name, ("pool", kind, *flags), f"pool {kind}", size, stride, padding, peers)


LAYERS = (
    _pool("max", 2, 2, "valid", "skimage"),
    _pool("max", 3, 1, "same"),
    _pool("average", 2, 2, "valid", "skimage"),
    _pool("average", 3, 2, "same"),
    Case("gpool average", ("gpool", "average"), "gpool average"),
    Case("gpool max", ("gpool", "max"), "gpool max"),
    Case("bn", ("bn",), "bn"),
    Case("bn --training", ("bn", "--training"), "bn training", peers=("torch", "keras")),
    Case("ln", ("ln",), "ln"),
)
WINDOWS = tuple(
    _pool(kind, size, 1, "same") for kind in ("max", "average") for size in (2, 3, 7, 15, 31, 64)
)


@dataclass(frozen=True)
class Input:
    """A file of normally distributed numbers."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    count: int = field(default=1)

    @property
    def megabytes(self) -> float:
        size = {"float16": 2, "float32": 4, "float64": 8}[self.dtype] * self.count
        for dim in self.shape:
            size *= dim
        return size / 1e6


SMALL = Input("4x28x28x3", (4, 28, 28, 3))
FEW = Input("64x224x224x3", (64, 224, 224, 3))
MANY = Input("64x224x224x64", (64, 224, 224, 64))
INSIDE = (FEW, Input("32x112x112x64", (32, 112, 112, 64)))
MORE = (
    Input("8x112x112x512", (8, 112, 112, 512)),
    Input("64x224x224x1", (64, 224, 224, 1)),
    Input("32x224x224x3-float16", (32, 224, 224, 3), "float16"),
    Input("32x224x224x3-float64", (32, 224, 224, 3), "float64"),
)
TINY = (Input("2x16x16x3", (2, 16, 16, 3)),)
GROWTH = tuple(Input(f"grow{n}", (n, 128, 128, 16)) for n in (10, 30, 100, 300, 1000))
HUGE = tuple(Input(f"grow{n}", (n, 128, 128, 16)) for n in (3000, 10000))
FILES = tuple(Input(f"files{n}", (4, 28, 28, 3), count=n) for n in (10, 100, 1000))
MANY_FILES = (Input("files10000", (4, 28, 28, 3), count=10000),)
