"""Layers in `.npz` files: one without a name, or several with theirs in front of the weights'."""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.tensors.sources import open_tensors
from poolnorm_cli.weights.entry import Entry, Stored
from poolnorm_cli.weights.naming import IGNORED, grouped, split
from poolnorm_cli.weights.npz import load, read


if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from poolnorm_cli.tensors.tensor import Tensor


def entries(file: str) -> list[Entry]:
    """List the layers of an `.npz` file; a lone one without a name is called `""`.

    Raises:
        InputError: It cannot be read.
    """
    tensors = list(open_tensors(file))
    if not any(split(str(tensor.key))[0] for tensor in tensors):
        values = load(file)  # what one layer has is checked as a whole
        return [_entry(file, "", {key: _held(value) for key, value in values.items()})]
    arrays = {str(tensor.key): Stored(tensor.shape, _reader(tensor)) for tensor in tensors}
    return [
        _entry(file, layer, {split(key)[1]: array for key, array in weights.items()})
        for layer, weights in grouped(arrays).items()
    ]


def _entry(file: str, layer: str, arrays: dict[str, Stored]) -> Entry:
    kept = {name: array for name, array in arrays.items() if name not in IGNORED}
    return Entry(file=file, name=layer, path=layer, kind=None, arrays=kept)


def _held(values: "NDArray[Any]") -> Stored:
    return Stored(values.shape, lambda: values)


def _reader(tensor: "Tensor") -> "Callable[[], NDArray[Any]]":
    return lambda: read(tensor)
