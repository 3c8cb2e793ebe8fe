"""Makes the goldens of the later layers from Keras 3 and torch.

python -m tests.goldens.make_norms
"""

from __future__ import annotations

import sys

from tests.goldens.make import versions
from tests.goldens.norms_grid import keras_jobs, torch_jobs
from tests.goldens.store import Golden, write
from tests.oracle.jobs import run_jobs


def main() -> None:
    """Run every job and write the goldens; a job without an answer ends it all."""
    goldens = []
    for framework, listed in (("keras", keras_jobs()), ("torch", torch_jobs())):
        jobs = list(listed)
        for job, outcome in zip(jobs, run_jobs(jobs, framework), strict=True):
            if outcome.error is not None:
                raise RuntimeError(f"{framework}: {job}: {outcome.error}")
            goldens.append(Golden(framework, job, outcome))
    write("norms", goldens, versions())
    sys.stdout.write(f"{len(goldens)} goldens\n")


if __name__ == "__main__":
    main()
