"""Outputs of which a journal has no line: made again, and compared with what is there.

A run that is killed has given its last outputs their names, and may not have written that down.
Whatever else has such a name is not replaced.
"""

import os
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from poolnorm_cli.batch.fingerprints import Fingerprint, fingerprint_at
from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.batch.stages import InputResult
from poolnorm_cli.batch.tasks import are_equal
from poolnorm_cli.errors import PoolnormError, UsageError
from poolnorm_cli.tensors.file_roles import already_exists
from poolnorm_cli.tensors.formats import suffix_of
from poolnorm_cli.urls import is_url
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from poolnorm_cli.batch.journal import Journal
    from poolnorm_cli.batch.plan import Plan
    from poolnorm_cli.batch.tasks import Work
    from poolnorm_cli.tensors.atomic import AtomicFile


def unverified(plan: "Plan", there: Sequence[Input], journal: "Journal") -> list[Input]:
    """Return the inputs whose output is there without a line, and may be of a run that was killed.

    Args:
        plan: Whether outputs that exist are replaced or left as they are.
        there: Inputs whose output exists.
        journal: What earlier runs have written down.

    Returns:
        Those whose output no line of the journal is about.

    Raises:
        UsageError: One cannot, since no such run has begun in this journal.
    """
    if plan.replaces:
        return []
    doubtful = [item for item in there if not journal.owns(item)]
    if doubtful and not journal.has_begun:
        raise already_exists(
            str(doubtful[0].target), ", and no run with these parameters began in the journal"
        )
    return doubtful


def verify(work: "Work", journal: "Journal", doubtful: Sequence[Input]) -> list[InputResult]:
    """Check that the outputs that are there are what their inputs give.

    Args:
        work: What is done to them.
        journal: Remembers the inputs as they are now.
        doubtful: Their outputs exist, and nothing says whose they are.

    Returns:
        Their results, with the fingerprints of the outputs.

    Raises:
        UsageError: One is something else.
    """
    results = []
    for item in doubtful:
        journal.begin(item)
        same = _same_at_url if is_url(str(item.target)) else _same
        results.append(InputResult(item, fingerprint=same(work, item)))
    return results


def _not_ours(file: str) -> UsageError:
    return already_exists(
        file, ", and neither the journal nor its contents show that this run wrote it"
    )


def _same(work: "Work", item: Input) -> Fingerprint:
    """Make an output once more, without a name; return what is there if that is the same.

    Raises:
        UsageError: It, or the file of a tee, is something else.
    """
    other = str(item.target)
    files: list[AtomicFile] = []
    outputs = replace(work.outputs, overwrite=True, sync=False, keep=files.append, keeps_all=True)
    try:
        replace(work, outputs=outputs).write(item, work.reading.open(item))
        # A tee that is missing is written when the input is done again.
        there = [file for file in files if os.path.lexists(file.path)]
        others = [str(f.path) for f in there if not are_equal(f.fileno(), str(f.path))]
        if files and not others:
            return fingerprint_at(other)
        other = next(iter(others), other)
    except (PoolnormError, OSError):
        pass  # then it cannot be of this run
    finally:
        for file in files:
            file.discard()
    raise _not_ours(other)


def _same_at_url(work: "Work", item: Input) -> Fingerprint:
    """Make an output on this machine, and compare checksums with what is at its URL.

    Raises:
        UsageError: Something else is there.
    """
    with TemporaryDirectory() as directory:
        local = f"{directory}/output{suffix_of(str(item.target))}"
        outputs = replace(work.outputs, directory=None, sync=False)
        try:
            named = replace(item, target=local, tees=())
            replace(work, outputs=outputs).write(named, work.reading.open(item))
            made, there = fingerprint_at(local), fingerprint_at(str(item.target))
        except PoolnormError:
            raise _not_ours(str(item.target)) from None
    if made.sha256 != there.sha256:
        raise _not_ours(str(item.target))
    return there
