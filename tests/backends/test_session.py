"""Sessions: opened once, fed exactly, and never worse than NumPy."""

import copy
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from poolnorm_cli.backends import open_backend
from poolnorm_cli.backends.onnx_backend import OnnxBackend
from poolnorm_cli.backends.providers import Provider, choose
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.kernels.memory import release
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.call import Call


EPSILON = float(np.finfo(np.float32).eps)


class Counting:
    """A provider that counts the sessions it opens, and the threads each was given."""

    def __init__(self) -> None:
        self.on_device = False
        self.threads: list[int | None] = []
        self._provider = choose("cpu", lambda _: None)

    def session(self, model: bytes, threads: int | None) -> Any:
        self.threads.append(threads)
        return self._provider.session(model, threads)

    def run(self, session: Any, binding: Any) -> None:
        self._provider.run(session, binding)


def layer(words: str, **parameters: Any) -> Layer:
    return find(*words.split())(**parameters)


def result(made: Layer, x: NDArray[Any], **options: Any) -> NDArray[Any]:
    return run_array(made, x, backend=open_backend("onnx", "cpu", threads=1), **options)[0]


def test_one_session_serves_all_blocks_and_files_of_a_kind() -> None:
    provider: Any = Counting()
    backend = OnnxBackend(provider, 3, lambda _: None)
    made = layer("pool max", pool_size=2)
    for batch in (1, 5, 2):
        x = np.random.default_rng(batch).random((batch, 6, 6, 3), np.float32)
        y = backend.apply(made, x, {}, Call())
        np.testing.assert_array_equal(y, made.apply(x, {}))
    assert provider.threads == [3]


@pytest.mark.parametrize(("on_device", "most"), [(False, "SESSIONS"), (True, "ON_DEVICE")])
def test_memory_of_old_sessions_is_given_back(
    on_device: bool, most: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"poolnorm_cli.backends.onnx_backend._MAX_{most}", 2)
    provider: Any = Counting()
    provider.on_device = on_device
    backend = OnnxBackend(provider, None, lambda _: None)
    for size in (4, 5, 6, 4):
        backend.apply(layer("pool max"), np.zeros((1, size, 1), np.float32), {}, Call())
    assert len(provider.threads) == 4
    assert len(backend._sessions) == 2


def test_the_output_takes_memory_that_was_released() -> None:
    backend = OnnxBackend(choose("cpu", lambda _: None), 1, lambda _: None)
    x = np.ones((2, 4, 1), np.float32)
    first = backend.apply(layer("pool max"), x, {}, Call())
    address = first.ctypes.data
    release(first)
    assert backend.apply(layer("pool max"), x, {}, Call()).ctypes.data == address


def test_a_device_is_given_larger_blocks_with_the_same_results() -> None:
    provider: Any = Counting()
    provider.on_device = True
    device = OnnxBackend(provider, 1, lambda _: None)
    cpu = open_backend("onnx", "cpu", threads=1)
    x = np.random.default_rng(3).random((40, 64, 64, 8), np.float32)
    made = layer("pool average", pool_size=(2,))
    assert device.block_bytes > x.nbytes > cpu.block_bytes
    y, expected = (run_array(made, x, backend=each)[0] for each in (device, cpu))
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("size", [2, 5, 30])
@pytest.mark.parametrize("scale", [1.0, 1e30, 3e38])
def test_an_average_is_within_four_epsilons_and_overflows_with_its_mean_only(
    size: int, scale: float
) -> None:
    x = (np.random.default_rng(size).random((2, 90, 3)) * scale).astype(np.float32)
    y = result(layer("pool average", pool_size=size, strides=1), x)
    cells = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), size, axis=1)
    assert (np.abs(y - cells.mean(axis=-1)) <= 4 * EPSILON * np.abs(cells).mean(axis=-1)).all()


def test_few_channels_go_through_in_long_rows() -> None:
    operators: list[str] = []

    class Watching(Counting):
        def session(self, model: bytes, threads: int | None) -> Any:
            nodes = onnx.load_from_string(model).graph.node
            operators.extend(node.op_type for node in nodes)
            return super().session(model, threads)

    provider: Any = Watching()
    x = np.random.default_rng(2).standard_normal((2, 9, 7, 3)).astype(np.float32)
    y, _ = run_array(layer("bn"), x, backend=OnnxBackend(provider, 1, lambda _: None))
    assert "Tile" in operators
    np.testing.assert_array_equal(y, run_array(layer("bn"), x)[0])


