"""Blocks by a ring of lanes, whose device here is ordinary memory."""

import ctypes
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.backends import onnx_backend
from poolnorm_cli.backends.cuda_memory import CudaMemory
from poolnorm_cli.backends.device_memory import RingError
from poolnorm_cli.backends.onnx_backend import OnnxBackend
from poolnorm_cli.backends.ring import Ring
from poolnorm_cli.engine import threads
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.kernels import memory as kernel_memory, native
from poolnorm_cli.layers.call import Call
from poolnorm_cli.sizes import MOST_PINNED_BYTES, RING_PIECE_BYTES
from tests.backends.doubles import OrdinaryMemory
from tests.backends.test_agreement import BY_NAME, compare
from tests.backends.test_chains import CHAINS, NAMES, through, tolerance
from tests.backends.test_device import Device, layer
from tests.conftest import Command


MANY = tuple(name for place, name in enumerate(BY_NAME) if place % 4 == 0)


def opened(memory: Any, least: int = 1, **more: Any) -> tuple[OnnxBackend, Ring]:
    ring = Ring(memory, least)
    ring.lanes = 3
    device: Any = Device(**more)
    backend = OnnxBackend(device, 1, lambda _: None, ring)
    backend.block_bytes = 1 << 16
    return backend, ring


RING, _ = opened(OrdinaryMemory())


@pytest.mark.parametrize("name", MANY)
def test_blocks_by_a_lane_give_what_numpy_gives(name: str) -> None:
    compare(BY_NAME[name], RING)


@pytest.mark.parametrize("case", CHAINS[::2], ids=NAMES[::2])
def test_a_chain_by_a_lane_gives_what_numpy_gives(case: Any) -> None:
    x, weights = case.x(), case.weights()
    expected = through(case, x, weights, opened(OrdinaryMemory())[0])
    y = through(case, x, weights, RING)
    np.testing.assert_allclose(y, expected, rtol=tolerance(case), atol=tolerance(case))


def random(shape: tuple[int, ...], seed: int = 1) -> Any:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("pool max", {}),
    ("gpool average", {}),
    ("bn", {}),
    ("ln", {}),
    ("unit", {}),
]


