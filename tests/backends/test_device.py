"""Graphs for a device, and what is done where they do not serve: here on the processor."""

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st

from poolnorm_cli.backends.onnx_backend import OnnxBackend
from poolnorm_cli.backends.providers import DeviceMemoryError, Provider, choose
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.errors import UnavailableError, UsageError
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.call import Call
from poolnorm_cli.operators.device import placed
from poolnorm_cli.windows import Window, window
from tests.backends.chains import ChainCase
from tests.backends.test_agreement import BY_NAME, compare
from tests.backends.test_chains import CHAINS, NAMES, through, tolerance


EPSILON = float(np.finfo(np.float32).eps)
FLOAT32 = [name for name, case in BY_NAME.items() if case.dtype == "float32"]


class Device:
    """A provider that is taken for a device, and may lack operators or memory.

    Attributes:
        lacking: An operator that it does not have.
        most: Items of a block for which it has memory; None for any.
        kinds: The operators of each graph that was opened.
        runs: Samples of each block that was run.
    """

    name = "cuda"
    on_device = True

    def __init__(self, lacking: str = "", most: int | None = None) -> None:
        self.lacking, self.most = lacking, most
        self.kinds: list[list[str]] = []
        self.runs: list[int] = []
        self._provider = choose("cpu", print)

    def session(self, model: bytes, threads: int | None = None) -> Any:
        del threads
        kinds = [node.op_type for node in onnx.load_from_string(model).graph.node]
        if self.lacking in kinds:
            raise UnavailableError.at("cuda", f"no kernel for {self.lacking}")
        self.kinds.append(kinds)
        return self._provider.session(letting_nan_through(model), 1)

    def run(self, session: Any, binding: Any) -> None:
        self._provider.run(session, binding)
        shape = binding.get_outputs()[0].shape()
        if self.most is not None and np.prod(shape) > self.most:
            raise DeviceMemoryError.at("cuda", "CUDA failure 2: out of memory", "--provider cpu")
        self.runs.append(shape[0])


def letting_nan_through(model: bytes) -> bytes:
    """Have each MaxPool do what a device's does: the processor's loses some NaN, by their place."""
    found, make = onnx.load_from_string(model), onnx.helper.make_node
    floats = found.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    nodes = []
    for node in found.graph.node:
        if node.op_type != "MaxPool" or not floats:
            nodes.append(node)
            continue
        (x, *_), (y, *_) = node.input, node.output
        for source, result in ((x, f"{y}.most"), (f"{y}.one", f"{y}.any")):
            copied = onnx.NodeProto()
            copied.CopyFrom(node)
            copied.name, copied.input[:], copied.output[:] = result, [source], [result]
            nodes.append(copied)
        nodes[-1:-1] = [
            make("IsNaN", [x], [f"{y}.is"]),
            make("Cast", [f"{y}.is"], [f"{y}.one"], to=onnx.TensorProto.FLOAT),
        ]
        nodes += [
            make("Cast", [f"{y}.any"], [f"{y}.bad"], to=onnx.TensorProto.BOOL),
            make("Constant", [], [f"{y}.nan"], value_float=float("nan")),
            make("Where", [f"{y}.bad", f"{y}.nan", f"{y}.most"], [y]),
        ]
    del found.graph.node[:]
    found.graph.node.extend(nodes)
    serialized: bytes = found.SerializeToString()
    return serialized


def opened(device: Device) -> OnnxBackend:
    provider: Any = device
    return OnnxBackend(provider, 1, lambda _: None)


def layer(words: str, **parameters: Any) -> Layer:
    return find(*words.split())(**parameters)


DEVICE = opened(Device())


@pytest.mark.parametrize("name", FLOAT32)
def test_the_choice_for_a_device_gives_what_numpy_gives(name: str) -> None:
    compare(BY_NAME[name], DEVICE)


@pytest.mark.parametrize("case", CHAINS, ids=NAMES)
def test_a_chain_for_a_device_gives_what_numpy_gives(case: ChainCase) -> None:
    x, weights = case.x(), case.weights()
    expected = through(case, x, weights, opened(Device()))
    y = through(case, x, weights, opened(Device(lacking="MatMul")))
    near = tolerance(case)
    np.testing.assert_allclose(y, expected, rtol=near, atol=near)


