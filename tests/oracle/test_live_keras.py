"""Thousands of random layers against the frameworks themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.oracle import configurations
from tests.oracle.live import KERAS_2, check, needs


pytestmark = [pytest.mark.oracle, pytest.mark.slow]

FAMILIES = {
    "pooling": (configurations.pooling, 1200),
    "global_pooling": (configurations.global_pooling, 400),
    "batch_norm": (configurations.batch_norm, 800),
    "layer_norm": (configurations.layer_norm, 600),
}


@needs("keras", "tensorflow")
@pytest.mark.parametrize("name", FAMILIES)
def test_random_layers_give_what_keras_gives(name: str) -> None:
    family, count = FAMILIES[name]
    check(list(configurations.jobs(family, count, seed=20260101)), "keras")


@needs("torch")
def test_random_pools_of_every_kind_of_number_give_what_torch_gives() -> None:
    check(list(configurations.jobs(configurations.torch_pooling, 1500, seed=20260102)), "torch")


@needs("tf_keras", "tensorflow")
def test_random_batch_norms_give_what_keras_2_gives_off_its_fused_path() -> None:
    jobs = configurations.jobs(configurations.batch_norm, 400, seed=20260104)
    unfused = [replace(job, params={**job.params, "fused": False}) for job in jobs]
    check(unfused, "tf_keras", KERAS_2)
