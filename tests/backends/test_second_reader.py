"""A runtime of another house reads the files and finds the same numbers in them."""

from typing import Any

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from poolnorm_cli.engine.in_memory import run_array
from tests.backends.test_export import KEPT, file_graph


FLOAT32 = [name for name, case in KEPT.items() if case.dtype == "float32"]
# The reference evaluator is wrong for MaxPool with pads, of which minima are made too, and for LRN,
# of which it computes as many channels as there are samples: it reads all files but those.
REFERENCE = [name for name in FLOAT32 if not name.startswith(("pool-max", "pool-min", "lrn"))]


@pytest.mark.parametrize("name", REFERENCE)
def test_the_reference_evaluator_agrees(name: str) -> None:
    case = KEPT[name]
    model, _ = file_graph(case).model(case.weights())
    evaluator = ReferenceEvaluator(model.serialized())
    (entry,) = evaluator.input_names
    y = evaluator.run(None, {entry: case.x()})
    expected, _ = run_array(case.layer, case.x(), case.weights(), training=case.training)
    assert isinstance(y, list)
    np.testing.assert_allclose(np.asarray(y[0]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("name", FLOAT32)
def test_openvino_agrees(name: str) -> None:
    openvino: Any = pytest.importorskip("openvino")
    case = KEPT[name]
    model, _ = file_graph(case).model(case.weights())
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(model.serialized()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    y = next(iter(compiled([case.x()]).values()))
    expected, _ = run_array(case.layer, case.x(), case.weights(), training=case.training)
    np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-4)
