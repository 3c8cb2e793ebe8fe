"""What `--dry-run` does: everything of a run but its work."""

from typing import TYPE_CHECKING

from poolnorm_cli.cli.file_flags import Prepared
from poolnorm_cli.cli.groups import Given, Printing
from poolnorm_cli.cli.run_batch import open_journal, unproved
from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.report.estimates import Estimates
from poolnorm_cli.runs.estimate import estimates


if TYPE_CHECKING:
    from poolnorm_cli.runs.files import Job
    from poolnorm_cli.runs.item import Item
    from poolnorm_cli.runs.plan import Plan


def dry_run(plan: "Plan", prepared: Prepared, job: "Job", given: Given) -> int:
    """Say what a run would do, and return the exit code that the headers would give it.

    Args:
        plan: How inputs are read and outputs written.
        prepared: Which there are.
        job: What would be done to each.
        given: The flags.

    Raises:
        PoolnormError: The fault of the only input, or of the whole run.
    """
    report = Estimates(job.layer, given[Printing].style())
    with open_journal(plan, job, given) as journal:
        items, failed = prepared.items, 0
        if journal is not None:
            unproved(plan, prepared, journal)
        for item in items:
            known = journal.ending(item) if journal else None
            if plan.skips(item) or (known and known.skipped):
                continue
            try:
                if error := item.error or (known and known.error):
                    raise error
                _add(report, plan, job, item)
            except PoolnormError as error:
                if len(items) == 1:
                    raise
                report.failed(item.name, error)
                failed += 1
    report.close()
    return 1 if failed else 0


def _add(report: Estimates, plan: "Plan", job: "Job", item: "Item") -> None:
    for estimate in estimates(plan, job, item):
        report.add(estimate)
