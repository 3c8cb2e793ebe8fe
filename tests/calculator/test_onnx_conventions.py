"""Every ONNX call of `shape --conventions` is run in ONNX Runtime, and what is said of it holds."""

from typing import Any

import numpy as np
import pytest

from poolnorm_cli.calculator.convention import Convention
from poolnorm_cli.calculator.conventions import conventions_of
from poolnorm_cli.shapes import Shape
from tests.calculator.convention_cases import KINDS, Case, cases


onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def onnx_of(case: Case, shape: Shape) -> Convention:
    (found,) = (c for c in conventions_of(case.layer, shape) if c.framework == "ONNX")
    return found


def compute(lines: Any, feeds: dict[str, Any]) -> Any:
    inputs = ", ".join(
        f"float[{','.join(map(str, array.shape))}] {name}" for name, array in feeds.items()
    )
    head = f'<ir_version: 10, opset_import: ["" : 23]> g ({inputs}) => (y)'
    model = onnx.parser.parse_model(f"{head} {{ {' '.join(lines)} }}")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(model.SerializeToString(), options)
    return session.run(["y"], feeds)[0]


def run(case: Case, convention: Convention, lines: Any) -> Any:
    """Run lines; None where the runtime refuses them."""
    axes = {axis % len(case.shape) for axis in getattr(case.layer, "axis", ())}
    size = [case.shape[axis] for axis in sorted(axes)]
    neutral = {"gamma": np.ones(size, np.float32), "beta": np.zeros(size, np.float32)}
    given = neutral | case.weights
    if "Reshape" in " ".join(lines):
        given = {name: array.reshape(-1) for name, array in given.items()}
    used = {name: a for name, a in given.items() if any(name in _words(line) for line in lines)}
    try:
        return compute(lines, {"x": case.turned(convention, case.x)} | used)
    except Exception:  # noqa: BLE001 - whatever the runtime calls it
        return None


def _words(line: str) -> set[str]:
    return set(line.rpartition("(")[2].strip(")").replace(" ", "").split(","))


@pytest.mark.parametrize("words", KINDS)
def test_what_is_said_of_onnx_is_what_onnx_runtime_does(words: str) -> None:
    for case in cases(words, 40):
        for shape in (case.shape, case.named()):
            convention = onnx_of(case, shape)
            if convention.call:
                assert case.agrees(convention, run(case, convention, convention.call)), str(case)
            else:
                assert convention.none, str(case)
            if convention.like:
                _check_like(case, convention, shape)


def _check_like(case: Case, convention: Convention, shape: Shape) -> None:
    y = run(case, convention, convention.like)
    same = y is not None and case.agrees(convention, y)
    if convention.same is not None:
        assert same == convention.same, (str(case), convention)
    else:
        assert shape != case.shape
    if y is not None and convention.like_shape is not None:
        sizes = dict(zip(map(str, shape), case.shape, strict=True))
        told = [eval(str(size), dict(sizes)) for size in convention.like_shape]  # noqa: S307 - our own text
        assert list(y.shape) == told, str(case)
