"""`--mask`: cells that do not count, through the real entry point."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.errors import UsageError
from poolnorm_cli.kernels.gathering import gather
from poolnorm_cli.layers import find
from tests.conftest import Command


Array = NDArray[Any]

AVERAGE = find("gpool", "average")


@pytest.fixture
def steps() -> Array:
    """Give a sequence batch, which is also in s.npy, with its mask in m.npy."""
    random = np.random.default_rng(7)
    x = random.standard_normal((5, 9, 3)).astype(np.float32)
    mask = random.random((5, 9)) < 0.5
    mask[:, 0] = True
    x[~mask] = np.nan
    np.save("s.npy", x)
    np.save("m.npy", mask)
    return x


@pytest.mark.parametrize("kind", ["bool", "uint8", "int64"])
def test_masked_steps_do_not_count_even_where_they_are_nan(
    poolnorm: Command, steps: Array, kind: str
) -> None:
    mask = np.load("m.npy")
    np.save("m.npy", (mask * np.array(2)).astype(kind))
    assert poolnorm("gpool average s.npy --mask m.npy -o y.npy").code == 0
    np.save("s.npy", steps.transpose(0, 2, 1))
    flags = "--data-format channels_first --keepdims"
    assert poolnorm(f"gpool average s.npy --mask m.npy {flags} -o z.npy").code == 0

    exact = np.nanmean(steps.astype(np.float64), axis=1)
    np.testing.assert_allclose(np.load("y.npy"), exact, rtol=1e-6)
    np.testing.assert_array_equal(np.load("z.npy")[..., 0], np.load("y.npy"))


def test_a_row_without_a_step_is_nan(poolnorm: Command, steps: Array) -> None:
    mask = np.load("m.npy")
    mask[2] = False
    np.save("m.npy", mask)
    assert poolnorm("gpool average s.npy --mask m.npy -o y.npy").code == 0

    assert np.isnan(np.load("y.npy")).all(axis=1).tolist() == [False, False, True, False, False]


def test_a_masked_batch_without_channels_gives_none() -> None:
    x, mask = np.ones((5, 0), np.float32), np.array([True, False, True, True, False])
    y, _ = run_array(find("bn")(), x, training=True, mask=mask)
    assert y.shape == (5, 0)


def test_masks_of_an_npz_go_by_the_names_of_the_inputs(poolnorm: Command, steps: Array) -> None:
    mask = np.load("m.npy")
    np.savez("x.npz", one=steps[:2], two=steps[2:])
    np.savez("m.npz", two=mask[2:], one=mask[:2])
    assert poolnorm("gpool average x.npz --mask m.npz -o y.npz").code == 0
    assert poolnorm("gpool average s.npy --mask m.npy -o y.npy").code == 0

    found = np.load("y.npz")
    np.testing.assert_array_equal(np.concatenate([found["one"], found["two"]]), np.load("y.npy"))


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        ("--mask none.npy", 4, "none.npy: no such file"),
        (
            "--mask -",
            2,
            "--mask - would read standard input; give a .npy, .npz or .safetensors file",
        ),
        ("--mask s.npy", 2, "--mask has shape (5,9,3); an input of (5,9,3) needs (5,9)"),
        ("--mask many.npz", 2, "--mask many.npz holds a, b; name one, as many.npz::a"),
        ("--mask short.npy", 2, "--mask has shape (5,8); an input of (5,9,3) needs (5,9)"),
        ("--mask flat.npy", 2, "--mask has shape (45); an input of (5,9,3) needs (5,9)"),
    ],
)
def test_masks_that_do_not_fit_are_refused(
    poolnorm: Command, steps: Array, flags: str, code: int, told: str
) -> None:
    mask = np.load("m.npy")
    np.savez("many.npz", a=mask, b=mask)
    np.save("short.npy", mask[:, :8])
    np.save("flat.npy", mask.ravel())
    result = poolnorm(f"gpool average s.npy -o y.npy {flags}")

    assert result.code == code
    assert told in result.err


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("space", [(9,), (5, 6), (700, 3, 2), (900, 80)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint16", "bool"])
def test_global_pooling_counts_what_the_mask_lets(
    poolnorm: Command, backend: str, layout: str, space: tuple[int, ...], dtype: str
) -> None:
    random = np.random.default_rng(len(space))
    x = random.normal(0, 5, (2, *space, 3)).astype(dtype)
    mask = random.random((2, *space)) < 0.5
    mask[:, -1] = True
    if x.dtype.kind == "f":
        x[~mask] = np.nan
    np.save("x.npy", np.moveaxis(x, -1, 1) if layout == "channels_first" else x)
    np.save("m.npy", mask)

    for kind in ("max", "average", "min", "lp"):
        flags = f"--data-format {layout} --backend {backend} -o {kind}.npy -q"
        assert poolnorm(f"gpool {kind} x.npy --mask m.npy {flags}").code == 0

    for sample in range(2):
        cells = x[sample][mask[sample]]
        np.testing.assert_array_equal(np.load("max.npy")[sample], cells.max(axis=0))
        np.testing.assert_array_equal(np.load("min.npy")[sample], cells.min(axis=0))
        mean = cells.astype("float64").mean(axis=0)
        rounding = 1e-3 if dtype == "float16" else 1e-6
        np.testing.assert_allclose(np.load("average.npy")[sample], mean, rtol=rounding, atol=1e-4)
        norm = np.linalg.norm(cells.astype("float64"), axis=0)
        np.testing.assert_allclose(np.load("lp.npy")[sample], norm, rtol=rounding)


def test_the_maximum_of_no_places_is_the_lowest_number(poolnorm: Command) -> None:
    np.save("m.npy", np.zeros((1, 2, 2), bool))
    for dtype, lowest in (("float32", -np.inf), ("int8", -128)):
        np.save("x.npy", np.ones((1, 2, 2, 1), dtype))
        poolnorm("gpool max x.npy --mask m.npy -o y.npy --overwrite -q")
        assert np.load("y.npy").tolist() == [[lowest]]


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
def test_the_norm_of_no_places_is_zero(poolnorm: Command, backend: str) -> None:
    np.save("m.npy", np.array([[True, False], [False, False]]))
    np.save("x.npy", np.array([[[3.0], [np.nan]], [[np.inf], [1.0]]]))

    poolnorm(f"gpool lp x.npy --mask m.npy -o y.npy -q --backend {backend}")

    assert np.load("y.npy").tolist() == [[3], [0]]
    written = poolnorm("gpool lp x.npy --mask m.npy --torch").out
    assert "vector_norm(torch.where(mask, x, 0), ord=2.0" in written


def test_keras_has_a_mask_for_averages_of_sequences_alone(poolnorm: Command, steps: Array) -> None:
    del steps
    assert poolnorm("gpool average s.npy --mask m.npy --keras").code == 0
    result = poolnorm("gpool max s.npy --mask m.npy --keras")

    assert result.code == 2
    assert result.err.startswith("error: Keras' GlobalMaxPooling1D takes no mask; give --torch")
    torch = poolnorm("gpool max s.npy --mask m.npy --torch").out
    assert "torch.where(mask, x, -torch.inf).amax" in torch


def test_a_layer_without_masks_has_no_flag(poolnorm: Command, steps: Array) -> None:
    assert "no such flag --mask" in poolnorm("pool max s.npy --mask m.npy").err
    with pytest.raises(UsageError, match="MaxPooling1D takes no mask; leave out --mask"):
        run_array(find("pool", "max")(), steps, mask=np.ones((5, 9)))


@given(batch=st.integers(0, 40), rows=st.integers(1, 41))
@settings(max_examples=25, deadline=None)
def test_the_bytes_do_not_depend_on_the_blocks(batch: int, rows: int) -> None:
    random = np.random.default_rng(batch)
    x = random.standard_normal((batch, 40_000, 1)).astype(np.float32)
    mask = random.random((batch, 40_000)) < 0.5
    whole = run_array(AVERAGE(), x, mask=mask, rows=10**6)[0]

    assert run_array(AVERAGE(), x, mask=mask, rows=rows)[0].tobytes() == whole.tobytes()


def test_a_masked_average_does_not_overflow_where_its_result_does_not() -> None:
    x = np.full((1, 64, 2), 1.7e308)
    mask = np.arange(64)[None] < 40

    np.testing.assert_allclose(run_array(AVERAGE(), x, mask=mask)[0], x[:, 0], rtol=1e-15)


def test_moments_are_those_of_the_cells_that_count() -> None:
    random = np.random.default_rng(3)
    x = random.normal(1e6, 1, (700, 40, 9))
    mask = random.random((700, 40)) < 0.3
    starts = range(0, 700, 364)
    blocks = (x[start : start + 364] for start in starts)
    found = gather(blocks, (40, 9), (0, 1), (mask[start : start + 364] for start in starts))

    np.testing.assert_allclose(found.mean.ravel(), x[mask].mean(0), rtol=1e-13)
    np.testing.assert_allclose(found.variance.ravel(), x[mask].var(0), rtol=1e-9)
    assert found.count == mask.sum()
    assert found.mean.shape == (1, 1, 9)


@pytest.mark.parametrize("axes", [(1,), (0,), (0, 2), (2, 3)])
def test_a_mask_counts_apart_for_channels_that_are_not_last(axes: tuple[int, ...]) -> None:
    random = np.random.default_rng(5)
    x = random.normal(1e6, 1, (50, 4, 3, 2))
    mask = random.random((50, 4, 3)) < 0.4
    mask[:, 2], mask[7] = False, False  # a channel, and a sample, of which no cell counts
    x[~mask] = np.nan
    over = tuple(axis for axis in range(4) if axis not in axes)
    cuts = [slice(start, start + 20) for start in range(0, 50, 20)]
    found = gather((x[cut] for cut in cuts), (4, 3, 2), over, (mask[cut] for cut in cuts))

    count = np.broadcast_to(mask[..., None], x.shape).sum(over, keepdims=True)
    mean = np.nansum(x, over, keepdims=True) / np.maximum(count, 1)
    squares = np.nansum((x - mean) ** 2, over, keepdims=True)
    np.testing.assert_array_equal(found.count, count)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-13)
    np.testing.assert_allclose(found.squares, squares, rtol=1e-8)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("", "the statistics are the moving ones; --training takes those of the batch"),
        ("--training --no-trainable", "the statistics are the moving ones; --training takes"),
        ("--training --fused", "Keras 2's fused path counts all cells; --no-fused heeds a mask"),
    ],
)
def test_where_a_mask_makes_no_difference_the_run_says_so(
    poolnorm: Command, x: Array, flags: str, told: str
) -> None:
    np.save("m.npy", np.arange(4 * 28 * 28).reshape(4, 28, 28) % 3 > 0)
    result = poolnorm(f"bn x.npy --mask m.npy {flags} -o y.npy --save-weights a.npz")
    assert poolnorm(f"bn x.npy {flags} -o z.npy --save-weights b.npz").code == 0

    assert result.err.startswith(f"note: --mask makes no difference: {told}")
    np.testing.assert_array_equal(np.load("y.npy"), np.load("z.npy"))
    for name, weight in np.load("a.npz").items():
        np.testing.assert_array_equal(weight, np.load("b.npz")[name])