SHAPE = (3, 24, 20, 16)
PLAIN: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("pool max", {}, ("MaxPool",)),
    ("pool max", {"pool_size": 3, "strides": 2, "padding": "same"}, ("MaxPool", "Slice")),
    ("pool average", {"data_format": "channels_first"}, ("AveragePool",)),
    ("pool average", {"pool_size": 3, "strides": 2, "padding": "same"}, ("AveragePool",)),
    (
        "pool average",
        {"pool_size": (3, 2), "strides": (2, 2), "padding": "same"},
        ("AveragePool", "Slice"),
    ),
    ("apool average", {"output_size": (8, 10)}, ("AveragePool",)),
    ("gpool max", {}, ("MaxPool",)),
    ("gpool average", {}, ("MatMul", "Cast")),
    ("gpool average", {"data_format": "channels_first", "keepdims": True}, ("MatMul", "Cast")),
    ("bn", {}, ("BatchNormalization",)),
    ("bn", {"axis": (1,)}, ("BatchNormalization",)),
    ("ln", {}, ("LayerNormalization", "ReduceMean")),
    ("rms", {}, ("SimplifiedLayerNormalization",)),
    ("rms", {"axis": (2, 3)}, ("SimplifiedLayerNormalization",)),
    ("unit", {}, ("ReduceSumSquare", "Max", "Sqrt", "Div")),
    ("in", {}, ("MatMul", "Sqrt", "Neg", "Add")),
    ("in", {"axis": 1}, ("MatMul", "Sqrt", "Neg", "Add")),
    ("gn", {"groups": 4}, ("MatMul", "Sqrt", "Neg", "Add", "ReduceMean", "Expand")),
    ("gn", {"groups": 2, "axis": 1}, ("MatMul", "Sqrt", "Neg", "Add", "ReduceMean", "Expand")),
]
SOUND = {"Reshape", "Transpose", "Mul", "MatMul", "ReduceSum", "Cast", "Sub", "Reciprocal"}


