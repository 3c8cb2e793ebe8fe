"""What a pipe prints: a row for each input, a line for each step, and an error with its step."""

import json

import numpy as np
import pytest

from poolnorm_cli.cli.step_rows import step_lines
from poolnorm_cli.engine.outcome import StepOutcome
from tests.conftest import Command


STEPS = "! pool max --pool-size 2 ! tee t.npy ! bn --name mine ! gpool average"


@pytest.fixture(autouse=True)
def tensor() -> None:
    np.save("x.npy", np.arange(4 * 8 * 8 * 3, dtype="f4").reshape(4, 8, 8, 3))


def test_plain_lines_have_the_shapes_after_each_step(poolnorm: Command) -> None:
    lines = poolnorm(f"pipe x.npy -o y.npy {STEPS}").out.splitlines()

    assert lines[0].split("\t")[:4] == ["x.npy", "(4, 8, 8, 3)", "(4, 3)", "float32"]
    assert lines[0].split("\t")[4].startswith("Sequential([MaxPooling2D(pool_size=2), Batch")
    assert [line.split("\t")[:4] for line in lines[1:]] == [
        ["step 1", "pool max", "(4, 4, 4, 3)", "float32"],
        ["step 2", "tee", "(4, 4, 4, 3)", "float32"],
        ["step 3", "bn", "(4, 4, 4, 3)", "float32"],
        ["step 4", "gpool average", "(4, 3)", "float32"],
    ]


def test_a_document_has_the_steps_and_what_each_gave(poolnorm: Command) -> None:
    found = json.loads(poolnorm(f"pipe x.npy --json {STEPS}").out)

    assert (found["schema"], found["command"]) == (1, "pipe")
    assert [(s["step"], s["name"], s["command"]) for s in found["steps"]] == [
        (1, "pool_max", "pool max"),
        (3, "mine", "bn"),
        (4, "gpool_average", "gpool average"),
    ]
    assert found["steps"][0]["layer"]["pool_size"] == [2]
    (result,) = found["results"]
    assert [s["output_shape"] for s in result["steps"]] == [[4, 4, 4, 3]] * 3 + [[4, 3]]
    assert result["steps"][1]["file"] == "t.npy"
    assert np.shape(result["values"]) == (4, 3)


def test_quietly_nothing_is_printed(poolnorm: Command) -> None:
    result = poolnorm(f"pipe x.npy -q {STEPS}")

    assert (result.code, result.out, result.err) == (0, "", "")


def test_many_inputs_have_one_line_each(poolnorm: Command) -> None:
    np.save("z.npy", np.zeros((1, 8, 8, 3), "f4"))

    lines = poolnorm("pipe x.npy z.npy -O out ! pool max ! bn").out.splitlines()

    assert [line.split("\t")[0] for line in lines] == ["x.npy", "z.npy"]


def test_every_step_explains_itself(poolnorm: Command) -> None:
    out = poolnorm("pipe x.npy --explain --no-values ! pool max ! bn --training ! gpool max").out

    for title in ("step 1 (pool max): ", "step 2 (bn): training", "step 3 (gpool max): y = max"):
        assert any(line.startswith(title) for line in out.splitlines())


@pytest.mark.parametrize("width", [30, 40, 80, 200])
def test_steps_fit_the_width_of_a_terminal(width: int) -> None:
    steps = [
        StepOutcome(1, "pool_max", "pool max", "MaxPooling2D(pool_size=2)", (4, 3), "float32"),
        StepOutcome(2, "tee", "tee", "mid/pooled.npy", (4, 3), "float32"),
    ]

    lines = step_lines(steps, width)

    assert max(map(len, lines)) <= width
    assert ("MaxPooling2D" in lines[0]) == (width > 60)
    assert any("mid/pooled.npy" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("x.npy !pool max ! bn", "no input '!pool'; put a space behind the !, and quote no more"),
        ("x.npy ! pool max ! pool max --pool-size 9", "step 2 (pool max): axis 1 has 4 cells"),
        ("x.npy ! gpool max ! pool max", "step 2 (pool max): the input has rank 2"),
        ("x.npy ! bn --weights x.npz ! ln", "step 1 (bn): x.npz: no such file"),
        ("x.npy ! pool max ! gn --groups 2", "step 2 (gn): "),
        ("x.npy ! unit --mask m.npy", "step 1 (unit): no such flag --mask"),
        ("x.npy", "pipe without a layer; add steps"),
        ("x.npy ! tee t.npy", "pipe without a layer; add steps"),
    ],
)
def test_all_is_checked_before_any_work(poolnorm: Command, words: str, message: str) -> None:
    result = poolnorm(f"pipe {words}")

    assert result.code in (2, 4)
    assert result.err.startswith(f"error: {message}")
    assert result.out == ""


def test_an_input_that_a_step_refuses_is_named_with_the_step(poolnorm: Command) -> None:
    np.save("z.npy", np.zeros((1, 3, 3, 3), "f4"))

    result = poolnorm("pipe x.npy z.npy -O out -q ! pool max ! pool max")

    assert result.code == 1
    assert "error: z.npy: step 2 (pool max): axis 1 has 1 cell" in result.err
