"""What files are known by, and what an output follows from: its input and the run's parameters."""

import os
import stat
import sys
from typing import TYPE_CHECKING, Any

from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.errors import OutputError
from poolnorm_cli.tensors.files import ABSENT, Version, stamp_of
from poolnorm_cli.tensors.names import source_path
from poolnorm_cli.urls import is_url, redact_url
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.layer_pass import Weights
    from poolnorm_cli.tensors.atomic import AtomicFile


@frozen
class Fingerprint:
    """What a file is known by.

    Attributes:
        version: Its size, and the time of its last change.
        sha256: The checksum of its bytes, in hexadecimal.
    """

    version: Version
    sha256: str


def parameters(
    job: "Job",
    weights: "Sequence[Weights | None]",
    *,
    engine: str,
    key: str | None,
    bfloat16: bool,
) -> str:
    """Return a checksum of all that decides on the bytes of an output, besides its input.

    Args:
        job: What is done.
        weights: The weights that were given for each of its parts; None for the initial ones.
        engine: The backend and its provider.
        key: The one array of each `.npz` that is used.
        bfloat16: Whether arrays of two raw bytes are bfloat16.

    Returns:
        The first 32 hexadecimal digits of a SHA-256.
    """
    import hashlib
    import json

    import poolnorm_cli

    digest = hashlib.sha256()
    facts = [fact for part in job.parts for fact in _facts(part)]
    unbatched = ["unbatched"] if job.unbatched else []
    facts = [poolnorm_cli.__version__, *facts, engine, *unbatched, key, bfloat16]
    facts += job.more_facts
    digest.update(json.dumps(facts).encode())
    for own in weights:
        for name, weight in sorted((own or {}).items()):
            digest.update(f"{name} {weight.dtype.str} {weight.shape} ".encode())
            digest.update(weight.tobytes())
    return digest.hexdigest()[:32]


def _facts(job: "Job") -> list[Any]:
    """Return what decides on the result of a layer, besides its weights."""
    import numpy as np

    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        layer = repr(job.layer)
    mask = job.mask and [redact_url(job.mask.word), input_version(Input(job.mask.word))]
    return [layer, mask, job.training, job.dtype]


def output_version(target: str) -> Version:
    """Return size and time of the last change of an output; -1 for both where no file is there."""
    if is_url(target):
        from poolnorm_cli.tensors.cloud import version_at

        return version_at(target, OutputError)
    try:
        is_file = stat.S_ISREG(os.lstat(target).st_mode)
        return stamp_of(target).version if is_file else ABSENT
    except (OSError, ValueError):
        return ABSENT


def input_version(item: Input) -> Version | None:
    """Return size and time of the last change of an input; None where it has none."""
    if is_url(item.word):
        from poolnorm_cli.tensors.cloud import version_at

        return version_at(str(source_path(item.word)))
    path = source_path(item.word)
    if path is None:
        return None
    try:
        return stamp_of(path).version
    except (OSError, ValueError):
        return ABSENT


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
        from poolnorm_cli.tensors.cloud import checksum_at, version_at

        return Fingerprint(version_at(target, OutputError), checksum_at(target)[1])
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
    return Fingerprint(stamp_of(fd).version, digest)
