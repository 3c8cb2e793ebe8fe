"""Layers in a `.safetensors` file: a length, a table of contents in JSON, and the data."""

import re
from collections.abc import Mapping

from poolnorm_cli.weights.entry import Entry, Stored, grouped, split, stated
from poolnorm_cli.weights.safetensors_header import Array, arrays_of


_SHARD = re.compile(r"-\d+-of-0*[1-9]\d*\.safetensors$", re.IGNORECASE)


def entries(file: str) -> list[Entry]:
    """List the layers of a file that may be normalizations.

    Raises:
        InputError: It is damaged, has a name twice, or arrays that overlap or leave a gap.
    """
    return layers(file, arrays_of(file), whole=_SHARD.search(file) is None)


def contained(file: str) -> list[str]:
    """List the names of all arrays of a file.

    Raises:
        InputError: It is damaged.
    """
    return list(arrays_of(file))


def layers(file: str, arrays: Mapping[str, Array], *, whole: bool) -> list[Entry]:
    """List the layers among named arrays.

    Args:
        file: What messages call the file that they are in.
        arrays: The arrays.
        whole: The file has all there is: a weight that is missing is one that the layer has not.
            Of one part of several, that is not said.
    """
    stored = {key: Stored(array.shape, array.read) for key, array in _candidates(arrays).items()}
    return [_entry(file, name, held, whole=whole) for name, held in grouped(stored).items()]


def _candidates(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Leave out arrays of whole numbers that are no weights: counters, indices, masks."""
    numbers = ("I", "U", "BOOL")
    known = ("weight", "bias", "gamma", "beta", "scale", "mean", "var")
    return {
        key: array
        for key, array in arrays.items()
        if not array.dtype.startswith(numbers) or split(key)[1].endswith(known)
    }


def _entry(file: str, layer: str, weights: dict[str, Stored], *, whole: bool) -> Entry:
    arrays = {split(key)[1]: array for key, array in weights.items()}
    # The names are all there is, so a weight that is missing is one that the layer has not.
    config = stated(arrays) if whole else {}
    return Entry(file=file, name=layer, path=layer, kind=None, arrays=arrays, config=config)
