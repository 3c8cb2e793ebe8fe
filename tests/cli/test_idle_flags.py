"""Flags that do nothing in a run are told in one line; so is an input on standard input."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.cli import idle_flags
from poolnorm_cli.cli.verb_layer import layer_command
from poolnorm_cli.layers import LAYERS
from tests.conftest import Command


NOTE = "note: no effect in this run: "


def noted(poolnorm: Command, words: str) -> str | None:
    done = poolnorm(words)
    assert done.code == 0, done.err
    found = [line for line in done.err.splitlines() if line.startswith(NOTE)]
    assert len(found) <= 1
    return found[0].removeprefix(NOTE) if found else None


@pytest.fixture(autouse=True)
def _files(x: Any) -> None:
    Path("in").mkdir()
    np.save("in/x.npy", x)
    np.savez(
        "w.npz",
        gamma=x[0, 0, 0],
        beta=x[0, 0, 1],
        moving_mean=x[0, 0, 2],
        moving_variance=x[0, 0, 3] ** 2,
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("bn x.npy --momentum 0.9", "--momentum (without --training)"),
        (
            "bn x.npy --momentum 0.9 --no-fused --renorm",
            "--momentum, --renorm, --no-fused (without --training)",
        ),
        ("bn x.npy --training --no-trainable --momentum 0.9", "--momentum (with --no-trainable)"),
        ("bn x.npy --training --momentum 0.9", "--momentum (without --save-weights)"),
        ("bn x.npy --no-trainable", "--no-trainable (without --training)"),
        ("ln x.npy --no-trainable", "--no-trainable (only an optimizer heeds it)"),
        (
            "bn x.npy --weights w.npz --gamma-initializer zeros",
            "--gamma-initializer (with --weights)",
        ),
        ("ln x.npy --no-scale --gamma-initializer zeros", "--gamma-initializer (with --no-scale)"),
        ("ln x.npy --gamma-constraint non_neg", "--gamma-constraint (without --save-weights)"),
        ("pool max x.npy --overwrite", "--overwrite (nothing is written)"),
        ("pool max x.npy --no-sync", "--no-sync (nothing is written)"),
        ("pool max x.npy --skip-existing", "--skip-existing (without -o or -O)"),
        ("pool max x.npy --opset 18", "--opset (without --export)"),
        ("pool max x.npy --recursive", "--recursive (no input is a directory)"),
        ("pool max x.npy --relative-to .", "--relative-to (without --output-dir)"),
        ("pool max x.npy --fail-fast", "--fail-fast (there is one input)"),
        ("pool max x.npy -o y.npy --precision 3", "--precision (no values are printed)"),
        ("pool max x.npy --dry-run --explain", "--explain (with --dry-run)"),
    ],
)
def test_a_flag_that_does_nothing_is_noted(poolnorm: Command, words: str, text: str) -> None:
    assert noted(poolnorm, words) == text


@pytest.mark.parametrize(
    "words",
    [
        "bn x.npy --training --momentum 0.9 --save-weights v.npz",
        "bn x.npy --epsilon 0.01 --axis -1 --name n",
        "bn x.npy --renorm --save-weights v.npz",
        "bn x.npy --momentum 0.9 -q",
        "bn x.npy --training --momentum 0.9 --explain",
        "bn x.npy --gamma-initializer zeros --beta-regularizer l2",
        "bn x.npy --momentum 0.9 --save-config c.json --overwrite",
        "ln x.npy --gamma-constraint non_neg --save-weights v.npz",
        "pool max x.npy -o y.npy --overwrite --precision 3 --values",
        "pool max x.npy --precision 3",
        "pool max in -O out --recursive --relative-to . --fail-fast --skip-existing",
    ],
)
def test_a_flag_that_does_something_is_not(poolnorm: Command, words: str) -> None:
    assert noted(poolnorm, words) is None


def test_steps_of_a_pipe_are_noted_in_one_line(poolnorm: Command) -> None:
    steps = "! bn --momentum 0.5 --epsilon 0.1 ! ln --no-trainable ! pool max --pool-size 2"

    assert noted(poolnorm, f"pipe x.npy {steps}") == (
        "step 1 (bn): --momentum (without --training); "
        "step 2 (ln): --no-trainable (only an optimizer heeds it)"
    )
    assert noted(poolnorm, "pipe x.npy --training --save-weights p.npz ! bn --momentum 0.5") is None
    assert noted(poolnorm, f"pipe x.npy --save-recipe r.toml {steps}") is None
    assert noted(poolnorm, "pipe x.npy --recipe r.toml") is None


def test_what_is_noted_changes_no_output(poolnorm: Command) -> None:
    for flags, output in (
        ("", "a.npy"),
        ("--momentum 0.5 --no-fused --gamma-initializer zeros", "b.npy"),
    ):
        assert poolnorm(f"bn x.npy --weights w.npz {flags} -o {output}").code == 0

    assert Path("a.npy").read_bytes() == Path("b.npy").read_bytes()


def test_every_flag_of_the_table_is_one() -> None:
    known = {flag.name for name in LAYERS for flag in layer_command(name).flags()}
    rules = (*idle_flags.PARAMETERS, *idle_flags.OTHERS)

    assert {name for rule in rules for name in rule.names} <= known


@pytest.mark.parametrize("words", ["pool max", "bn --training", "info", "compare x.npy"])
@pytest.mark.parametrize("is_sent", [True, False])
def test_standard_input_is_asked_for_by_its_name(words: str, is_sent: bool) -> None:
    source: Any = subprocess.PIPE if is_sent else subprocess.DEVNULL
    done = subprocess.run(
        [sys.executable, "-m", "poolnorm_cli", *words.split()],
        input=Path("x.npy").read_bytes() if is_sent else None,
        stdin=None if is_sent else source,
        capture_output=True,
        check=False,
    )
    told = done.stderr.decode()
    verb = re.sub(" --.*", "", words)

    assert done.returncode == 2
    assert (f"standard input is read as -: type poolnorm {verb} -" in told) is is_sent
