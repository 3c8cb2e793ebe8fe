"""A chain of layers in one graph gives what its layers give one after another."""

from dataclasses import replace
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest

from poolnorm_cli.backends import Backend, apply_chain, open_backend
from poolnorm_cli.backends.chain_graphs import ChainFile, ChainGraph
from poolnorm_cli.backends.layer_graphs import BATCH
from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.kernels.moments import moments_of
from poolnorm_cli.layers import find
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.chain import Chain, between
from poolnorm_cli.layers.unit_norm import UnitNormalization
from tests.backends.agreement import with_specials
from tests.backends.chains import Array, ChainCase, Weights, held, one_after_another, random_chains
from tests.backends.kernels import assert_all_on_cuda
from tests.backends.models import parsed


CHAINS = list(random_chains(60, seed=7))
NAMES = ["+".join(layer.words.replace(" ", "-") for layer in case.layers) for case in CHAINS]


@cache
def onnx_cpu() -> Backend:
    return open_backend("onnx", "cpu", threads=1)


def through(case: ChainCase, x: Array, weights: tuple[Weights, ...], backend: Backend) -> Array:
    """Run a chain on one block, and round its output as a file does."""
    chain = case.chain
    calls = [INFERENCE] * len(weights)
    with np.errstate(all="ignore"):
        block = x.astype(chain.links[0].compute)
        y = apply_chain(backend, chain, block, weights, calls)
    assert y.dtype == chain.links[-1].compute
    result = chain.links[-1].result
    return between(y, result, held(result)).copy()


def tolerance(case: ChainCase) -> float:
    narrow = {"float16": 4e-3, "bfloat16": 4e-2, "float64": 1e-11}
    dtypes = {case.dtype, *(link.result for link in case.chain.links)}
    return max(narrow.get(dtype, 2e-5) for dtype in dtypes)


def assert_same(y: Array, expected: Array) -> None:
    """Hold bytes against bytes; the runtime sums float64 by how its memory is aligned."""
    if y.dtype == np.float64:
        np.testing.assert_allclose(y, expected, rtol=1e-14)
    else:
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("case", CHAINS, ids=NAMES)
def test_a_chain_gives_what_its_layers_give_one_after_another(
    case: ChainCase, special: bool
) -> None:
    x, weights = case.x(), case.weights()
    if special and x.dtype.kind == "f":
        x = with_specials(x)
    with np.errstate(all="ignore"):
        expected = one_after_another(case, x, weights, NUMPY)
    np.testing.assert_array_equal(through(case, x, weights, NUMPY), expected)
    y = through(case, x, weights, onnx_cpu())
    assert_same(y, one_after_another(case, x, weights, onnx_cpu()))
    np.testing.assert_allclose(y, expected, rtol=tolerance(case), atol=tolerance(case))


@pytest.mark.parametrize("case", CHAINS, ids=NAMES)
def test_the_checker_accepts_the_graph_of_a_block(case: ChainCase) -> None:
    chain = case.chain
    links = (replace(link, shape=(BATCH, *link.shape[1:])) for link in chain.links)
    count = len(chain.links)
    graph = ChainGraph(Chain(tuple(links)), (False,) * count, (True,) * count)
    built = graph.build()
    assert_all_on_cuda(built.model)
    model = parsed(built.model)
    del model.graph.output[1:]  # their shapes are not stated
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("case", CHAINS, ids=NAMES)
def test_the_graph_in_a_file_gives_what_the_layers_give(case: ChainCase) -> None:
    chain, weights = case.chain, case.weights()
    file = ChainFile(chain, case.dtype, (False,) * len(weights), command="poolnorm pipe")
    data, _ = file.serialized(weights)
    model = onnx.load_from_string(data)
    first, last = chain.links[0].name, chain.links[-1].name
    assert [given.name for given in model.graph.input] == [f"{first}_input"]
    assert [given.name for given in model.graph.output] == [last]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == BATCH
    if "bfloat16" in (case.dtype, chain.links[-1].result):
        return  # the runtime takes no such array
    for samples in (3, 1):
        x = case.x()[:samples]
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        (y,) = session.run(None, {f"{first}_input": x})
        expected = one_after_another(case, x, weights, NUMPY)
        assert y.dtype == expected.dtype
        np.testing.assert_allclose(y, expected, rtol=tolerance(case), atol=tolerance(case))


def trained_case() -> ChainCase:
    layers = (find("pool", "max")(), BatchNormalization(name="a"), BatchNormalization(momentum=0.5))
    return ChainCase((*layers, find("gpool", "average")()), (6, 8, 8, 3), "float32", 3)


