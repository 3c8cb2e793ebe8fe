"""`pipe --export` writes the graph of all steps, which gives what the run gives."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Command
from tests.pipe.chains import pipe_words, random_chain


onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def x(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray[Any, Any]:
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0).standard_normal((4, 9, 8, 6)).astype(np.float32)
    np.save("x.npy", values)
    return values


def graph_of(file: str, x: Any) -> list[Any]:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    found: list[Any] = session.run(None, {entry.name: x})
    return found


def test_random_pipes_give_in_their_graphs_what_they_give(poolnorm: Command, x: Any) -> None:
    chance, done = random.Random(11), 0  # noqa: S311
    while done < 10:
        steps = random_chain(chance)
        run = poolnorm(f"pipe x.npy -o y.npy --overwrite -q --export g.onnx {pipe_words(steps)}")
        if run.code:
            assert not Path("g.onnx").exists() or done
            continue
        done += 1
        onnx.checker.check_model(onnx.load("g.onnx"), full_check=True)
        (y,) = graph_of("g.onnx", x)
        expected = np.load("y.npy")
        np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-5, err_msg=str(steps))


@pytest.mark.parametrize("opset", [17, 18, 21, 23])
def test_the_graph_is_of_the_operator_set_that_is_asked_for(
    poolnorm: Command, x: Any, opset: int
) -> None:
    steps = "! pool max ! rms ! bn --training ! gpool average"
    done = poolnorm(f"pipe x.npy --export g.onnx --opset {opset} {steps}")
    assert (done.code, done.err) == (0, "")
    model = onnx.load("g.onnx")
    assert model.opset_import[0].version == opset
    assert [output.name for output in model.graph.output] == [
        "gpool_average",
        "bn_moving_mean",
        "bn_moving_variance",
    ]
    kept = {entry.key: entry.value for entry in model.metadata_props}
    assert kept["command"] == ("poolnorm pipe ! pool max ! rms ! bn --training ! gpool average")
    assert kept["keras"].startswith("Sequential([MaxPooling2D(pool_size=2), RMSNormalization(")
    assert poolnorm("pipe x.npy -q -o y.npy " + steps).code == 0
    np.testing.assert_allclose(graph_of("g.onnx", x)[0], np.load("y.npy"), rtol=1e-5, atol=1e-6)


def test_a_layer_is_read_again_from_the_graph(poolnorm: Command) -> None:
    poolnorm("pipe x.npy -q --training --save-weights w.npz ! bn ! pool max ! ln")
    done = poolnorm("pipe x.npy -q --weights w.npz --export g.onnx ! bn ! pool max ! ln")
    assert (done.code, done.err) == (0, "")
    assert poolnorm("bn x.npy -q -o a.npy --weights w.npz::bn").code == 0
    assert (
        poolnorm("bn x.npy --axis -1 -q -o b.npy --weights g.onnx::bn/batchnormalization.1").code
        == 0
    )
    np.testing.assert_allclose(np.load("a.npy"), np.load("b.npy"), rtol=1e-6)


def test_a_mask_has_no_graph_in_a_file(poolnorm: Command) -> None:
    np.save("m.npy", np.ones((4, 9, 8)))
    steps = "! pool max --pool-size 1 ! bn --training --mask m.npy"
    done = poolnorm(f"pipe x.npy --export g.onnx {steps}")
    assert done.code == 2
    assert done.err == "error: step 2 (bn): --export with --mask; export this step alone\n"
    assert not Path("g.onnx").exists()
