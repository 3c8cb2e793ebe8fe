"""Every row of the table of cases gives through ONNX Runtime what NumPy gives."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest

from poolnorm_cli.backends import Backend, open_backend
from poolnorm_cli.backends.layer_graphs import BATCH, BlockGraph
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.layers.normalization import Normalization, splits_weights
from tests.backends.agreement import assert_agree, with_specials
from tests.backends.kernels import assert_all_on_cuda
from tests.cases import CASES, FLOATS, Case


BY_NAME = {case.name: case for case in CASES}
CHECKED = [
    name
    for name, case in BY_NAME.items()
    if case.dtype in ("float32", "float64", "int64", "uint8", "uint64") and 0 not in case.shape
]


@cache
def cpu() -> Backend:
    return open_backend("onnx", "cpu", threads=1)


def compare(case: Case, backend: Backend) -> None:
    """Run a case on NumPy and on another backend, also with values that are no numbers."""
    x, weights = case.x(), case.weights()
    tensors = [x]
    if case.dtype in FLOATS and not case.training:
        tensors.append(with_specials(x))
    for tensor in tensors:
        before = tensor.copy()
        expected, state = run_array(case.layer, tensor, weights, training=case.training)
        y, own = run_array(case.layer, tensor, weights, training=case.training, backend=backend)
        np.testing.assert_array_equal(tensor, before)
        assert_agree(case, y, expected, tensor)
        for name, weight in state.items():
            np.testing.assert_array_equal(own[name], weight)


@pytest.mark.parametrize("name", BY_NAME)
def test_onnx_on_the_cpu_gives_what_numpy_gives(name: str) -> None:
    compare(BY_NAME[name], cpu())


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("name", CHECKED)
def test_the_checker_accepts_the_shapes_that_layers_declare(name: str, exact: bool) -> None:
    case = BY_NAME[name]
    layer = case.layer
    batch = case.shape[0] if splits_weights(layer, len(case.shape)) else BATCH
    dtype = layer.compute_dtype(case.dtype)
    graph = BlockGraph(layer, (batch, *case.shape[1:]), dtype, case.training, exact)
    model, _ = graph.build()
    assert len(model.outputs) == 1 or graph.monitors
    stated = replace(model, outputs=model.outputs[:1])  # the shapes of others are not stated
    onnx.checker.check_model(stated.serialized(), full_check=True)
    if exact:  # the graphs that a device runs
        assert_all_on_cuda(model)
        assert_all_on_cuda(replace(graph, on_device=True).build()[0])
        if isinstance(layer, Normalization):
            assert_all_on_cuda(replace(graph, in_units=True).build()[0])


@pytest.mark.parametrize("words", ["bn", "gn", "gpool average"])
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_a_graph_with_a_mask_is_all_on_cuda(words: str, layout: str) -> None:
    own: dict[str, dict[str, Any]] = {"gpool average": {"data_format": layout}, "gn": {"groups": 1}}
    parameters = own.get(words, {})
    layer, training = Case(words, (), "float32", parameters).layer, words == "bn"
    graph = BlockGraph(layer, (BATCH, 5, 3), "float32", training, exact=True, masked=True)
    assert_all_on_cuda(graph.build()[0])
