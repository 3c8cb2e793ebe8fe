"""Where max pooling finds its values: `--indices`, against its definition."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolnorm_cli.engine.job import Job
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.adaptive_pooling import AdaptiveMaxPooling
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.max_indices import indices_of
from poolnorm_cli.layers.pads import Pads
from poolnorm_cli.layers.pooling import MaxPooling
from poolnorm_cli.shapes import spatial_axes
from tests.cases import DTYPES, LAYOUTS
from tests.conftest import Command


Array = NDArray[Any]


def finder(layer: MaxPooling | AdaptiveMaxPooling) -> Layer:
    """Return the layer that gives indices."""
    found = indices_of(layer)
    assert found is not None
    return found


def under(layer: MaxPooling | AdaptiveMaxPooling, x: Array) -> dict[int, list[range]]:
    """List the cells under each window, on each axis."""
    if isinstance(layer, AdaptiveMaxPooling):
        bounds = layer.window_bounds(x.shape).items()
        return {axis: [range(*each) for each in found] for axis, found in bounds}
    found = {}
    for axis, w in layer.windows(x.shape).items():
        starts = [place * w.stride - w.low for place in range(w.count)]
        cells = [range(start, start + w.extent, w.dilation) for start in starts]
        found[axis] = [[c for c in each if 0 <= c < x.shape[axis]] for each in cells]
    return found  # type: ignore[return-value] # lists of cells, as ranges are


def by_definition(x: Array, layer: MaxPooling | AdaptiveMaxPooling) -> Array:
    """Go through the cells under each window in their order, as torch does."""
    windows = under(layer, x)
    axes = spatial_axes(x.ndim, layer.data_format)
    cells = np.moveaxis(x, axes, range(-len(axes), 0))
    sizes = [x.shape[a] for a in axes]
    counts = [len(windows[a]) for a in axes]
    found = np.zeros((*cells.shape[: -len(axes)], *counts), np.int64)
    for place in np.ndindex(found.shape):
        best = None
        image, at = cells[place[: -len(axes)]], place[-len(axes) :]
        for cell in product(*(windows[a][p] for p, a in zip(at, axes, strict=True))):
            value = image[cell]
            if best is None or value > best or value != value:  # noqa: PLR0124 - a NaN
                best, found[place] = value, np.ravel_multi_index(cell, sizes)
    return np.moveaxis(found, range(-len(axes), 0), axes)


def random_layer(random: np.random.Generator, rank: int, layout: Any) -> MaxPooling:
    """Make a layer of windows of any kind, some of which no input of few cells takes."""
    size = tuple(int(n) for n in random.integers(1, 5, rank))
    more: dict[str, Any] = {}
    kind = random.integers(0, 4)
    if kind == 1:
        more["padding"] = str(random.choice(["same", "same_lower"]))
    elif kind > 1:
        ends = [f"{random.integers(0, n)}:{random.integers(0, n)}" for n in size]
        more |= {"pads": Pads.of(",".join(ends)), "ceil_mode": bool(kind == 3)}
    strides = tuple(int(n) for n in random.integers(1, 4, rank))
    dilation = tuple(int(n) for n in random.integers(1, 3, rank))
    return MaxPooling(
        pool_size=size, strides=strides, dilation_rate=dilation, data_format=layout, **more
    )


def random_input(random: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """Make an input of many ties, and of NaN and infinities where its dtype has them."""
    x = random.integers(0, 4, shape).astype(dtype)
    if x.dtype.kind == "f":
        x[random.random(shape) < 0.1] = np.nan
        x[random.random(shape) < 0.3] = -np.inf
    return x


@pytest.mark.parametrize("seed", range(60))
def test_random_windows_find_the_first_maximum_and_the_last_nan(seed: int) -> None:
    random = np.random.default_rng(seed)
    rank, layout = int(random.integers(1, 4)), LAYOUTS[seed % 2]
    layer = random_layer(random, rank, layout)
    spatial = tuple(random.integers(4, 8 if rank < 3 else 6, rank))
    shape = (2, *spatial, 2) if layout == "channels_last" else (2, 2, *spatial)
    x = random_input(random, shape, DTYPES[seed % len(DTYPES)])
    try:
        layer.output_shape(x.shape)
    except UsageError:
        pytest.skip("no such window on these axes")

    found = finder(layer).apply(x, {})

    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, by_definition(x, layer))


@pytest.mark.parametrize("seed", range(40))
def test_adaptive_windows_find_the_first_maximum_and_the_last_nan(seed: int) -> None:
    random = np.random.default_rng(seed)
    rank, layout = int(random.integers(1, 4)), LAYOUTS[seed % 2]
    spatial = tuple(random.integers(1, 9 if rank < 3 else 6, rank))
    channels = int(random.choice([1, 3, 9]))
    shape = (2, *spatial, channels) if layout == "channels_last" else (2, channels, *spatial)
    x = random_input(random, shape, DTYPES[seed % len(DTYPES)])
    counts = tuple(int(n) for n in random.integers(1, 6, rank))
    kept: Any = {"data_format": layout}
    layer = AdaptiveMaxPooling(output_size=counts, **kept)

    found = finder(layer).apply(x, {})

    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, by_definition(x, layer))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [1, 3, 7, 83])
def test_strips_of_adaptive_windows_count_through_the_whole_sample(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, layout: str, count: int
) -> None:
    for name in ("WHOLE_SAMPLE_BYTES", "BLOCK_BYTES"):
        monkeypatch.setattr(f"poolnorm_cli.engine.blocks.{name}", 1 << 10)
    shape = (2, 84, 20, 3) if layout == "channels_last" else (2, 3, 84, 20)
    x = random_input(np.random.default_rng(count), shape, "float32")
    np.save("x.npy", x)
    kept: Any = {"data_format": layout}
    layer = AdaptiveMaxPooling(output_size=(count, 6), **kept)
    assert Job(finder(layer), dtype="int64").plan_of(shape, "float32").inner.strips

    result = poolnorm(
        f"apool max x.npy --output-size {count},6 --data-format {layout} --indices i.npy -q"
    )

    assert result.code == 0, result.err
    np.testing.assert_array_equal(np.load("i.npy"), by_definition(x, layer))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [3, 40])
def test_strips_count_through_the_whole_sample(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, layout: str, size: int
) -> None:
    for name in ("WHOLE_SAMPLE_BYTES", "BLOCK_BYTES"):
        monkeypatch.setattr(f"poolnorm_cli.engine.blocks.{name}", 1 << 10)
    shape = (2, 83, 20, 3) if layout == "channels_last" else (2, 3, 83, 20)
    x = random_input(np.random.default_rng(size), shape, "float32")
    np.save("x.npy", x)
    kept: Any = {"data_format": layout, "padding": "same"}
    layer = MaxPooling(pool_size=(size, 2), strides=(size - 1, 2), **kept)
    assert Job(finder(layer), dtype="int64").plan_of(shape, "float32").inner.strips

    result = poolnorm(
        f"pool max x.npy --pool-size {size},2 --strides {size - 1},2 --padding same "
        f"--data-format {layout} --indices i.npy -q"
    )

    assert result.code == 0, result.err
    np.testing.assert_array_equal(np.load("i.npy"), by_definition(x, layer))


@pytest.mark.parametrize("words", ["", "--backend onnx", "--threads 2", "--dtype float16"])
def test_the_indices_are_where_the_maxima_are(poolnorm: Command, words: str) -> None:
    x = np.random.default_rng(0).normal(size=(3, 9, 10, 2)).astype("float32")
    np.save("x.npy", x)

    result = poolnorm(f"pool max x.npy --pool-size 3 --indices i.npy -o y.npy {words}")

    assert result.code == 0, result.err
    assert "indices: written to i.npy" in result.err
    found = np.load("i.npy").reshape(3, 9, 2)
    values = np.take_along_axis(x.reshape(3, 90, 2), found, 1).reshape(3, 3, 3, 2)
    y = np.load("y.npy")
    np.testing.assert_array_equal(values.astype(y.dtype), y)


def test_all_arrays_of_an_archive_or_one_have_indices(poolnorm: Command) -> None:
    x = np.arange(12.0).reshape(1, 6, 2)
    np.savez("x.npz", a=x, b=-x)

    both = poolnorm("pool max x.npz --indices i.npz -o y.npz -q")
    one = poolnorm("pool max x.npz::b --indices b.npy --unbatched -q")
    small = poolnorm("pool max x.npz --indices all.npy -q")

    assert (both.code, one.code, small.code) == (0, 2, 2)
    with np.load("i.npz") as found:
        np.testing.assert_array_equal(found["a"][0, :, 0], [1, 3, 5])
        np.testing.assert_array_equal(found["b"][0, :, 0], [0, 2, 4])
    assert not Path("all.npy").exists()
    assert "holds one array" in small.err


def test_an_input_without_a_batch_axis_gives_indices_without_one(poolnorm: Command) -> None:
    np.save("x.npy", np.arange(8.0).reshape(4, 2))

    result = poolnorm("pool max x.npy --unbatched --indices i.npy --json")

    assert '"indices": "i.npy"' in result.out
    np.testing.assert_array_equal(np.load("i.npy"), [[1, 1], [3, 3]])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("x.npy --indices i.npy --torch", "--indices with --torch"),
        ("x.npy --indices i.npy --keras", "--indices with --keras"),
        ("x.npy --indices i.npy --export g.onnx", "--indices with --export"),
        ("x.npy --indices i.npy --dry-run", "--indices with --dry-run"),
        ("x.npy --indices i.npy --skip-existing -o y.npy", "--indices with --skip-existing"),
        ("x.npy z.npy --indices i.npy -O out", "--indices is for one input"),
        ("x.npy --indices i.npy -O out", "--indices is for one input"),
        ("x.npy --indices i.npy -j 2", "--indices is for one input"),
        (". --indices i.npy -O out", "--indices is for one input"),
        ("- --indices i.npy", "a second time"),
        ("x.npy --indices -", "--indices - is no file"),
        ("x.npy --indices z.npy", "z.npy: exists; give --overwrite"),
        ("x.npy --indices x.npy --overwrite", "--indices is the input x.npy"),
        ("x.npy --indices i.npy -o i.npy", "the output is the file of --indices"),
        ("x.npy --indices i.txt", "i.txt: neither .npy nor .npz"),
        ("x.npy --indices i.npy -o z.npy", "z.npy: exists"),
        ("x.npy --indices i.npy --pool-size 9", "fewer than the window of 9"),
        ("1,4,2 --indices i.npy --save-config c.json", "a shape has no maxima"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    poolnorm: Command, words: str, said: str
) -> None:
    np.save("x.npy", np.arange(8.0).reshape(1, 4, 2))
    np.save("z.npy", np.arange(8.0).reshape(1, 4, 2))

    result = poolnorm(f"pool max {words}", stdin=b"")

    assert result.code == 2
    assert said in result.err
    assert sorted(path.name for path in Path().iterdir()) == ["x.npy", "z.npy"]


def test_overwriting_replaces_indices_and_says_nothing_of_no_effect(poolnorm: Command) -> None:
    np.save("x.npy", np.arange(8.0).reshape(1, 4, 2))
    np.save("i.npy", np.zeros(3))

    result = poolnorm("pool max x.npy --indices i.npy --overwrite")

    assert "no effect" not in result.err
    np.testing.assert_array_equal(np.load("i.npy")[0, :, 0], [1, 3])


def test_other_layers_have_no_such_flag(poolnorm: Command) -> None:
    np.save("x.npy", np.arange(8.0).reshape(1, 4, 2))

    for words in ("pool average", "apool average --output-size 1", "gpool max", "pool min"):
        result = poolnorm(f"{words} x.npy --indices i.npy")
        assert (result.code, "no such flag" in result.err) == (2, True)


@pytest.mark.parametrize("words", ["pool max", "apool max --output-size 2"])
def test_a_step_of_a_pipe_has_no_indices_and_says_what_to_do(poolnorm: Command, words: str) -> None:
    result = poolnorm(f"pipe x.npy ! {words} --indices i.npy")

    assert result.code == 2
    assert "--indices is not of a step; write what comes to it by ! tee FILE" in result.err
