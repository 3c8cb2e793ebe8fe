"""The member that a saved file of weights carries about itself: its version and its checksum.

It is an array of bytes, named so that no layer has a weight of that name: whoever reads the file
with `numpy.load` finds the weights by their names, and one array more.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.errors import InputError


SEAL = "__poolnorm__"
VERSION = 1
LARGEST_SEAL = 4096
_AGAIN = "train it again, or take it from a copy"


def sealed(weights: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Return the seal of weights: JSON as bytes."""
    text = json.dumps({"version": VERSION, "sha256": _digest(weights)})
    return np.frombuffer(text.encode(), dtype=np.uint8)


def check_seal(file: str, seal: bytes, weights: Mapping[str, NDArray[Any]]) -> None:
    """Check weights against the seal that came with them.

    Raises:
        InputError: The seal is of a version that is not known, or not of these weights.
    """
    try:
        told = json.loads(seal)
        version, digest = told["version"], told["sha256"]
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{file}: {SEAL} is not readable", _AGAIN) from None
    if version != VERSION:
        raise InputError(
            f"{file}: version {version!r} of the file is not known, only {VERSION}",
            "use the poolnorm that wrote it, or a newer one",
        )
    if digest != _digest(weights):
        raise InputError(f"{file}: the weights are not those that were saved (checksum)", _AGAIN)


def _digest(weights: Mapping[str, NDArray[Any]]) -> str:
    """Hash names, dtypes, shapes and values, in an order of their own."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        little = np.ascontiguousarray(weights[name], weights[name].dtype.newbyteorder("<"))
        digest.update(json.dumps([name, little.dtype.name, weights[name].shape]).encode())
        digest.update(little.tobytes())
    return digest.hexdigest()
