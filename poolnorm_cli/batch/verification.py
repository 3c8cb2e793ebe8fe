"""Outputs of which a journal has no line: made again, and compared with what is there.

A run that is killed has given its last outputs their names, and may not have written that down.
Whatever else has such a name is not replaced.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.batch.stages import InputResult
from poolnorm_cli.batch.tasks import Fingerprint, fingerprint_at
from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.tensors.formats import suffix_of
from poolnorm_cli.urls import is_url


if TYPE_CHECKING:
    from poolnorm_cli.batch.journal import Journal
    from poolnorm_cli.batch.tasks import Work
    from poolnorm_cli.tensors.atomic import AtomicFile


_PIECE = 1 << 20


def verified(work: "Work", journal: "Journal", inputs: Sequence[Input]) -> list[InputResult]:
    """Return what came of inputs whose output is there, and is what they give.

    Args:
        work: What is done to them.
        journal: Remembers the inputs as they are now.
        inputs: Their outputs exist, and nothing says whose they are.

    Raises:
        UsageError: One is something else.
    """
    endings = []
    for item in inputs:
        journal.began(item)
        fingerprint = _same_at_url(work, item) if is_url(str(item.target)) else _same(work, item)
        if fingerprint is None:
            raise work.plan.exists(item, ", and neither the journal nor its bytes say it is ours")
        endings.append(InputResult(item, fingerprint=fingerprint))
    return endings


def _same(work: "Work", item: Input) -> Fingerprint | None:
    """Make an output once more, without a name; return what is there if that is the same."""
    files: list[AtomicFile] = []
    plan = replace(work.plan, overwrite=True, sync=False, keep=files.append)
    try:
        list(plan.run(item, work.job))
        if files and _are_equal(files[0].fileno(), str(item.target)):
            return fingerprint_at(str(item.target))
    except (PoolnormError, OSError):
        return None  # then it cannot be of this run
    finally:
        for file in files:
            file.discard()
    return None


def _same_at_url(work: "Work", item: Input) -> Fingerprint | None:
    """Make an output on this machine, and compare checksums with what is at its URL."""
    with TemporaryDirectory() as directory:
        local = f"{directory}/output{suffix_of(str(item.target))}"
        plan = replace(work.plan, directory=None, sync=False)
        try:
            list(plan.run(replace(item, target=local), work.job))
            made, there = fingerprint_at(local), fingerprint_at(str(item.target))
        except PoolnormError:
            return None
    return there if made.sha256 == there.sha256 else None


def _are_equal(made: int, target: str) -> bool:
    there = os.open(target, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        place, size = 0, os.fstat(made).st_size
        if os.fstat(there).st_size != size:
            return False
        while place < size:
            piece = os.pread(made, _PIECE, place)
            if not piece or piece != os.pread(there, _PIECE, place):
                return False
            place += len(piece)
        return True
    finally:
        os.close(there)
