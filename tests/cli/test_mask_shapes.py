"""`--mask` of other shapes and kinds of numbers, and that of group normalization."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.layers import find
from tests.conftest import Command


Array = NDArray[Any]

LINES = {
    "bn x.npy --training": (4, 5),
    "bn x.npy --training --axis 1": (4, 5),
    "gn x.npy --groups 2": (4, 5, 6),
    "gn x.npy --groups 5 --axis 1": (4, 5, 6),
    "in x.npy": (4, 5, 6),
    "gpool average x.npy --keepdims": (4, 5),
    "gpool average x.npy --data-format channels_first": (4, 6),
}


@pytest.fixture
def x() -> Array:
    """Give a batch of sequences, which is also in x.npy."""
    tensor = np.random.default_rng(11).standard_normal((4, 5, 6)).astype(np.float32)
    np.save("x.npy", tensor)
    return tensor


def narrow(mask: Array, kept: tuple[bool, ...]) -> Array:
    """Take the first cells of a mask along the axes that are not kept."""
    return mask[tuple(slice(None if keeps else 1) for keeps in kept)]


@pytest.mark.usefixtures("x")
@pytest.mark.parametrize("backend", ["numpy", "onnx"])
@pytest.mark.parametrize("line", LINES)
def test_size_1_along_an_axis_stands_for_all_of_it(
    poolnorm: Command, line: str, backend: str
) -> None:
    shape = LINES[line]
    mask = np.random.default_rng(2).random(shape) < 0.6
    mask[:, :1], mask[0] = True, True
    for kept in product((True, False), repeat=len(shape)):
        if "gpool" in line and not kept[1]:
            continue
        narrowed = narrow(mask, kept)
        np.save("narrow.npy", narrowed)
        np.save("wide.npy", np.broadcast_to(narrowed, shape))
        command = f"{line} --backend {backend} -q --overwrite"
        assert poolnorm(f"{command} --mask narrow.npy -o narrow_y.npy").code == 0
        assert poolnorm(f"{command} --mask wide.npy -o wide_y.npy").code == 0
        np.testing.assert_array_equal(np.load("narrow_y.npy"), np.load("wide_y.npy"), str(kept))


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_a_mask_of_one_step_makes_sums_as_keras_does_and_the_run_says_so(
    poolnorm: Command, x: Array, layout: str, backend: str
) -> None:
    axis = 1 if layout == "channels_last" else 2
    np.save("m.npy", np.array([[1], [0], [1], [1]]))
    result = poolnorm(
        f"gpool average x.npy --mask m.npy -o y.npy --data-format {layout} --backend {backend}"
    )

    assert result.err.startswith("note: --mask has one step, by which Keras divides")
    y = np.load("y.npy")
    assert np.isnan(y[1]).all()
    np.testing.assert_allclose(y[[0, 2, 3]], x.sum(axis)[[0, 2, 3]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("numbers", ["float32", "float64", "float16", "int8", "uint64"])
def test_any_number_that_is_not_zero_counts(
    poolnorm: Command, x: Array, line: str, numbers: str
) -> None:
    mask = np.random.default_rng(3).random(LINES[line]) < 0.6
    mask[:, 0] = True
    np.save("m.npy", mask)
    kind = np.dtype(numbers)
    chosen = [1, 3, 100] if kind.kind != "f" else [np.nan, 0.5, -1, np.inf, 6e-5]
    given = np.where(mask, np.resize(np.array(chosen, kind), mask.shape), kind.type(0))
    given = np.where(mask, given, kind.type(-0.0)) if kind.kind == "f" else given
    np.save("n.npy", given)
    assert poolnorm(f"{line} --mask m.npy -o y.npy -q").code == 0
    assert poolnorm(f"{line} --mask n.npy -o z.npy -q").code == 0

    np.testing.assert_array_equal(np.load("z.npy"), np.load("y.npy"))


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
@pytest.mark.parametrize(("axis", "groups"), [(-1, 3), (1, 5), (1, 1), (2, -1)])
def test_groups_are_normalized_by_the_cells_that_count(
    poolnorm: Command, x: Array, axis: int, groups: int, backend: str
) -> None:
    mask = np.random.default_rng(5).random(x.shape) < 0.6
    mask[2] = False  # a sample of which no cell counts: mean 0 and variance 0, as in Keras 2
    x[0, 1, 2], mask[0, 1, 2] = 1e6, False
    np.save("x.npy", x)
    np.save("m.npy", mask)
    flags = f"--axis {axis} --groups {groups} --epsilon 0.01 --backend {backend}"
    assert poolnorm(f"gn x.npy --mask m.npy -o y.npy -q {flags}").code == 0

    moved, counted = (np.moveaxis(each, axis, -1) for each in (x.astype(np.float64), mask))
    count = x.shape[axis] if groups < 0 else groups
    split = (4, -1, count, moved.shape[-1] // count)
    cells, counted = moved.reshape(split), counted.reshape(split)
    number = np.maximum(counted.sum((1, 3), keepdims=True), 1)
    mean = (cells * counted).sum((1, 3), keepdims=True) / number
    variance = (np.square(cells - mean) * counted).sum((1, 3), keepdims=True) / number
    expected = ((cells - mean) / np.sqrt(variance + 0.01)).reshape(moved.shape)
    np.testing.assert_allclose(
        np.load("y.npy"), np.moveaxis(expected, -1, axis), rtol=2e-5, atol=2e-5
    )


def test_what_a_mask_leaves_out_of_a_group_may_be_nan(poolnorm: Command, x: Array) -> None:
    mask = np.random.default_rng(5).random(x.shape) < 0.6
    np.save("m.npy", mask)
    assert poolnorm("gn x.npy --groups 2 --mask m.npy -o y.npy -q").code == 0
    np.save("x.npy", np.where(mask, x, np.nan))
    assert poolnorm("gn x.npy --groups 2 --mask m.npy -o z.npy -q").code == 0

    np.testing.assert_array_equal(np.load("z.npy")[mask], np.load("y.npy")[mask])


def test_a_mask_of_a_group_may_lack_the_first_axes(poolnorm: Command, x: Array) -> None:
    for given, shape in (((6,), (1, 1, 6)), ((5, 1), (1, 5, 1)), ((), (1, 1, 1))):
        mask = np.ones(given)
        mask.flat[:1] = 0 if given else 1
        np.save("m.npy", mask)
        np.save("n.npy", mask.reshape(shape))
        assert poolnorm("gn x.npy --groups 2 --mask m.npy -o y.npy -q --overwrite").code == 0
        assert poolnorm("gn x.npy --groups 2 --mask n.npy -o z.npy -q --overwrite").code == 0
        np.testing.assert_array_equal(np.load("y.npy"), np.load("z.npy"))


@pytest.mark.usefixtures("x")
@pytest.mark.parametrize(
    ("line", "shape", "needed"),
    [
        ("bn x.npy --training", (5,), "4,5"),
        ("bn x.npy --training", (4, 5, 6), "4,5"),
        ("bn x.npy --training", (4, 5, 1), "4,5"),
        ("bn x.npy --training", (4, 2), "4,5"),
        ("bn x.npy --training", (0, 5), "4,5"),
        ("bn x.npy --training", (), "4,5"),
        ("gpool average x.npy", (5,), "4,5"),
        ("gpool average x.npy", (5, 4), "4,5"),
        ("gn x.npy --groups 2", (4, 5), "4,5,6"),
        ("gn x.npy --groups 2", (4, 5, 6, 1), "4,5,6"),
    ],
)
def test_shapes_that_cannot_be_are_told_in_one_line(
    poolnorm: Command, line: str, shape: tuple[int, ...], needed: str
) -> None:
    np.save("m.npy", np.ones(shape, bool))
    result = poolnorm(f"{line} --mask m.npy -o y.npy -q")

    given = ",".join(map(str, shape))
    assert result.code == 2
    assert result.err == (
        f"error: x.npy: --mask has shape ({given}); an input of (4,5,6) needs ({needed}), "
        "or 1 in place of a size\n"
    )


@pytest.mark.parametrize("parameters", [{"groups": 2}, {"groups": 3, "axis": 1}])
def test_the_graph_of_a_group_takes_a_mask(
    poolnorm: Command, x: Array, parameters: dict[str, Any]
) -> None:
    import onnxruntime

    x, mask = x[:, :3], np.random.default_rng(5).random((4, 3, 6)) < 0.6
    np.save("x.npy", x)
    np.save("m.npy", mask)
    flags = " ".join(f"--{name} {value}" for name, value in parameters.items())
    assert poolnorm(f"gn x.npy --mask m.npy --export g.onnx -q {flags}").code == 0

    session = onnxruntime.InferenceSession("g.onnx")
    first, second = (given.name for given in session.get_inputs())
    (y,) = session.run(None, {first: x, second: mask})
    layer: Any = find("gn")
    np.testing.assert_allclose(y, run_array(layer(**parameters), x, mask=mask)[0], atol=1e-6)


def test_explanations_say_that_a_mask_counts(poolnorm: Command, x: Array) -> None:
    np.save("m.npy", np.ones(x.shape[:2], bool))
    told = poolnorm("gpool average x.npy --mask m.npy --explain --no-values").out
    assert "of which those count that the mask lets" in told
    np.save("m.npy", np.ones(x.shape[-1:], bool))
    told = poolnorm("gn x.npy --groups 2 --mask m.npy --explain --no-values").out
    assert "of which those count that the mask lets" in told
    assert "the first of them" not in told
