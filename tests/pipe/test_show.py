"""`pipe --show`: what goes into the first step beside what comes out of the last."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import Command


STEPS = "! pool max --pool-size 2 ! bn --training ! pool average --pool-size 2"


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


def pictures(told: str) -> Any:
    return json.loads(told)["results"][0]["pictures"]


@pytest.mark.parametrize("more", ["", "! tee t.npy", "--backend onnx"])
def test_the_pictures_are_of_the_first_input_and_the_last_output(
    poolnorm: Command, more: str
) -> None:
    if "onnx" in more:
        pytest.importorskip("onnxruntime")
    x = normal(3, 16, 20, 4)
    np.save("x.npy", x)
    flags, steps = ("", f"{more} {STEPS}") if "tee" in more else (more, STEPS)
    told = poolnorm(f"pipe x.npy -O out --show --sample 2 --json {flags} {steps}")
    y = np.load("out/x.npy")[2]
    found = pictures(told.out)

    assert told.code == 0
    assert found["input"]["stats"]["maximum"]["value"] == float(x[2].max())
    assert found["input"]["values"] == x[2].size
    assert found["output"]["stats"]["maximum"]["value"] == pytest.approx(float(y.max()), rel=1e-6)
    assert found["output"]["shape"] == [3, 4, 5, 4]


def test_the_steps_are_named_above_the_output(poolnorm: Command) -> None:
    np.save("x.npy", normal(1, 16, 16, 3))
    shown = poolnorm(f"pipe x.npy --show --save-svg p.svg {STEPS}")

    assert shown.code == 0
    assert "pool max ! bn ! pool average" in " ".join(shown.out.split())
    assert "[[" not in shown.out
    assert Path("p.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("flags", "reason"), [("--dry-run", "with --dry-run"), ("--keras", "no layer is run")]
)
def test_a_picture_that_is_not_drawn_is_told(poolnorm: Command, flags: str, reason: str) -> None:
    np.save("x.npy", normal(1, 16, 16, 3))
    shown = poolnorm(f"pipe x.npy --show {flags} ! pool max ! bn --momentum 0.5")

    assert shown.code == 0
    assert shown.err.startswith(f"note: no effect in this run: --show ({reason})")


def test_one_step_is_shown_as_its_layer_would_be(poolnorm: Command) -> None:
    np.save("x.npy", normal(2, 8, 8, 3))
    alone = pictures(poolnorm("pool max x.npy --show --json").out)
    piped = pictures(poolnorm("pipe x.npy --show --json ! pool max").out)

    for side in ("input", "output"):
        alone[side].pop("name")
        piped[side].pop("name")
    assert alone == piped
