"""Makes the goldens from Keras 3 and tf_keras: all files, or those that are named.

python -m tests.goldens.make [keras] [batch_norm]
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from tests.goldens import batch_norm_grid, grid
from tests.goldens.store import Golden, write
from tests.oracle.jobs import Job, run_jobs


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


FILES: dict[str, dict[str, Callable[[], Iterator[Job]]]] = {
    "keras": {"keras": grid.keras_jobs, "tf_keras": grid.keras_2_jobs},
    "batch_norm": {
        "keras": batch_norm_grid.keras_3_jobs,
        "tf_keras": batch_norm_grid.keras_2_jobs,
    },
}
PACKAGES = ("keras", "tf_keras", "tensorflow", "tensorflow-cpu", "numpy")


def versions() -> dict[str, str]:
    """The versions of what is installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def main(names: list[str]) -> None:
    """Run every job of the named files and write the goldens; a job without an answer ends it."""
    for name in names or list(FILES):
        goldens = []
        for framework, listed in FILES[name].items():
            jobs = list(listed())
            for job, outcome in zip(jobs, run_jobs(jobs, framework), strict=True):
                if outcome.error is not None:
                    raise RuntimeError(f"{framework}: {job}: {outcome.error}")
                goldens.append(Golden(framework, job, outcome))
        write(name, goldens, versions())
        sys.stdout.write(f"{name}: {len(goldens)} goldens\n")


if __name__ == "__main__":
    main(sys.argv[1:])
