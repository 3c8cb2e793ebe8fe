"""Random layers against their plain definition in float64: closer than any framework stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.oracle import configurations, reference
from tests.oracle.bounds import compute, difference


if TYPE_CHECKING:
    from tests.oracle.configurations import Family

ROUNDING = {"float64": 1e-13, "float32": 4e-7, "float16": 1e-3}


@pytest.mark.parametrize(
    ("family", "rows"),
    [
        (configurations.pooling, None),
        (configurations.pooling, 1),
        (configurations.global_pooling, None),
        (configurations.global_pooling, 2),
        (configurations.torch_pooling, None),
        (configurations.batch_norm, None),
        (configurations.batch_norm, 3),
        (configurations.layer_norm, None),
        (configurations.layer_norm, 1),
    ],
)
def test_random_layers_are_as_exact_as_their_numbers(family: Family, rows: int | None) -> None:
    apart = []
    for job in configurations.jobs(family, 150, seed=20260103):
        gap = difference(job, compute(job, rows=rows), reference.compute(job), ROUNDING)
        apart += [] if gap is None else [gap]
    assert not apart, "\n".join(apart[:20])