@pytest.mark.usefixtures("threads_of_loops")
@pytest.mark.parametrize(("words", "parameters"), LAYERS)
def test_several_threads_bring_their_blocks(
    words: str, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an array of the caller, whose pages are not pinned: through the pieces of a lane."""
    monkeypatch.setattr(threads, "THREADED_ARRAYS_BYTES", 1 << 16)
    memory = OrdinaryMemory()
    backend, _ = opened(memory)
    made, x = layer(words, **parameters), random((640, 32, 32, 16))
    y, _ = run_array(made, x, backend=backend, threads=None)
    np.testing.assert_allclose(y, run_array(made, x)[0], rtol=2e-5, atol=2e-6)
    assert len(memory.senders) > 1
    assert memory.sent >= x.nbytes


def test_a_block_larger_than_the_pieces_of_a_lane_is_copied_in_turns() -> None:
    backend, _ = opened(OrdinaryMemory())
    x = random((1, 5 * RING_PIECE_BYTES // 8 // 1024 + 3, 1024))
    y = backend.apply(layer("pool max", pool_size=1), x, {}, Call())
    np.testing.assert_array_equal(y, x)


def test_a_block_with_a_nan_is_sent_once_and_computed_twice() -> None:
    memory = OrdinaryMemory()
    backend, _ = opened(memory)
    x = random((2, 16, 16, 4))
    x[1, 3, 3, 2] = np.nan
    y = backend.apply(layer("pool max"), x, {}, Call())
    np.testing.assert_array_equal(y, layer("pool max").apply(x, {}))
    assert memory.sent == x.nbytes


@pytest.mark.parametrize("call", ["allocate", "pinned", "stream", "send", "fetch", "wait"])
@pytest.mark.parametrize("after", [0, 1, 7])
def test_what_fails_on_the_way_is_copied_by_the_runtime(call: str, after: int) -> None:
    backend, ring = opened(OrdinaryMemory(failing=call, after=after))
    made, x = layer("bn"), random((640, 32, 32, 16))
    y, _ = run_array(made, x, backend=backend, threads=None)
    np.testing.assert_allclose(y, run_array(made, x)[0], rtol=1e-5, atol=1e-6)
    copies = call in {"send", "fetch", "wait"}
    assert ring.is_broken or (after and not copies)


def test_a_device_without_memory_for_a_block_gets_smaller_ones_from_a_lane() -> None:
    backend, ring = opened(OrdinaryMemory(), most=3 * 8 * 8 * 4)
    x = random((16, 16, 16, 4))
    made = layer("pool average")
    for _ in range(2):
        y = backend.apply(made, x, {}, Call())
        np.testing.assert_allclose(y, made.apply(x, {}), rtol=1e-6, atol=1e-6)
    assert not ring.is_broken


def test_weights_are_sent_once_and_again_when_they_change() -> None:
    backend, _ = opened(OrdinaryMemory())
    made, x = layer("ln"), random((2, 8, 8, 4))
    for scale in (1.0, 2.0, 3.0):
        weights = {"gamma": np.full(4, scale, np.float32), "beta": np.ones(4, np.float32)}
        for _ in range(2):
            y = backend.apply(made, x, weights, Call())
            np.testing.assert_allclose(y, made.apply(x, weights), rtol=1e-5, atol=1e-5)


def test_weights_for_which_there_is_no_room_are_copied_by_the_runtime(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import onnxruntime

    def fail(*_: Any) -> None:
        message = "CUDA failure 2: out of memory"
        raise RuntimeError(message)

    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_numpy", fail)
    backend, ring = opened(OrdinaryMemory())
    made, x = layer("ln"), random((2, 8, 8, 4))
    weights = {"gamma": np.full(4, 2, np.float32), "beta": np.ones(4, np.float32)}
    y = backend.apply(made, x, weights, Call())
    np.testing.assert_allclose(y, made.apply(x, weights), rtol=1e-5, atol=1e-5)
    assert ring.is_broken


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("lanes", [True, False])
def test_a_command_for_which_a_device_has_no_memory(
    dtype: str, lanes: bool, poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets smaller blocks, and then there is one line."""
    x = random((24, 24, 24, 16)).astype(dtype)
    np.save("x.npy", x)
    ring = Ring(OrdinaryMemory(), 1 << 12) if lanes else None
    monkeypatch.setattr(onnx_backend, "_ring_of", lambda _: ring)
    for most, code in ((3 * 12 * 12 * 16, 0), (12 * 12 * 16 - 1, 3)):
        device: Any = Device(most=most)
        monkeypatch.setattr(onnx_backend, "choose", lambda *_, device=device: device)
        done = poolnorm("pool max x.npy -o y.npy --provider cuda --overwrite")
        assert done.code == code
        if code == 0:
            assert done.err == ""
            np.testing.assert_array_equal(np.load("y.npy"), layer("pool max").apply(x, {}))
        else:
            assert done.err == (
                "error: x.npy: cuda: no memory left on the device for one sample of shape "
                "(24,24,16); --provider cpu\n"
            )


def test_pinned_memory_is_lent_again_and_has_an_end() -> None:
    ring = Ring(OrdinaryMemory(), 1)
    first = ring.pin(1000)
    assert first is not None
    address = first.ctypes.data
    assert ring.is_pinned(address)
    assert ring.is_pinned(address + 999)
    del first
    again = ring.pin(900)
    assert again is not None
    assert again.ctypes.data == address
    other = ring.pin(1000)
    assert other is not None
    place = other.ctypes.data
    del again
    assert (held := ring.pin(1000)) is not None
    assert held.ctypes.data == address
    del other
    assert (last := ring.pin(1000)) is not None
    assert last.ctypes.data == place
    assert ring.pin(MOST_PINNED_BYTES) is None


def test_small_blocks_are_left_to_the_runtime() -> None:
    memory = OrdinaryMemory()
    backend, _ = opened(memory, least=1 << 20)
    x = random((2, 8, 8, 4))
    backend.apply(layer("pool max"), x, {}, Call())
    assert memory.sent == 0


def test_results_lie_in_pinned_memory_and_are_written_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = OrdinaryMemory()
    backend, ring = opened(memory)
    monkeypatch.setattr(kernel_memory, "_MAKERS", [ring.pin])
    monkeypatch.setattr(kernel_memory, "_FREE", [])
    made, x = layer("bn"), random((3, 8, 8, 4))
    y = backend.apply(made, x, {n: np.ones(4) for n in made.weight_names}, Call())
    assert ring.is_pinned(y.ctypes.data)
    address = y.ctypes.data
    kernel_memory.release(y)
    del y
    z = backend.apply(made, x, {n: np.ones(4) for n in made.weight_names}, Call())
    assert z.ctypes.data == address


HALVES: list[tuple[str, dict[str, Any]]] = [
    ("pool max", {}),
    ("pool average", {"pool_size": 3, "strides": 2, "padding": "same"}),
    ("gpool average", {}),
    ("bn", {}),
    ("ln", {}),
    ("rms", {}),
    ("unit", {}),
    ("in", {}),
]


@pytest.mark.skipif(
    not native.compiled(), reason="without compiled loops halves are widened before"
)
@pytest.mark.parametrize(("words", "parameters"), HALVES)
@pytest.mark.parametrize("value", [1.0, np.nan, np.inf, 60000.0])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_two_bytes_are_half_of_them_on_the_way(
    words: str, parameters: dict[str, Any], value: float, dtype: str
) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")  # which makes it known by its name
    memory = OrdinaryMemory()
    backend, ring = opened(memory)
    made, x = layer(words, **parameters), random((64, 16, 16, 16)).astype(dtype)
    x[3, 2, 1, 0] = value
    y, _ = run_array(made, x, backend=backend, threads=2)
    expected, _ = run_array(made, x)
    assert y.dtype == expected.dtype == x.dtype
    wide = y.astype(np.float64), expected.astype(np.float64)
    np.testing.assert_array_equal(np.isnan(wide[0]), np.isnan(wide[1]))
    one = 1e-3 if dtype == "float16" else 2.0**-7  # an epsilon
    np.testing.assert_allclose(*wide, rtol=one, atol=1e-7)
    of_block = words in ("ln", "rms", "unit", "in")
    if not of_block or np.isfinite(value):  # its statistics tell that it is to be done anew
        assert memory.sent == x.nbytes
    assert not ring.is_broken


def test_float16_that_wants_units_is_widened_before() -> None:
    memory = OrdinaryMemory()
    backend, _ = opened(memory)
    made, x = layer("bn"), random((64, 16, 16, 16)).astype(np.float16)
    weights = {n: np.full(16, 3e38, np.float32) for n in made.weight_shapes(x.shape)}
    y, _ = run_array(made, x, weights, backend=backend)
    expected, _ = run_array(made, x, weights)
    np.testing.assert_array_equal(y, expected)
    assert memory.sent > x.nbytes


COMMANDS = [
    "bn {x} --training --weights w.npz --save-weights v.npz {o}",
    "pipe {x} {o} ! pool max --pool-size 3 --strides 1 --padding same ! ln ! gpool average",
    "pipe {x} {o} ! bn --training ! pool average ! unit",
    "in {x} {o}",
    "gn {x} --groups 4 {o}",
    "rms {x} {o}",
    "gpool average {x} --mask m.npy {o}",
    "pool lp {x} {o}",
]


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_commands_go_by_the_ring(
    words: str, dtype: str, poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = OrdinaryMemory()
    ring = Ring(memory, 1 << 12)
    ring.lanes = 3
    device: Any = Device()
    monkeypatch.setattr(onnx_backend, "choose", lambda *_: device)
    monkeypatch.setattr(onnx_backend, "_ring_of", lambda _: ring)
    monkeypatch.setattr(kernel_memory, "_MAKERS", [ring.pin])
    for least in ("THREADED_BYTES", "THREADED_ARRAYS_BYTES"):
        monkeypatch.setattr(threads, least, 1 << 16)
    monkeypatch.setattr(onnx_backend, "RING_BLOCK_BYTES", 1 << 16)
    np.save("x.npy", random((24, 24, 24, 16)).astype(dtype))
    weights: dict[str, Any] = {n: np.ones(16, "f") for n in layer("bn").weight_shapes((1, 16))}
    np.savez("w.npz", **weights)
    np.save("m.npy", np.arange(24 * 24 * 24).reshape(24, 24, 24) % 3 > 0)
    done = poolnorm(words.format(x="x.npy", o="-o y.npy --provider cuda"))
    assert (done.code, done.err) == (0, "")
    assert memory.sent > 0
    done = poolnorm(words.replace("v.npz", "u.npz").format(x="x.npy", o="-o z.npy"))
    assert (done.code, done.err) == (0, "")
    y, z = np.load("y.npy"), np.load("z.npy")
    near = 2e-5 if dtype == "float32" else 2e-3
    np.testing.assert_allclose(y, z, rtol=near, atol=near)
    assert not ring.is_broken


@pytest.mark.parametrize(
    ("words", "passes"),
    [
        ("pool max {x} {o}", 1),
        ("bn {x} {o}", 1),
        ("rms {x} {o}", 1),
        ("gpool average {x} {o} --dtype float32", 2),
        ("gpool average {x} --mask m.npy {o}", 2),
        ("pipe {x} {o} ! pool max ! ln", 2),
        ("pool max {x} {o} --save-svg p.svg", 2),
    ],
)
def test_a_file_of_bfloat16_is_sent_as_it_is_stored(
    words: str, passes: int, poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the output is of it, too, and one layer takes it; others are widened before."""
    memory = OrdinaryMemory()
    ring = Ring(memory, 1 << 12)
    ring.lanes = 3
    device: Any = Device()
    monkeypatch.setattr(onnx_backend, "choose", lambda *_: device)
    monkeypatch.setattr(onnx_backend, "_ring_of", lambda _: ring)
    monkeypatch.setattr(kernel_memory, "_MAKERS", [ring.pin])
    for least in ("THREADED_BYTES", "THREADED_ARRAYS_BYTES"):
        monkeypatch.setattr(threads, least, 1 << 16)
    monkeypatch.setattr(onnx_backend, "RING_BLOCK_BYTES", 1 << 16)
    made = poolnorm("generate normal 24,24,24,16 --dtype bfloat16 -o x.safetensors")
    assert made.code == 0
    np.save("m.npy", np.arange(24 * 24 * 24).reshape(24, 24, 24) % 3 > 0)
    line = words.format(x="x.safetensors", o="-o y.safetensors")
    done = poolnorm(f"{line} --provider cuda")
    assert (done.code, done.err) == (0, "")
    assert passes * 24**3 * 16 * 2 <= memory.sent < (passes + 0.5) * 24**3 * 16 * 2
    done = poolnorm(line.replace("y.safetensors", "z.safetensors").replace("p.svg", "q.svg"))
    assert (done.code, done.err) == (0, "")
    assert poolnorm("compare y.safetensors z.safetensors --max-ulp 4").code == 0
    assert not ring.is_broken


def test_a_library_that_lacks_a_function_does_not_serve() -> None:
    with pytest.raises(RingError, match="cudaMalloc"):
        CudaMemory(object())


class Library:
    """Functions of CUDA that do what they are named after, in the processor's memory."""

    def __init__(self, failing: str = "") -> None:
        self.failing, self.forgotten = failing, 0
        self.kept: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cuda"):
            raise AttributeError(name)
        library = self

        class Function:
            def __call__(self, *given: Any) -> int:
                return library.called(name, *given)

        return Function()

    def called(self, name: str, *given: Any) -> int:
        if name == self.failing:
            return 2
        if name == "cudaGetLastError":
            self.forgotten += 1
        elif name == "cudaMalloc":
            block = np.zeros(given[1], np.uint8)
            self.kept.append(block)
            given[0]._obj.value = block.ctypes.data
        elif name == "cudaStreamCreateWithFlags":
            given[0]._obj.value = 7
        elif name == "cudaMemcpyAsync":
            ctypes.memmove(*given[:3])
        return 0


def test_calls_of_the_library_are_those_of_a_ring() -> None:
    library = Library()
    memory: Any = CudaMemory(library)
    memory.device = "cpu"
    backend, ring = opened(memory)
    x = random((4, 16, 16, 4))
    y = backend.apply(layer("pool max"), x, {}, Call())
    np.testing.assert_array_equal(y, layer("pool max").apply(x, {}))
    assert not ring.is_broken


@pytest.mark.parametrize("name", ["cudaMalloc", "cudaHostRegister", "cudaMemcpyAsync"])
def test_a_call_that_fails_is_not_left_for_the_runtime_to_find(name: str) -> None:
    library = Library(failing=name)
    memory: Any = CudaMemory(library)
    memory.device = "cpu"
    backend, ring = opened(memory)
    x = random((4, 16, 16, 4))
    y = backend.apply(layer("pool max"), x, {}, Call())
    np.testing.assert_array_equal(y, layer("pool max").apply(x, {}))
    assert ring.is_broken
    assert library.forgotten
