"""On ONNX Runtime the steps of a pipeline are one graph, and give what steps alone give."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from poolnorm_cli.backends import Backend, open_backend
from poolnorm_cli.backends.chain_graphs import ChainFile
from poolnorm_cli.backends.onnx_chain import ChainRunner
from poolnorm_cli.engine.export import GraphOutput
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.engine.job import Job
from poolnorm_cli.engine.pipeline_job import PipelineJob
from poolnorm_cli.engine.pipeline_run import StepJob, Tee
from poolnorm_cli.engine.training import TrainingState
from poolnorm_cli.layers import find
from poolnorm_cli.layers.chain import Chain
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.tensors.sources import open_tensors
from tests.backends.chains import Array, ChainCase, one_after_another, random_chains
from tests.backends.test_chains import assert_same, trained_case


CASES = [case for case in random_chains(40, seed=23) if case.dtype != "bfloat16"]
NAMES = ["+".join(layer.words.replace(" ", "-") for layer in case.layers) for case in CASES]


class Graphs:
    """Counts the layers of the graphs that are run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.links: list[int] = []
        run = ChainRunner.apply

        def counted(runner: ChainRunner, chain: Chain, *more: object) -> Array:
            self.links.append(len(chain.links))
            return run(runner, chain, *more)  # type: ignore[arg-type]

        monkeypatch.setattr(ChainRunner, "apply", counted)


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Graphs:
    monkeypatch.chdir(tmp_path)
    return Graphs(monkeypatch)


def job_of(case: ChainCase, backend: Backend, tees: tuple[Tee, ...] = ()) -> PipelineJob:
    """Make the job of a pipeline, its bn steps in training where it is that of `trained_case`."""
    training = case == trained_case()
    steps = []
    for step, weights in zip(case.pipeline.steps, case.weights(), strict=True):
        own = training and step.layer.words == "bn"
        job = Job(step.layer, TrainingState(weights, is_saved=True), own, backend=backend)
        steps.append(StepJob(step, job))
    last = steps[-1].job
    return PipelineJob(
        layer=last.layer,
        state=last.state,
        training=training,
        backend=backend,
        steps=tuple(steps),
        tees=tees,
    )


def run(job: PipelineJob, x: Array) -> Array:
    """Run a pipeline from file to file."""
    np.save("x.npy", x)
    others = [open_output(tee.target, True) for tee in job.tees]
    job.run_all(open_tensors("x.npy"), open_output("y.npy", True), "y.npy", others=others)
    y: Array = np.load("y.npy")
    return y


def onnx() -> Backend:
    return open_backend("onnx", "cpu", threads=1)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_pipeline_is_one_graph_and_gives_what_steps_give(case: ChainCase, graphs: Graphs) -> None:
    y = run(job_of(case, onnx()), case.x())
    assert set(graphs.links) == {len(case.layers)}
    assert_same(y, one_after_another(case, case.x(), case.weights(), onnx()))


def test_blocks_of_a_large_input_go_through_one_graph(graphs: Graphs) -> None:
    layers = (find("pool", "max")(), find("bn")(), find("ln")())
    case = ChainCase(layers, (40, 64, 64, 16), "float32", 3)
    y = run(job_of(case, onnx()), case.x())
    assert len(graphs.links) > 1
    assert set(graphs.links) == {3}
    assert_same(y, one_after_another(case, case.x(), case.weights(), onnx()))


def test_steps_in_training_are_in_the_graph_too_and_their_statistics_come_first(
    graphs: Graphs,
) -> None:
    case = trained_case()
    job = job_of(case, onnx())
    y = run(job, case.x())
    # The first bn reads pooling alone; the second one pooling and the first bn; then all.
    assert graphs.links == [2, 4]
    x = case.x()
    for each, weights in zip(job.steps, case.weights(), strict=True):
        layer, training = each.step.layer, each.job.training
        x, after = run_array(layer, x, weights, training=training, backend=onnx())
        for name, weight in (each.job.state.trained or {}).items():
            np.testing.assert_array_equal(weight, after[name])
    assert_same(y, x)


def test_what_is_written_in_between_comes_back_for_that(graphs: Graphs) -> None:
    case = trained_case()
    x = case.x()
    tees = (Tee(1, 0, "x_again.npy"), Tee(4, 2, "middle.npy"), Tee(6, 4, "y_again.npy"))
    y = run(job_of(case, onnx(), tees), x)
    assert graphs.links[-2:] == [2, 2]
    weights = case.weights()
    for layer, own in zip(case.layers[:2], weights, strict=False):
        x, _ = run_array(layer, x, own, training=layer.words == "bn", backend=onnx())
    assert_same(np.load("middle.npy"), x)
    np.testing.assert_array_equal(np.load("x_again.npy"), case.x())
    np.testing.assert_array_equal(np.load("y_again.npy"), y)


def test_a_step_of_which_samples_are_worked_on_in_strips_is_alone(
    graphs: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poolnorm_cli.engine.blocks.WHOLE_SAMPLE_BYTES", 40_000)
    layers = (find("pool", "max")(), find("bn")(), find("ln")())
    case = ChainCase(layers, (3, 64, 64, 4), "float32", 3)  # 64 KiB a sample, then 16
    y = run(job_of(case, onnx()), case.x())
    assert set(graphs.links) == {2}
    assert_same(y, one_after_another(case, case.x(), case.weights(), onnx()))


def test_a_wider_output_widens_no_step_before_the_last(graphs: Graphs) -> None:
    layers = (find("pool", "average")(), find("ln")())
    case = ChainCase(layers, (3, 8, 4), "float32", 3)
    job = job_of(case, onnx())
    first, (step, last) = job.steps
    wide = (first, StepJob(step, replace(last, dtype="float64")))
    y = run(replace(job, steps=wide, dtype="float64"), case.x())
    assert y.dtype == np.float64
    x, _ = run_array(case.layers[0], case.x(), {}, backend=onnx())
    expected, _ = run_array(case.layers[1], x.astype("f8"), case.weights()[1], backend=onnx())
    np.testing.assert_allclose(y, expected, rtol=1e-13)
    assert not graphs.links


@pytest.mark.usefixtures("graphs")
def test_the_graph_in_a_file_gives_what_the_run_gives() -> None:
    case = trained_case()
    job = job_of(case, onnx())
    np.save("x.npy", case.x())
    with GraphOutput("pipe.onnx", overwrite=False) as output:
        output.write(job, next(open_tensors("x.npy")), 17, "poolnorm pipe")
        output.commit()
    session = onnxruntime.InferenceSession("pipe.onnx", providers=["CPUExecutionProvider"])
    y, *after = session.run(None, {"pool_max_input": case.x()})
    np.testing.assert_allclose(y, run(job, case.x()), rtol=1e-5, atol=1e-6)
    trained = [job.steps[place].job.state.trained or {} for place in (1, 2)]
    names = ("moving_mean", "moving_variance")
    expected = [weights[name] for weights in trained for name in names]
    for own, other in zip(after, expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5)


def test_a_graph_without_a_batch_axis_takes_one_sample() -> None:
    layers = (find("pool", "max")(), find("ln")(), find("gpool", "max")())
    case = ChainCase(layers, (1, 6, 6, 4), "float32", 3)
    chain, weights = case.chain, case.weights()
    none = (False,) * 3
    data, _ = ChainFile(chain, "float32", none, unbatched=True).serialized(weights)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"pool_max_input": case.x()[0]})
    expected = one_after_another(case, case.x(), weights, onnx())[0]
    np.testing.assert_allclose(y, expected, rtol=1e-5)
