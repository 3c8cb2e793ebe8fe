"""Random chains of layers, with inputs and weights, to compare ways of running them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.backends import Backend
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.chain import Chain, Link, between
from poolnorm_cli.layers.pipeline import Pipeline, make_pipeline


Array = NDArray[Any]
Weights = dict[str, Array]


@dataclass(frozen=True)
class ChainCase:
    """Layers, the shape and dtype of an input, and what numbers are drawn by."""

    layers: tuple[Layer, ...]
    shape: tuple[int, ...]
    dtype: str
    seed: int

    @property
    def pipeline(self) -> Pipeline:
        return make_pipeline(list(enumerate(self.layers, 1)))

    @property
    def chain(self) -> Chain:
        return Chain.of(self.pipeline, self.shape, self.dtype)

    def x(self) -> Array:
        """Return the input, in the dtype in which it is held in memory."""
        random = np.random.default_rng(self.seed)
        if np.dtype(held(self.dtype)).kind in "iu":
            return random.integers(0, 100, self.shape).astype(self.dtype)
        numbers = (random.standard_normal(self.shape) * 3 + 2).astype("f4")
        return between(numbers, self.dtype, held(self.dtype))

    def weights(self) -> tuple[Weights, ...]:
        """Return weights for each layer: positive ones, which variances have to be."""
        random = np.random.default_rng(self.seed + 1)
        kind = "f8" if self.dtype == "float64" else "f4"
        return tuple(
            {n: (random.random(s) + 0.5).astype(kind) for n, s in _shapes(link).items()}
            for link in self.chain.links
        )


def held(dtype: str) -> str:
    """Return the dtype of blocks in memory: NumPy has no bfloat16."""
    return "float32" if dtype == "bfloat16" else dtype


def _shapes(link: Link) -> dict[str, tuple[int, ...]]:
    return link.layer.weight_shapes(link.shape)


def random_chains(count: int, seed: int) -> Iterator[ChainCase]:
    """Draw chains of two to four layers that fit each other."""
    random = np.random.default_rng(seed)
    while count:
        rank = int(random.integers(3, 6))
        shape = (3, *(int(n) for n in random.integers(4, 9, rank - 2)), 6)
        dtypes = ["float32", "float32", "float64", "float16", "bfloat16", "int32", "uint8"]
        dtype = str(random.choice(dtypes))
        layers = tuple(_layer(random) for _ in range(random.integers(2, 5)))
        case = ChainCase(layers, shape, dtype, int(random.integers(1 << 30)))
        try:
            case.chain  # noqa: B018 - which refuses layers that do not fit
        except UsageError:
            continue
        count -= 1
        yield case


def _layer(random: np.random.Generator) -> Layer:
    words = str(random.choice(list(LAYERS)))
    parameters: dict[str, Any] = {}
    if words.startswith("pool"):
        parameters = {
            "pool_size": (int(random.integers(1, 5)),),
            "padding": str(random.choice(["valid", "same"])),
            "strides": None if random.random() < 0.5 else (int(random.integers(1, 4)),),
        }
    elif words.startswith("apool"):
        parameters = {"output_size": (int(random.integers(1, 5)),)}
    elif words.startswith("gpool"):
        parameters = {"keepdims": bool(random.random() < 0.7)}
    elif words == "gn":
        parameters = {"groups": int(random.choice([1, 2, 3, -1]))}
    elif words != "in" and "axis" in {p.name for p in find(*words.split()).parameters()}:
        parameters = {"axis": (-1,) if random.random() < 0.7 else (1,)}
    if words.split(maxsplit=1)[0] in ("pool", "apool", "gpool") and random.random() < 0.3:
        parameters["data_format"] = "channels_first"
    return find(*words.split())(**parameters)


def one_after_another(
    case: ChainCase,
    x: Array,
    weights: tuple[Weights, ...],
    backend: Backend,
    training: bool = False,
) -> Array:
    """Run layers as commands do that write a file each; bfloat16 is rounded in between."""
    for link, own in zip(case.chain.links, weights, strict=True):
        y, _ = run_array(link.layer, x, own, training=training, backend=backend)
        x = between(y, link.result, held(link.result))
    return x
