"""Few large samples in several threads: each works on some of what is made of one."""

from typing import Any

import numpy as np
import pytest

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.errors import UsageError
from poolnorm_cli.kernels import native
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.pads import Pads


SHAPES = [
    (1, 40, 50, 40),
    (2, 12, 14, 30, 20),
    (3, 9000, 7),
    (1, 3, 130, 120),
    (1, 1, 200, 300),
    (5, 30, 2, 700),
    (1, 90000),
]
DTYPES = ["float32", "float64", "float16", "uint8"]
LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("pool max", {"pool_size": 2}),
    ("pool max", {"pool_size": 3, "strides": 1, "padding": "same"}),
    ("pool average", {"pool_size": 3, "strides": 2, "padding": "same"}),
    ("pool average", {"pool_size": 2, "divisor_override": 3}),
    ("pool min", {"pool_size": 3, "strides": 2, "dilation_rate": 2}),
    ("apool max", {"output_size": 3}),
    ("apool average", {"output_size": 5}),
    ("gpool average", {}),
    ("gpool max", {}),
    ("bn", {"axis": 1}),
    ("bn", {}),
    ("in", {"axis": 1}),
    ("gn", {"groups": 1, "axis": 1}),
    ("ln", {}),
    ("rms", {}),
    ("unit", {"axis": 1}),
]


def check(layer: Layer, x: Any, weights: Any = None) -> bool:
    """Hold what many threads make of an array against what one does; say whether it is taken."""
    given: dict[str, Any] = {}
    try:
        names = layer.weight_shapes(x.shape)
        layer.output_shape(x.shape)
    except UsageError:
        return False
    random = np.random.default_rng(1)
    given = {name: random.uniform(0.5, 2, shape) for name, shape in names.items()}
    expected, _ = run_array(layer, x, weights or given, threads=1)
    for threads in (2, 3, 16):
        found, _ = run_array(layer, x, weights or given, threads=threads)
        np.testing.assert_array_equal(found.view("u1"), expected.view("u1"), f"{layer} {x.shape}")
    return True


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("words", "given"), LAYERS, ids=str)
def test_threads_make_of_few_samples_what_one_does(
    words: str, given: dict[str, Any], dtype: str
) -> None:
    random, taken = np.random.default_rng(0), 0
    for shape in SHAPES:
        x = (random.standard_normal(shape, np.float32) * 9).astype(dtype)
        kinds = [given]
        if "pool" in words:
            kinds = [given | {"data_format": f"channels_{end}"} for end in ("last", "first")]
        taken += sum(check(find(*words.split())(**kind), x) for kind in kinds)
    assert taken > 2


def test_values_that_are_no_numbers_stay_where_they_are() -> None:
    random = np.random.default_rng(2)
    x = random.standard_normal((1, 60, 70, 16)).astype(np.float32)
    x[random.random(x.shape) < 0.01] = np.nan
    x[random.random(x.shape) < 0.01] = np.inf
    for words, given in LAYERS:
        check(find(*words.split())(**given), x)
    own: dict[str, Any] = {"axis": 1}
    check(find("bn")(**own), x.astype("f2"))


@pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")
def test_windows_of_every_kind_are_cut_where_they_begin() -> None:
    random, taken = np.random.default_rng(3), 0
    for _ in range(150):
        rank = int(random.integers(1, 4))
        spatial = tuple(
            int(n) for n in random.integers(*[(2000, 9000), (40, 90), (9, 24)][rank - 1], rank)
        )
        size = int(random.integers(1, 9 if rank < 3 else 4))
        dilation = int(random.integers(1, 4))
        given: dict[str, Any] = {
            "pool_size": size,
            "strides": int(random.integers(1, 6)),
            "dilation_rate": dilation,
        }
        if random.random() < 0.5:
            most = (size - 1) * dilation // 2 + 1
            low, high = (int(n) for n in random.integers(0, most, 2))
            given |= {"pads": Pads(((low, high),) * rank), "ceil_mode": bool(random.random() < 0.5)}
        else:
            given["padding"] = str(random.choice(["same", "same_lower", "valid"]))
        average = given | {"count_include_pad": bool(random.random() < 0.5)}
        x = random.standard_normal((int(random.integers(1, 4)), *spatial, 9), np.float32)
        for kind, own in (("max", given), ("average", average), ("min", given)):
            try:
                layer = find("pool", kind)(**own)
            except UsageError:
                continue
            taken += check(layer, x)
    assert taken > 100