@pytest.mark.parametrize(("words", "parameters", "operators"), PLAIN, ids=str)
def test_a_device_takes_the_plain_operator_where_numbers_are_finite(
    words: str, parameters: dict[str, Any], operators: tuple[str, ...]
) -> None:
    device, made = Device(), layer(words, **parameters)
    x = np.random.default_rng(1).standard_normal(SHAPE).astype("float32")
    y, _ = run_array(made, x, backend=opened(device))
    expected, _ = run_array(made, x)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    (kinds,) = device.kinds
    assert set(operators) <= set(kinds) <= {*operators, *SOUND}


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(PLAIN),
    st.sampled_from([np.nan, np.inf, -np.inf, 3e38, -float(np.finfo(np.float32).max)]),
    st.integers(0, 2**31),
    st.sampled_from([(3, 24, 20, 16), (2, 7, 5, 4), (1, 4, 3, 2000), (2, 70, 64, 1)]),
)
def test_no_number_anywhere_is_lost(
    row: tuple[str, dict[str, Any], tuple[str, ...]],
    value: float,
    place: int,
    shape: tuple[int, ...],
) -> None:
    """What the quicker graph would make of it shows in its check, or is right as it is."""
    words, parameters, _ = row
    made = layer(words, **parameters)
    try:
        made.output_shape(shape)
    except UsageError:
        return  # fewer cells than the window has
    x = np.random.default_rng(2).standard_normal(shape).astype("float32")
    x.reshape(-1)[place % x.size] = value
    y, _ = run_array(made, x, backend=DEVICE)
    expected, _ = run_array(made, x)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    np.testing.assert_allclose(y, expected, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("words", ["pool max", "gpool max"])
@pytest.mark.parametrize("lowest", [-np.inf, -float(np.finfo(np.float32).max)])
def test_a_window_of_minus_infinity_may_have_any_neighbours(words: str, lowest: float) -> None:
    """Of a device the lowest number may come for it, which shows whatever it is added to."""
    x = np.full((2, 64, 64, 16), 8e37, np.float32)
    x[0, :2, :2] = x[1] = lowest
    device = Device()
    y, _ = run_array(layer(words), x, backend=opened(device))
    np.testing.assert_array_equal(y, run_array(layer(words), x)[0])
    assert len(device.kinds) == 2


@pytest.mark.parametrize("words", ["pool average", "gpool average"])
def test_an_average_overflows_with_its_mean_only(words: str) -> None:
    x = np.full((2, 8, 8, 16), 3e38, np.float32)
    y, _ = run_array(layer(words), x, backend=DEVICE)
    np.testing.assert_array_equal(y, np.full_like(y, 3e38))


@pytest.mark.parametrize("scale", [1.0, 1e6, 3e38])
@pytest.mark.parametrize("size", [(3, 3), (2, 6), (1, 12)])
def test_an_average_of_few_cells_is_within_four_epsilons(
    size: tuple[int, int], scale: float
) -> None:
    device = Device()
    made = layer("pool average", pool_size=size, strides=(1, 1), padding="same")
    x = (np.random.default_rng(5).random((3, 40, 40, 4)) * scale).astype(np.float32)
    y, _ = run_array(made, x, backend=opened(device))
    wide, _ = run_array(made, x.astype(np.float64))
    assert (np.abs(y - wide) <= 4 * EPSILON * wide).all()
    assert "AveragePool" in device.kinds[0]


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("cells", [(224, 60), (49, 1), (13, 16), (197, 1), (17, 16)])
@pytest.mark.parametrize("mean", [0.0, 0.1, 1e6])
def test_a_global_average_is_within_four_epsilons(
    mean: float, cells: tuple[int, int], layout: str
) -> None:
    """Also of one number many times over, whose roundings add up."""
    device = opened(Device())
    made = layer("gpool average", data_format=layout)
    for spread in (0.0, 1.0):
        shape = (2, *cells, 8) if layout == "channels_last" else (2, 8, *cells)
        noise = np.random.default_rng(3).standard_normal(shape) * spread
        x = (noise + mean).astype(np.float32)
        y, _ = run_array(made, x, backend=device)
        axes = (1, 2) if layout == "channels_last" else (2, 3)
        wide = x.astype(np.float64)
        bound = 4 * EPSILON * np.abs(wide).mean(axes) + 1e-30
        assert (np.abs(y - wide.mean(axes)) <= bound).all()


@pytest.mark.parametrize("words", ["in", "gn"])
@pytest.mark.parametrize("layout", [-1, 1])
def test_a_mean_of_some_deviations_keeps_the_quicker_graph(words: str, layout: int) -> None:
    """One of many, as that of a channel of one number, wants the exact one."""
    more = {"groups": 4} if words == "gn" else {}
    made = layer(words, axis=layout, **more)
    x = np.random.default_rng(4).random((2, 24, 20, 16)).astype(np.float32)
    for mean, graphs in ((0.5, 1), (1e4, 2)):
        device = Device()
        moved = x + np.float32(mean)
        y, _ = run_array(made, moved, backend=opened(device))
        np.testing.assert_allclose(y, run_array(made, moved)[0], rtol=1e-5, atol=2e-6)
        assert len(device.kinds) == graphs


@pytest.mark.parametrize("words", ["rms", "unit", "in", "gn"])
@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e-24, 1e-42, 1e18, 1e25])
def test_squares_that_leave_the_range_cost_no_digits(words: str, scale: float) -> None:
    made = layer(words, **({"groups": 4} if words == "gn" else {}))
    x = np.random.default_rng(4).standard_normal((2, 8, 6, 16)) * scale
    x[0, :, :, :4] = 0
    x = x.astype(np.float32)
    y, _ = run_array(made, x, backend=DEVICE)
    largest = min(scale / np.sqrt(1e-3), 1)  # epsilon keeps small values small
    np.testing.assert_allclose(y, run_array(made, x)[0], rtol=1e-5, atol=1e-6 * largest)


@pytest.mark.parametrize("words", ["ln", "bn"])
def test_a_mean_of_a_million_costs_no_digits(words: str) -> None:
    device = Device()
    made = layer(words)
    x = (np.random.default_rng(4).standard_normal((4, 16, 16, 64)) + 1e6).astype(np.float32)
    weights = {
        "gamma": np.ones(64, np.float32),
        "beta": np.zeros(64, np.float32),
        "moving_mean": np.full(64, 1e6, np.float32),
        "moving_variance": np.ones(64, np.float32),
    }
    weights = {name: weights[name] for name in made.weight_shapes(x.shape)}
    y, _ = run_array(made, x, weights, backend=opened(device))
    expected, _ = run_array(made, x, weights)
    np.testing.assert_allclose(y, expected, rtol=2e-5, atol=4e-5)
    if words == "bn":  # a shift of a million has no digits left for the output
        assert not any("BatchNormalization" in kinds for kinds in device.kinds)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 20), st.integers(1, 7), st.integers(1, 6), st.sampled_from(["valid", "same"]))
def test_equal_pads_give_the_places_of_unequal_ones(
    length: int, size: int, stride: int, padding: Any
) -> None:
    wanted = window(length, size, stride, padding)
    found = placed(wanted, length)
    if found is None:
        assert wanted.count < 1 or wanted.high > wanted.low
        return
    assert 0 <= found.pad < size
    starts = [place * stride - found.pad for place in range(found.total)]
    kept = starts[found.skipped : found.skipped + wanted.count]
    assert kept == [place * stride - wanted.low for place in range(wanted.count)]