def test_a_file_of_a_chain_in_training_gives_the_updated_weights_of_each_layer() -> None:
    case = trained_case()
    x, weights = case.x(), case.weights()
    training = (False, True, True, False)
    data, _ = ChainFile(case.chain, "float32", training).serialized(weights)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert names == [
        "gpool_average",
        *("a_moving_mean", "a_moving_variance"),
        *("bn_moving_mean", "bn_moving_variance"),
    ]
    found = dict(zip(names, session.run(None, {"pool_max_input": x}), strict=True))
    for link, own, trained in zip(case.chain.links, weights, training, strict=True):
        x, after = run_array(link.layer, x, own, training=trained)
        for name in ("moving_mean", "moving_variance") if trained else ():
            np.testing.assert_allclose(found[f"{link.name}_{name}"], after[name], rtol=1e-5)
    np.testing.assert_allclose(found["gpool_average"], x, rtol=1e-5, atol=1e-6)


def test_a_layer_in_training_is_given_the_statistics_of_the_whole_tensor() -> None:
    case = trained_case()
    x, weights = case.x(), case.weights()
    calls, before = [], x
    for link, own in zip(case.chain.links, weights, strict=True):
        trained = link.layer.words == "bn"
        moments = moments_of(before, (0, 1, 2)) if trained else None
        calls.append([Call(trained, moments, start=start) for start in (0, 4)])
        before, _ = run_array(link.layer, before, own, training=trained)
    parts = []
    for block, (start, stop) in enumerate(((0, 4), (4, 6))):
        own_calls = [each[block] for each in calls]
        y = apply_chain(onnx_cpu(), case.chain, x[start:stop], weights, own_calls)
        parts.append(y.copy())
    np.testing.assert_allclose(np.concatenate(parts), before, rtol=1e-5, atol=1e-6)


def test_values_at_the_edge_of_their_range_are_done_layer_by_layer() -> None:
    layers = (find("pool", "max")(), find("ln")(), find("rms")())
    case = ChainCase(layers, (2, 6, 4), "float32", 5)
    x, weights = case.x(), case.weights()
    for factor in (1e36, 1e-38):
        large = (x * factor).astype(np.float32)
        expected = one_after_another(case, large, weights, NUMPY)
        assert np.isfinite(expected).all()
        y = through(case, large, weights, onnx_cpu())
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(y, one_after_another(case, large, weights, onnx_cpu()))


def test_two_layers_that_are_alike_do_not_share_memory() -> None:
    layers = (UnitNormalization(axis=(0,)), find("unit")(), find("unit")())
    case = ChainCase(layers, (3, 5), "float32", 5)
    x, weights = case.x(), case.weights()
    chain = case.chain
    calls = [Call(moments=moments_of(x, (0,))), INFERENCE, INFERENCE]
    y = apply_chain(onnx_cpu(), chain, x, weights, calls)
    expected = one_after_another(case, x, weights, NUMPY)
    np.testing.assert_allclose(y, expected, rtol=1e-6)


@pytest.mark.parametrize("case", CHAINS, ids=NAMES)
def test_no_value_exceeds_the_limit_that_is_known_before(case: ChainCase) -> None:
    x, weights = case.x(), case.weights()
    most = float(abs(x.astype("f8")).max())
    limits = case.chain.limits(most, weights, [INFERENCE] * len(weights))
    assert limits[0] == most
    for link, own, limit in zip(case.chain.links, weights, limits, strict=True):
        assert abs(x.astype("f8")).max() <= limit
        y, _ = run_array(link.layer, x, own)
        x = between(y, link.result, held(link.result))


def test_a_pool_behind_layers_of_which_a_bound_is_known_is_the_plain_operator() -> None:
    layers = (find("bn")(), find("ln")(), find("pool", "max")())
    case = ChainCase(layers, (2, 6, 4), "float32", 5)
    told: list[str] = []
    backend = open_backend("onnx", "cpu", threads=1, detail=told.append)
    x, weights = case.x(), case.weights()
    apply_chain(backend, case.chain, x, weights, [INFERENCE] * 3)
    assert told
    slices = "pipe: float32: the maximum of slices, where MaxPool would lose a NaN or the type"
    assert slices not in told
    x[0, 0, 0] = np.nan
    apply_chain(backend, case.chain, x, weights, [INFERENCE] * 3)
    assert slices in told
