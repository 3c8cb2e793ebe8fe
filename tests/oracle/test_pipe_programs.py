"""What `pipe --keras` and `pipe --torch` print gives, in the frameworks, what the pipe gives."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.oracle.live import needs
from tests.oracle.test_programs import check
from tests.pipe.chains import pipe_words, random_chain
from tests.weights.make_sequential import FIXTURES, inputs


if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Command


pytestmark = [pytest.mark.oracle, pytest.mark.slow]

DTYPES = ("float32", "float32", "float64", "float16", "int32", "uint8")
FIXED = (
    "! pool max ! bn --weights w.npz ! gpool average",
    "! bn --weights w.npz --name a ! pool average --padding same ! bn --weights w.npz --name b",
    "! pool max --data-format channels_first ! ln --axis 1 ! apool average --output-size 2",
    "! rms --axis 1 ! gn --groups 2 ! unit",
    "! pool max --padding same --pool-size 3 ! pool average --padding same --pool-size 3",
    "! gpool max --keepdims ! bn ! gpool average",
    "! gpool average --keepdims ! bn --weights w.npz",
    "! bn --axis 1 ! pool max --data-format channels_first",
    "! pool max --data-format channels_first ! gpool max --data-format channels_first",
    "! pool max ! bn --training --weights w.npz ! gpool max ! bn --training",
    "! bn --training ! bn --weights w.npz ! pool average",
    "! bn --training --no-trainable ! pool max",
    "! gpool average ! bn ! ln",
)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, poolnorm: Command) -> None:
    monkeypatch.chdir(tmp_path)
    chance = np.random.default_rng(0)
    for dtype in DTYPES:
        values = chance.normal(0.5, 3, (4, 9, 8, 6))
        np.save(f"{dtype}.npy", (abs(values) * 9 if "int" in dtype else values).astype(dtype))
    poolnorm("bn float32.npy --training -q --save-weights w.npz")


def runs_of(poolnorm: Command, framework: str) -> list[str]:
    """List command lines that run, and of which the framework has the layers."""
    chance = random.Random(3)  # noqa: S311
    flags = ("", "", "--training", "--dtype float16")
    listed = [f"pipe float32.npy {steps}" for steps in FIXED]
    while len(listed) < 60:
        steps = random_chain(chance)
        own = chance.choice(flags)
        if own == "--training" and not any(step.startswith("bn") for step in steps):
            continue
        line = f"pipe {chance.choice(DTYPES)}.npy {own} {pipe_words(steps)}"
        if poolnorm(f"{line} -q").code:
            continue
        if poolnorm(f"{line} --{framework}").code == 0:
            listed.append(line)
    return listed


@needs("keras", "tensorflow", "tf_keras", "torch")
@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_programs_give_what_a_pipe_gives(poolnorm: Command, framework: str) -> None:
    listed = runs_of(poolnorm, framework)
    assert "Sequential(" in poolnorm(f"{listed[0]} --{framework}").out
    check(poolnorm, framework, listed, scale=10)


@needs("keras", "tensorflow", "tf_keras", "torch")
@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_the_program_of_a_sequential_gives_what_it_gives(poolnorm: Command, framework: str) -> None:
    np.save("image.npy", inputs()["image"])
    model = FIXTURES / "keras_image.keras"
    check(poolnorm, framework, [f"pipe image.npy --recipe {model}"])
    assert "keras.Sequential(" in poolnorm(f"pipe image.npy --recipe {model} --keras").out
