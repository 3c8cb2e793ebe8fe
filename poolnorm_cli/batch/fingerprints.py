"""What files are known by, and what an output follows from: its input and the run's parameters."""

import os
import stat
import sys
from typing import TYPE_CHECKING

from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.errors import OutputError
from poolnorm_cli.tensors.names import source_path
from poolnorm_cli.urls import fit_to_show, is_url
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.layer_pass import Weights
    from poolnorm_cli.tensors.atomic import AtomicFile


Stamp = tuple[int, int]
"""Size in bytes, and time of the last change in nanoseconds."""


@frozen
class Fingerprint:
    """What a file is known by.

    Attributes:
        stamp: Its size, and the time of its last change.
        sha256: The checksum of its bytes, in hexadecimal.
    """

    stamp: Stamp
    sha256: str


def parameters(
    job: "Job", weights: "Weights | None", *, engine: str, key: str | None, bfloat16: bool
) -> str:
    """Return a checksum of all that decides on the bytes of an output, besides its input.

    Args:
        job: What is done.
        weights: The weights that were given; None for the initial ones.
        engine: The backend and its provider.
        key: The one array of each `.npz` that is used.
        bfloat16: Whether arrays of two raw bytes are bfloat16.

    Returns:
        The first 32 hexadecimal digits of a SHA-256.
    """
    import hashlib
    import json

    import numpy as np

    import poolnorm_cli

    digest = hashlib.sha256()
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        layer = repr(job.layer)
    mask = job.mask and [fit_to_show(job.mask.word), stamp_of(Input(job.mask.word))]
    facts = [poolnorm_cli.__version__, layer, mask, job.training, job.dtype, engine]
    digest.update(json.dumps([*facts, key, bfloat16]).encode())
    for name, weight in sorted((weights or {}).items()):
        digest.update(f"{name} {weight.dtype.str} {weight.shape} ".encode())
        digest.update(weight.tobytes())
    return digest.hexdigest()[:32]


def stamp_at_name(target: str) -> Stamp:
    """Return size and time of the last change of an output; -1 for both where no file is there."""
    if is_url(target):
        from poolnorm_cli.tensors.cloud import stamp_at

        return stamp_at(target, OutputError)
    try:
        seen = os.lstat(target)
    except (OSError, ValueError):
        return (-1, -1)
    return (seen.st_size, seen.st_mtime_ns) if stat.S_ISREG(seen.st_mode) else (-1, -1)


def stamp_of(item: Input) -> Stamp | None:
    """Return size and time of the last change of an input; None where it has none."""
    if is_url(item.word):
        from poolnorm_cli.tensors.cloud import stamp_at

        return stamp_at(str(source_path(item.word)))
    path = source_path(item.word)
    if path is None:
        return None
    try:
        seen = os.stat(path)  # noqa: PTH116 - for each of many files
    except (OSError, ValueError):
        return (-1, -1)
    return seen.st_size, seen.st_mtime_ns


def fingerprint_of(file: "AtomicFile") -> Fingerprint:
    """Read an output that is whole, and has no name yet, for what it is known by.

    Raises:
        OutputError: The disk fails.
    """
    try:
        return _fingerprint_in(file.fileno())
    except OSError as error:
        raise file.failed(error) from error


def fingerprint_at(target: str) -> Fingerprint:
    """Read an output for what it is known by.

    Raises:
        OSError: It cannot be read.
        OutputError: The same, of one at a URL.
    """
    if is_url(target):
        from poolnorm_cli.tensors.cloud import checksum_at, stamp_at

        return Fingerprint(stamp_at(target, OutputError), checksum_at(target)[1])
    fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return _fingerprint_in(fd)
    finally:
        os.close(fd)


def _fingerprint_in(fd: int) -> Fingerprint:
    import hashlib

    with open(fd, "rb", buffering=0, closefd=False) as file:
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    seen = os.fstat(fd)
    return Fingerprint((seen.st_size, seen.st_mtime_ns), digest)
