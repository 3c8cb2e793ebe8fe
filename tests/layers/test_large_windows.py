"""Windows and strides far larger than the input cost no more than ones of its size."""

import json
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.call import Call
from tests.conftest import Command, process


LARGE = (10**6, 922337203685477574, 2305843009213693952, 2**63 - 1)
SHAPES = ((2, 8, 1), (2, 4, 5, 3), (2, 3, 4, 2, 2))


def layer(words: str, **parameters: Any) -> Layer:
    return find(*words.split())(**parameters)


def tensor(shape: tuple[int, ...], dtype: str = "float32") -> Any:
    return (np.random.default_rng(3).standard_normal(shape) * 9).astype(dtype)


def over_all(words: str, x: Any) -> Any:
    spatial = tuple(range(1, x.ndim - 1))
    reduce = np.max if words == "pool max" else np.mean
    return reduce(x.astype(np.float64), axis=spatial, keepdims=True)


@pytest.mark.parametrize("shape", SHAPES, ids=len)
@pytest.mark.parametrize("words", ["pool max", "pool average"])
@pytest.mark.parametrize("size", LARGE)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_a_window_over_all_cells_gives_the_same_at_each_place(
    size: int, words: str, shape: tuple[int, ...], every_backend: Any, dtype: str
) -> None:
    chosen = layer(words, pool_size=size, strides=1, padding="same")
    x = tensor(shape, dtype)
    kind = chosen.compute_dtype(dtype)
    y = every_backend.apply(chosen, x.astype(kind), {}, Call())

    expected = np.broadcast_to(over_all(words, x), x.shape)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("words", ["pool max", "pool average"])
@pytest.mark.parametrize("shape", SHAPES, ids=len)
@pytest.mark.parametrize("stride", LARGE)
def test_a_stride_over_all_cells_gives_one_place(
    stride: int, shape: tuple[int, ...], words: str
) -> None:
    x = tensor(shape)
    y = layer(words, pool_size=2, strides=stride).apply(x, {})
    first = x[(slice(None), *(slice(2) for _ in shape[1:-1]))]

    np.testing.assert_allclose(y, over_all(words, first), rtol=1e-6)


@pytest.mark.parametrize(
    "flags",
    [
        "--pool-size 922337203685477574 --strides 1 --padding same",
        "--strides 2305843009213693952",
        "--pool-size 9223372036854775807 --padding same",
    ],
)
@pytest.mark.parametrize("kind", ["max", "average"])
def test_no_size_ends_the_process(kind: str, flags: str) -> None:
    np.save("x.npy", tensor((1, 8, 1)))
    done = process("pool", kind, "x.npy", *flags.split(), "-q", "-o", "y.npy")

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("backend", ["numpy", "onnx"])
def test_a_large_window_takes_no_more_memory_than_is_allowed(
    kind: str, backend: str, poolnorm: Command
) -> None:
    if backend == "onnx":
        pytest.importorskip("onnxruntime")
    x = tensor((1, 4, 4, 1))
    np.save("x.npy", x)
    flags = "--pool-size 1000000 --strides 1 --padding same --max-memory 300M"
    done = poolnorm(f"pool {kind} x.npy {flags} --backend {backend} -o y.npy")

    assert (done.code, done.err) == (0, "")
    expected = over_all(f"pool {kind}", x)
    np.testing.assert_allclose(np.load("y.npy"), np.broadcast_to(expected, x.shape), rtol=1e-6)


@pytest.mark.parametrize("strides", ["1", "2", "3000000"])
@pytest.mark.parametrize("kind", ["max", "average"])
def test_an_exported_window_is_clipped_and_right_where_another_program_runs_it(
    kind: str, strides: str, poolnorm: Command
) -> None:
    onnx, runtime = (pytest.importorskip(name) for name in ("onnx", "onnxruntime"))
    x = tensor((2, 4, 5, 1))
    np.save("x.npy", x)
    flags = f"--pool-size 1000000 --strides {strides} --padding same"
    done = poolnorm(f"pool {kind} x.npy {flags} -o y.npy --export g.onnx -q")

    assert (done.code, done.err) == (0, "")
    (node,) = (n for n in onnx.load("g.onnx").graph.node if n.op_type.endswith("Pool"))
    given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    assert all(size <= 10 for size in given["kernel_shape"])
    assert all(pad <= 5 for pad in given["pads"])
    assert given.get("count_include_pad", 0) == 0
    session = runtime.InferenceSession("g.onnx", providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(y, np.load("y.npy"), rtol=1e-6)


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("pool max x.npy --pool-size 9223372036854775808 --padding same", "--pool-size"),
        (f"pool max x.npy --strides {10**40}", "--strides"),
        (f"apool max x.npy --output-size {2**70}", "--output-size"),
        (f"gn x.npy --groups {2**63}", "--groups"),
        (f"bn x.npy --training --virtual-batch-size {2**65}", "--virtual-batch-size"),
        (f"ln x.npy --axis 1,-{2**64}", "--axis"),
        (f"shape pool max 1,8,1 --pool-size {10**4000} --padding same", "--pool-size"),
    ],
)
def test_a_number_beyond_64_bits_is_refused_in_a_line(
    command: str, flag: str, poolnorm: Command
) -> None:
    np.save("x.npy", tensor((2, 8, 4)))
    done = poolnorm(command)

    assert done.code == 2
    assert done.err.startswith(f"error: {flag} has a number of ")
    assert done.err.count("\n") == 1
    assert len(done.err) < 200


def test_shapes_are_exact_whatever_the_numbers(poolnorm: Command) -> None:
    size = 2**63 - 1
    flags = f"--pool-size {size} --strides 3 --padding same -q"
    assert poolnorm(f"shape pool max 1,{size},1 {flags}").out == f"1,{(size + 2) // 3},1\n"
    flags = f"--pool-size {size} --strides 1 -q"
    assert poolnorm(f"shape pool max 1,{size},1 {flags}").out == "1,1,1\n"


def test_explanations_say_what_was_typed(poolnorm: Command) -> None:
    np.save("x.npy", tensor((1, 4, 1)))
    text = poolnorm("pool max x.npy --pool-size 1000 --strides 1 --padding same --explain").out

    assert "4 cells, window 1000, stride 1" in text
    assert "pads max((4 - 1) * 1 + 1000 - 4, 0) = 999: 499 before, 500 after" in text


def test_groups_that_do_not_fit_are_refused_at_once(poolnorm: Command) -> None:
    channels = 9223372036854775806
    done = poolnorm(f"shape gn 1,4,{channels} --groups {channels - 1} --json")

    assert done.code == 2
    assert json.loads(done.out)["code"] == 2


def test_an_export_for_a_batch_that_ghosts_do_not_divide_is_refused(poolnorm: Command) -> None:
    pytest.importorskip("onnxruntime")
    np.save("x.npy", tensor((4, 8, 4)))
    done = poolnorm(f"bn x.npy --training --virtual-batch-size {2**63 - 1} --export g.onnx")

    assert done.code == 2
    assert "does not divide the batch of 4" in done.err


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
def test_any_number_of_threads_will_do(backend: str, poolnorm: Command) -> None:
    if backend == "onnx":
        pytest.importorskip("onnxruntime")
    np.save("x.npy", tensor((4, 8, 4)))

    assert poolnorm(f"pool max x.npy --threads {2**63 - 1} --backend {backend} -q").code == 0