@pytest.mark.parametrize("size", [(3, 2), (2, 2), (5, 2), (3, 3), (4, 3), (2, 1)])
@pytest.mark.parametrize("length", range(5, 14))
def test_an_average_may_reach_over_the_end(size: tuple[int, int], length: int) -> None:
    made = layer("pool average", pool_size=(size[0], 1), strides=(size[1], 1), padding="same")
    x = np.random.default_rng(9).standard_normal((2, length, 6, 4)).astype("float32")
    y, _ = run_array(made, x, backend=DEVICE)
    np.testing.assert_allclose(y, run_array(made, x)[0], rtol=1e-5, atol=1e-6)


def test_a_window_that_cannot_have_equal_pads_is_left_to_the_exact_graph() -> None:
    assert placed(Window(4, 4, 3, 1, 2), 9) is None
    device = Device()
    made = layer("pool max", pool_size=4, padding="same")
    x = np.ones((1, 9, 9, 2), np.float32)
    run_array(made, x, backend=opened(device))
    assert "MaxPool" not in device.kinds[0]


@pytest.mark.parametrize("words", ["pool max", "gpool average", "bn", "ln", "rms", "unit", "in"])
def test_an_operator_that_a_device_lacks_is_done_by_the_exact_graph(words: str) -> None:
    kinds = {"pool max": "MaxPool", "bn": "BatchNormalization", "ln": "LayerNormalization"}
    kinds |= {"rms": "SimplifiedLayerNormalization", "unit": "ReduceSumSquare"}
    device = Device(lacking=kinds.get(words, "MatMul"))
    x = np.random.default_rng(5).standard_normal(SHAPE).astype("float32")
    y, _ = run_array(layer(words), x, backend=opened(device))
    np.testing.assert_allclose(y, run_array(layer(words), x)[0], rtol=1e-5, atol=1e-6)
    assert len(device.kinds) == 1


def test_blocks_become_smaller_until_there_is_memory_for_them() -> None:
    device = Device(most=3 * 8 * 8 * 4)
    backend = opened(device)
    x = np.random.default_rng(6).standard_normal((16, 16, 16, 4)).astype("float32")
    made = layer("pool average")
    for _ in range(2):
        np.testing.assert_allclose(
            backend.apply(made, x, {}, Call()), made.apply(x, {}), rtol=1e-6, atol=1e-6
        )
    assert device.runs == [2] * 16  # the second block is cut at once


def test_samples_of_a_part_know_their_place_in_the_tensor() -> None:
    """Weights along the batch are those of the samples that are computed."""
    made = layer("ln", axis=(0, 1, 2, 3))
    x = np.random.default_rng(7).standard_normal((8, 6, 6, 2)).astype("float32")
    weights = {
        name: np.random.default_rng(8).random(size).astype("float32")
        for name, size in made.weight_shapes(x.shape).items()
    }
    y, _ = run_array(made, x, weights, backend=opened(Device(most=3 * 6 * 6 * 2)))
    np.testing.assert_allclose(y, run_array(made, x, weights)[0], rtol=1e-5, atol=1e-6)


def test_a_chain_is_cut_as_a_layer_is() -> None:
    case = next(case for case in CHAINS if case.x().shape[0] > 1)
    x, weights = case.x(), case.weights()
    device = Device(most=through(case, x, weights, opened(Device())).size // len(x))
    np.testing.assert_allclose(
        through(case, x, weights, opened(device)),
        through(case, x, weights, opened(Device())),
        rtol=1e-5,
        atol=1e-6,
    )


def test_no_memory_for_one_sample_is_one_clear_line() -> None:
    x = np.ones((4, 16, 16, 4), np.float32)
    with pytest.raises(DeviceMemoryError) as caught:
        opened(Device(most=1)).apply(layer("pool max"), x, {}, Call())
    assert str(caught.value) == (
        "cuda: no memory left on the device for one sample of shape (16,16,4); --provider cpu"
    )
    assert caught.value.code == 3


@pytest.mark.parametrize(
    "text",
    [
        "CUDA failure 2: out of memory ; GPU=0",
        "bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 1073741824",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
    ],
)
def test_what_the_runtime_says_of_memory_is_understood(text: str) -> None:
    class Session:
        def run_with_iobinding(self, _: object) -> None:
            raise RuntimeError(text)

    runtime: Any = object()
    with pytest.raises(DeviceMemoryError):
        Provider("cuda", runtime).run(Session(), None)
    with pytest.raises(UnavailableError) as caught:
        Provider("cpu", runtime).run(Session(), None)
    assert not isinstance(caught.value, DeviceMemoryError)
