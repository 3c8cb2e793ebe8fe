"""Maxima put back where they were: `unpool`, against its definition and max pooling."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolnorm_cli.errors import UsageError
from poolnorm_cli.kernels import native
from poolnorm_cli.layers.call import Call
from poolnorm_cli.layers.max_indices import indices_of
from poolnorm_cli.layers.pads import Pads
from poolnorm_cli.layers.pooling import MaxPooling
from poolnorm_cli.layers.unpooling import MaxUnpooling
from poolnorm_cli.shapes import spatial_axes
from tests.cases import DTYPES, LAYOUTS
from tests.conftest import Command


Array = NDArray[Any]


def by_definition(x: Array, indices: Array, sizes: tuple[int, ...], layout: Any) -> Array:
    """Put one value after another."""
    axes = spatial_axes(x.ndim, layout)
    last = range(-len(axes), 0)
    values, places = np.moveaxis(x, axes, last), np.moveaxis(indices, axes, last)
    y = np.zeros((*values.shape[:2], *sizes), x.dtype)
    for image in np.ndindex(values.shape[:2]):
        for value, place in zip(values[image].ravel(), places[image].ravel(), strict=True):
            y[(*image, *np.unravel_index(place, sizes))] = value
    return np.moveaxis(y, last, axes)


@pytest.mark.parametrize("loops", ["compiled", "numpy"])
@pytest.mark.parametrize("seed", range(30))
def test_values_go_where_their_indices_say(
    monkeypatch: pytest.MonkeyPatch, seed: int, loops: str
) -> None:
    if loops == "numpy":
        monkeypatch.setattr(native, "_LOOPS", None)
    random = np.random.default_rng(seed)
    rank, layout = int(random.integers(1, 4)), LAYOUTS[seed % 2]
    spatial, sizes = random.integers(1, 5, rank), tuple(int(n) for n in random.integers(1, 7, rank))
    shape = (2, *spatial, 3) if layout == "channels_last" else (2, 3, *spatial)
    x = random.integers(0, 100, shape).astype(DTYPES[seed % len(DTYPES)])
    indices = random.integers(0, int(np.prod(sizes)), shape)
    kept: Any = {"data_format": layout}

    y = MaxUnpooling(output_size=sizes, **kept).apply(x, {}, Call(mask=indices))

    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, by_definition(x, indices, sizes, layout))


@pytest.mark.parametrize("seed", range(30))
def test_the_least_size_is_one_that_the_pooling_makes_this_shape_of(seed: int) -> None:
    random = np.random.default_rng(seed)
    size, stride = int(random.integers(2, 6)), int(random.integers(1, 6))
    low, high = (int(n) for n in random.integers(0, size // 2 + 1, 2))
    length = int(random.integers(size, 30))
    given: dict[str, Any] = {"pool_size": (size,), "strides": (stride,)}
    given["pads"] = Pads(((low, high),))
    pooling, back = MaxPooling(**given), MaxUnpooling(**given)

    pooled = pooling.output_shape((2, length, 3))
    (_, least, _) = back.output_shape(pooled)

    assert least <= length < least + stride  # type: ignore[operator] # a number
    assert pooling.output_shape((2, least, 3)) == pooled
    assert pooling.output_shape((2, length, 3)) == pooled


@pytest.mark.parametrize(
    ("shape", "given", "made"),
    [
        ((None, None, "W", 3), {}, (None, None, "2*W", 3)),
        (("N", "H", 4, 3), {"strides": (3,)}, ("N", "3*H-1", 11, 3)),
        (("N", "H//2", 4, 3), {"strides": (1,)}, ("N", "(H//2)+1", 5, 3)),
        (("N", "H", 3), {"output_size": (9,)}, ("N", 9, 3)),
    ],
)
def test_shapes_with_names(shape: Any, given: dict[str, Any], made: Any) -> None:
    assert MaxUnpooling(**given).output_shape(shape) == made


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("words", ["", "--backend onnx", "--threads 2", "--max-memory 100M"])
def test_maxima_come_back_to_where_they_were(poolnorm: Command, words: str, layout: str) -> None:
    shape = (3, 9, 10, 2) if layout == "channels_last" else (3, 2, 9, 10)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    np.save("x.npy", x)
    window = f"--pool-size 3 --strides 2 --data-format {layout}"
    assert poolnorm(f"pool max x.npy {window} --indices i.npy -o y.npy -q").code == 0

    result = poolnorm(f"unpool y.npy {window} --indices i.npy --output-size 9,10 -o z.npy {words}")

    assert result.code == 0, result.err
    z = np.load("z.npy")
    maxima = z != 0
    np.testing.assert_array_equal(z[maxima], x[maxima])
    np.testing.assert_array_equal(np.unique(z[maxima]), np.unique(np.load("y.npy")))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_large_samples_and_many_blocks(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    for name in ("WHOLE_SAMPLE_BYTES", "BLOCK_BYTES"):
        monkeypatch.setattr(f"poolnorm_cli.engine.blocks.{name}", 1 << 9)
    shape = (5, 40, 20, 3) if layout == "channels_last" else (5, 3, 40, 20)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    indices = np.random.default_rng(1).integers(0, 50 * 30, shape).astype("int32")
    np.save("x.npy", x)
    np.save("i.npy", indices)

    result = poolnorm(
        f"unpool x.npy --indices i.npy --output-size 50,30 --data-format {layout} -o y.npy -q"
    )

    assert result.code == 0, result.err
    np.testing.assert_array_equal(np.load("y.npy"), by_definition(x, indices, (50, 30), layout))


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_archive_has_indices_by_its_names(poolnorm: Command, dtype: str) -> None:
    x = np.arange(1, 5).reshape(2, 2, 1).astype(dtype)
    np.savez("x.npz", a=x, b=x[:1])
    np.savez("i.npz", b=np.array([[[3], [0]]]), a=np.array([[[0], [2]], [[1], [3]]]))

    result = poolnorm("unpool x.npz --indices i.npz -o y.npz -q")

    assert result.code == 0, result.err
    with np.load("y.npz") as y:
        np.testing.assert_array_equal(
            y["a"][:, :, 0], np.array([[1, 0, 2, 0], [0, 3, 0, 4]]).astype(dtype)
        )
        np.testing.assert_array_equal(y["b"][:, :, 0], np.array([[2, 0, 0, 1]]).astype(dtype))
        assert y["a"].dtype == dtype


@pytest.mark.parametrize("opset", [9, 11, 17])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_exported_graph_takes_the_indices(poolnorm: Command, layout: str, opset: int) -> None:
    runtime = pytest.importorskip("onnxruntime")
    shape = (2, 3, 4, 2) if layout == "channels_last" else (2, 2, 3, 4)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    indices = np.random.default_rng(1).integers(0, 48, shape)
    np.save("x.npy", x)
    np.save("i.npy", indices)
    words = f"--indices i.npy --data-format {layout} --opset {opset} --export g.onnx"

    result = poolnorm(f"unpool x.npy -o y.npy -q {words}")

    assert result.code == 0, result.err
    session = runtime.InferenceSession("g.onnx")
    names = [given.name for given in session.get_inputs()]
    assert names[1].endswith("_indices")
    (y,) = session.run(None, dict(zip(names, (x, indices), strict=True)))
    np.testing.assert_array_equal(y, np.load("y.npy"))
    np.testing.assert_array_equal(y, by_definition(x, indices, (6, 8), layout))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("x.npy", 2, "unpool without --indices; give the file of them as --indices FILE"),
        ("x.npy --indices -", 2, "--indices - would read standard input"),
        ("x.npy --indices none.npy", 4, "none.npy"),
        ("x.npy --indices x.npy", 4, "indices are float64; give integers"),
        ("x.npy --indices short.npy", 2, "--indices has shape (1,3,2)"),
        ("x.npy --indices i.npy --strides 1", 2, "--indices has 7, the output 5 cells (5)"),
        ("x.npy --indices low.npy", 2, "--indices has -1, the output 8 cells (8)"),
        ("x.npy --indices i.npy -o i.npy --overwrite", 2, "i.npy"),
        ("x.npy --indices i.npy --output-size 8,8", 2, "--output-size 8,8 has 2 sizes"),
        ("x.npy --indices i.npy --pads 9", 2, "give --output-size, or other --pads"),
        ("x.npy --indices i.npy --keras", 2, "Keras has no MaxUnpooling"),
        ("x.npy --torch", 2, "unpool without --indices"),
        ("x.npy --export g.onnx -o y.npy", 2, "unpool without --indices"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    poolnorm: Command, words: str, code: int, said: str
) -> None:
    np.save("x.npy", np.arange(8.0).reshape(1, 4, 2))
    np.save("i.npy", np.arange(8).reshape(1, 4, 2))
    np.save("low.npy", np.arange(8).reshape(1, 4, 2) - 1)
    np.save("short.npy", np.arange(6).reshape(1, 3, 2))
    files = sorted(path.name for path in Path().iterdir())

    result = poolnorm(f"unpool {words}", stdin=b"")

    assert result.code == code
    assert said in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert sorted(path.name for path in Path().iterdir()) == files


def test_a_pipe_says_what_to_do_instead(poolnorm: Command) -> None:
    result = poolnorm("pipe x.npy ! unpool --indices i.npy")

    assert result.code == 2
    assert "unpool takes a second file, of indices; write what comes to it by ! tee" in result.err


def test_shape_says_the_size_without_data(poolnorm: Command) -> None:
    result = poolnorm("shape unpool None,13,13,3 --pool-size 3 --strides 2 -q")
    explained = poolnorm("shape unpool None,13,13,3 --pool-size 3 --strides 2 --explain")

    assert result.out == "None,27,27,3\n"
    assert "x at the cell of 27x27 to which its index counts" in explained.out


def test_a_layer_without_indices_is_refused() -> None:
    with pytest.raises(UsageError, match="without --indices"):
        MaxUnpooling().apply(np.zeros((1, 2, 2)), {})


@pytest.mark.parametrize(("index", "size"), [(-1, 8), (4, 8), (0, 3)])
def test_the_loop_refuses_what_it_cannot_reach(index: int, size: int) -> None:
    if not native.compiled():
        pytest.skip("built without a C compiler")
    x, at, out = np.ones(2), np.array([0, index]), np.zeros(4)
    if size == 3:
        with pytest.raises(ValueError, match="no loop is for items of 3 bytes"):
            native.loops().put_back(x, at, out, size, (1, 2, 1), 4)
        return
    assert native.loops().put_back(x, at, out, size, (1, 2, 1), 4)


def test_there_is_an_order_in_which_values_come(poolnorm: Command) -> None:
    np.save("x.npy", np.array([[[1.0], [2.0], [3.0]]]))
    np.save("i.npy", np.array([[[4], [4], [1]]]))

    for words in ("", "--backend onnx"):
        assert poolnorm(f"unpool x.npy --indices i.npy -o y.npy -q --overwrite {words}").code == 0
        np.testing.assert_array_equal(np.load("y.npy")[0, :, 0], [0, 3, 0, 0, 2, 0])


def test_indices_of_max_pooling_are_what_it_takes() -> None:
    x = np.random.default_rng(3).normal(size=(2, 8, 8, 3)).astype("float32")
    pooling = MaxPooling(pool_size=(2,))
    finder = indices_of(pooling)
    assert finder is not None
    found = finder.apply(x, {})

    back = MaxUnpooling().apply(pooling.apply(x, {}), {}, Call(mask=found))

    np.testing.assert_array_equal(
        pooling.apply(np.maximum(back, 0), {}), np.maximum(pooling.apply(x, {}), 0)
    )
