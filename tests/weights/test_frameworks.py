"""The programs and configs that are printed give, in their frameworks, what poolnorm gives."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.layers import LAYERS, find
from tests.conftest import Command


SHAPES = {3: (2, 7, 6), 4: (2, 7, 6, 4), 5: (2, 5, 6, 7, 4)}
WORDS = (
    *(
        f"pool {kind} x{r}.npy --pool-size 3 --strides 2"
        for kind in ("max", "average")
        for r in "345"
    ),
    *(f"pool {k} x{r}.npy --pool-size 2 --padding same" for k in ("max", "average") for r in "345"),
    *(f"pool {k} x4.npy --pool-size 3,2 --strides 3 --padding same" for k in ("max", "average")),
    "pool max x4.npy --pool-size 3 --strides 1 --padding same --data-format channels_first",
    "pool average x4.npy --pool-size 2 --padding same --data-format channels_first",
    *(f"gpool {kind} x{r}.npy" for kind in ("max", "average") for r in "345"),
    "gpool max x4.npy --data-format channels_first",
    "gpool average x4.npy --data-format channels_first --keepdims",
    *(f"apool {k} x{r}.npy --output-size 3" for k in ("max", "average") for r in "345"),
    "apool average x4.npy --output-size 3,2 --data-format channels_first",
    *(f"bn x{rank}.npy" for rank in "345"),
    "bn x4.npy --axis 1 --epsilon 0.01 --momentum 0.9",
    "bn x4.npy --axis 2 --no-center",
    "bn x4.npy --no-scale --no-center",
    "bn x4.npy --no-scale",
    *(f"ln x{rank}.npy" for rank in "345"),
    "ln x4.npy --axis 2,3 --epsilon 0.5",
    "ln x4.npy --axis 1 --no-center",
    "ln x4.npy --axis 1,3 --no-scale",
    "gn x4.npy --groups 2",
    "gn x4.npy --groups 7 --axis 1 --epsilon 0.1",
    "in x4.npy",
    "rms x4.npy",
    "rms x4.npy --axis 2,3",
    "unit x4.npy",
    "unit x4.npy --axis 1",
)


def layer_of(words: str) -> Any:
    """Return the class that words run, None where there is no such layer."""
    first, second, *_ = words.split()
    name = first if first in LAYERS else f"{first} {second}"
    return find(*name.split()) if name in LAYERS else None


def described(poolnorm: Command, number: int, words: str) -> dict[str, Any]:
    """Run a command, and write down what it says the frameworks are to do."""
    flags = words
    weights = None
    if layer_of(words).weight_names:
        weights = f"w{number}.npz"
        assert poolnorm(f"{words} -q --save-weights {weights}").code == 0
        random = np.random.default_rng(number)
        with np.load(weights) as start:
            held: dict[str, Any] = {
                n: random.uniform(0.5, 1.5, v.shape).astype("f4")
                for n, v in start.items()
                if v.dtype == np.float32
            }
        np.savez(weights, **held)
        flags = f"{words} --weights {weights}"
    saved = f"--save-config c{number}.json"
    assert poolnorm(f"{flags} -q -o y{number}.npy {saved}").code == 0, words
    calls = poolnorm(f"{flags} --keras --torch --json")
    assert calls.code == 0, calls
    found = json.loads(calls.out)
    return {
        "input": next(word for word in words.split() if word.endswith(".npy")),
        "keras": found["keras"],
        "class": re.findall(r"keras\.layers\.(\w+)\(", found["keras"])[0],
        "torch": found["torch"],
        "config": f"c{number}.json",
        "weights": weights,
    }


@pytest.mark.oracle
@pytest.mark.parametrize("framework", ["keras", "torch"])
def test_what_is_printed_gives_the_same_output(
    poolnorm: Command, tmp_path: Path, framework: str
) -> None:
    pytest.importorskip(framework)
    for rank, shape in SHAPES.items():
        x = np.random.default_rng(rank).normal(0.5, 2, shape).astype(np.float32)
        np.save(f"x{rank}.npy", x)
    words = [each for each in WORDS if layer_of(each)]
    calls = [described(poolnorm, number, each) for number, each in enumerate(words)]
    Path("calls.json").write_text(json.dumps(calls))

    worker = Path(__file__).parent / "framework_worker.py"
    command = [sys.executable, str(worker), str(tmp_path), framework]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    for number, each in enumerate(words):
        y = np.load(f"y{number}.npy")
        for name in {"keras": ("keras", "config"), "torch": ("torch",)}[framework]:
            other = np.load(f"{name}.{number}.npy")
            np.testing.assert_allclose(y, other, rtol=0, atol=4e-6, err_msg=f"{name}: {each}")