@pytest.mark.parametrize(("words", "options"), [("bn", {"training": True}), ("ln", {})])
def test_a_large_mean_costs_nothing(words: str, options: dict[str, Any]) -> None:
    x = (np.random.default_rng(1).standard_normal((64, 8, 256)) + 1e6).astype(np.float32)
    axes = (0, 1) if words == "bn" else (2,)
    wide = x.astype(np.float64)
    mean, variance = wide.mean(axis=axes, keepdims=True), wide.var(axis=axes, keepdims=True)
    exact = (wide - mean) / np.sqrt(variance + 1e-3)
    y = result(layer(words), x, **options)
    np.testing.assert_allclose(y, exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("words", ["pool max", "pool average", "gpool max", "gpool average"])
def test_subnormals_stay(words: str) -> None:
    x = np.full((1, 4, 1), 1e-40, np.float32)
    np.testing.assert_array_equal(result(layer(words), x), run_array(layer(words), x)[0])
    assert (result(layer(words), x) > 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("words", ["pool max", "pool average", "gpool max", "gpool average"])
def test_nan_and_infinities_are_where_numpy_has_them(words: str, dtype: str) -> None:
    values = [np.nan, np.inf, -np.inf, -np.inf, 1.0, 2.0]
    x = np.array([np.roll(values, turn) for turn in range(6)], dtype).reshape(6, 6, 1)
    np.testing.assert_array_equal(result(layer(words), x), run_array(layer(words), x)[0])


def test_details_are_reported_once_per_graph() -> None:
    messages: list[str] = []
    backend = OnnxBackend(choose("cpu", messages.append), 1, messages.append)
    for _ in range(3):
        backend.apply(layer("gpool average"), np.ones((2, 4, 1)), {}, Call())
    assert messages == ["gpool average: float64: the mean is taken in float64"]


@pytest.mark.parametrize(
    ("words", "dtype", "message"),
    [
        ("pool max", "float32", "pool max: float32: Transpose, MaxPool, Transpose"),
        ("gpool max", "int64", "gpool max: int64: ReduceMax"),
        (
            "pool max",
            "int64",
            "pool max: int64: the maximum of slices, where MaxPool would lose a NaN or the type",
        ),
        ("rms", "float32", "rms: float32: the mean of squares in float64, as exact as NumPy's"),
        ("ln", "float64", "ln: float64: statistics and factors in float64, as exact as NumPy's"),
    ],
)
def test_every_graph_is_reported(words: str, dtype: str, message: str) -> None:
    messages: list[str] = []
    backend = OnnxBackend(choose("cpu", messages.append), 1, messages.append)
    run_array(layer(words), np.ones((2, 4, 3), dtype), backend=backend)
    assert messages == [message]


def test_a_runtime_that_fails_is_reported_in_one_line() -> None:
    class Broken:
        def run_with_iobinding(self, _: Any) -> None:
            raise RuntimeError("out of\n memory")

    with pytest.raises(UnavailableError) as caught:
        Provider("cuda", ModuleType("onnxruntime")).run(Broken(), None)
    assert str(caught.value) == "cuda: out of memory; --provider cpu runs on the processor"


def test_another_process_opens_the_same_for_itself() -> None:
    for threads, there in ((None, 1), (3, 3)):
        backend = OnnxBackend(choose("cpu", lambda _: None), threads, lambda _: None)
        opened = copy.copy(backend)  # as pickle does it, by __reduce__
        assert opened._threads == there
        x = np.ones((1, 4, 1), np.float32)
        np.testing.assert_array_equal(opened.apply(layer("pool max"), x, {}, Call()), x[:, :2])


def test_threads_and_provider_reach_the_session() -> None:
    session = choose("cpu", lambda _: None).session(_identity(), threads=2)
    assert session.get_session_options().intra_op_num_threads == 2
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert isinstance(choose("cpu", lambda _: None), Provider)


def _identity() -> bytes:
    from poolnorm_cli.backends.providers import one_node

    return one_node()
