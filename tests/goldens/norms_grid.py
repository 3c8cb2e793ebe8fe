"""Which small layers the goldens of the later layers ask of Keras and torch."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tests.oracle import configurations, more_configurations


if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.oracle.configurations import Family
    from tests.oracle.jobs import Job

MOST_CELLS = 160


def _small(family: Family, count: int, seed: int) -> Iterator[Job]:
    """Return the first jobs of a family that are small."""
    jobs = configurations.jobs(family, 1000, seed)
    return islice((job for job in jobs if job.inputs[0].size <= MOST_CELLS), count)


def keras_jobs() -> Iterator[Job]:
    """Return group, instance, RMS and unit normalization, and masked averages."""
    for family in (
        more_configurations.group_norm,
        more_configurations.instance_norm,
        more_configurations.rms_norm,
        more_configurations.unit_norm,
        more_configurations.masked_average,
    ):
        yield from _small(family, 20, seed=1)


def torch_jobs() -> Iterator[Job]:
    """Return adaptive pooling."""
    yield from _small(more_configurations.adaptive_pooling, 50, seed=2)
