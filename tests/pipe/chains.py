"""Chains of layers for the tests: run by `pipe`, and by the verbs one after another."""

import random
import shlex
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import Command


POOLS = (
    "--pool-size 2",
    "--pool-size 3 --strides 1 --padding same",
    "--pool-size 1",
    "--strides 3",
)
"""Windows that touch, that overlap and are padded, that change nothing, that leave cells out."""
STEPS = (
    *(f"pool {kind} {flags}" for kind in ("max", "average") for flags in POOLS),
    "apool max --output-size 3",
    "apool average --output-size 2",
    "bn",
    "bn --epsilon 0.1 --no-center",
    "ln",
    "ln --axis 1,-1",
    "ln --axis 0",
    "gn --groups 1",
    "in",
    "rms",
    "unit --order 1",
    "unit --axis 1",
    "gpool max --keepdims",
)
LAST = (*STEPS, "gpool average", "gpool max")


def random_chain(chance: random.Random, longest: int = 4) -> list[str]:
    """Return the words of some steps."""
    count = chance.randint(1, longest)
    return [*(chance.choice(STEPS) for _ in range(count - 1)), chance.choice(LAST)]


def pipe_words(steps: Sequence[str]) -> str:
    """Return what stands behind the flags of the run."""
    return " ".join(f"! {step}" for step in steps)


def one_by_one(
    poolnorm: Command, source: str, steps: Sequence[str], target: str, more: str = ""
) -> int:
    """Run the verbs one after another, with the given flags at the last; return the exit code."""
    suffix = Path(target).suffix
    for place, step in enumerate(steps):
        is_last = place == len(steps) - 1
        out = target if is_last else f"between_{place}{suffix}"
        flags = more if is_last or "bfloat16" in more else ""
        verb = shlex.split(step)
        result = poolnorm(f"{' '.join(verb)} {source} -o {out} --overwrite -q {flags}")
        if result.code:
            return result.code
        source = out
    return 0
