"""How many processes are worth starting: one, where starting more takes longer than the work."""

from collections.abc import Sequence
from math import isqrt
from typing import TYPE_CHECKING

from poolnorm_cli.batch.fingerprints import input_version
from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.machine import processors
from poolnorm_cli.sizes import LARGE_RUN_BYTES
from poolnorm_cli.tensors.formats import NPY


if TYPE_CHECKING:
    from poolnorm_cli.backends import Backend


_ASKED = 64
"""Inputs whose size is asked for, of however many there are."""
_FEW = 16
"""Inputs below which no process is worth its start, where they are small."""
_FILE_SECONDS, _BYTE_SECONDS = 15e-5, 2e-9
"""What a plain file takes, and each byte of it, on one processor."""
_UNPACKED = 20
"""How many times that takes what is unpacked or read as text."""
_FIRST_SECONDS = 0.05
"""What all inputs have to take for a second process to pay."""
_START_SECONDS = 0.003
"""What each process takes of the one that starts it, which does nothing else meanwhile."""


def guessed_seconds(item: Input) -> float | None:
    """Guess what an input takes by its size.

    Args:
        item: The input.

    Returns:
        Seconds; None where its size is not known.
    """
    version = input_version(item)
    if version is None:
        return None
    times = 1 if item.word.endswith(NPY.suffix) else _UNPACKED
    return times * (_FILE_SECONDS + version[0] * _BYTE_SECONDS)


def worthwhile_processes(inputs: Sequence[Input], backend: "Backend") -> int:
    """Count the processes that are worth their start.

    A process more takes its start of the run, and takes its share of the work off it.

    Args:
        inputs: The inputs.
        backend: What computes: only of NumPy's way is it known how long it takes.

    Returns:
        How many, at most one for each processor.
    """
    most = processors()
    asked = inputs[:: -(-len(inputs) // _ASKED)] if inputs else inputs
    share = len(inputs) / max(len(asked), 1)
    sizes = sum(version[0] for item in asked if (version := input_version(item)))
    if sizes * share >= LARGE_RUN_BYTES:
        return most
    if backend.name != "numpy":
        return 1 if len(inputs) < _FEW else most
    seconds = share * sum(guessed_seconds(item) or _FIRST_SECONDS for item in asked)
    if len(inputs) < _FEW or seconds < _FIRST_SECONDS:
        return 1
    return min(max(isqrt(int(seconds / _START_SECONDS)), 2), most)
