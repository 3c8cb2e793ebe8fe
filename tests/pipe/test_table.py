"""Every case of the table in the middle of a pipe: the bytes of the steps one after another."""

import io
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.engine.job import Job
from poolnorm_cli.engine.layer_pass import computed
from poolnorm_cli.engine.step_tensor import StepTensor
from poolnorm_cli.engine.streaming import gathered
from poolnorm_cli.engine.training import TrainingState
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.tensor import Layout, Tensor
from tests.cases import CASES, Case
from tests.pipe.test_bytes import small_sizes


Array = np.ndarray[Any, Any]


class Held(Tensor):
    """An array in memory, read as a file is."""

    def __init__(self, x: Array) -> None:
        super().__init__("x", Layout(x.shape, DTYPES[x.dtype.name]))
        self._bytes = np.ascontiguousarray(x).tobytes()

    @contextmanager
    def data(self) -> Iterator[Callable[[memoryview], int]]:
        yield io.BytesIO(self._bytes).readinto


def step(of: Tensor, layer: Layer, weights: dict[str, Array] | None, *, training: bool) -> Tensor:
    job = Job(layer, TrainingState(weights), training)
    plan = job.plan_of(of.shape, of.dtype.name)
    moments = gathered(plan, of, job.under_mask)
    return StepTensor(of, plan, job.state.apply_step(plan, moments))


def read(tensor: Tensor) -> bytes:
    size = prod(tensor.shape)
    blocks = map(computed, tensor.slices([(0, size)] if size else [], (size,)))
    return b"".join(block.tobytes() for block in blocks)


def check(case: Case) -> None:
    x, weights, unit = case.x(), case.weights(), find("unit")()
    expected, _ = run_array(case.layer, x, weights, training=case.training)
    expected, _ = run_array(unit, expected)

    first: Tensor = Held(x)
    if x.ndim > 2 and x.size:
        first = step(first, find("pool", "max")(pool_size=(1,)), None, training=False)  # type: ignore[call-arg]
    middle = step(first, case.layer, weights, training=case.training)
    last = step(middle, unit, None, training=False)

    assert last.shape == expected.shape
    assert read(last) == expected.tobytes()


OWN = [case for case in CASES if not (case.training and case.parameters.get("synchronized"))]
"""A pipe trains no layer for which all inputs are one batch."""


@pytest.mark.parametrize("words", sorted({case.words for case in CASES}))
def test_every_case_in_the_middle_of_a_pipe(words: str) -> None:
    for case in OWN:
        if case.words == words:
            check(case)


@pytest.mark.parametrize("words", sorted({case.words for case in CASES}))
def test_every_case_in_small_blocks(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(words)  # noqa: S311
    own = [case for case in OWN if case.words == words and case.shape[0]]
    for case in chance.sample(own, min(60, len(own))):
        with monkeypatch.context() as patch:
            small_sizes(patch, chance)
            check(case)
