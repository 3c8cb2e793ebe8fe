"""Layers in `.npz` files: one without a name, or several with theirs in front of the weights'."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError
from poolnorm_cli.tensors.messages import shown
from poolnorm_cli.tensors.sources import open_tensors
from poolnorm_cli.weights.entry import Entry, Stored
from poolnorm_cli.weights.naming import IGNORED, grouped, known, split
from poolnorm_cli.weights.npz import Seal, is_seal, read


if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from poolnorm_cli.tensors.passed_over import PassedOver
    from poolnorm_cli.tensors.tensor import Tensor


def entries(file: str) -> list[Entry]:
    """List the layers of an `.npz` file; a lone one without a name is called `""`.

    No values are read: names and shapes are enough to say which layers there are.

    Raises:
        InputError: It cannot be read.
    """
    tensors = list(open_tensors(file))
    held = [tensor for tensor in tensors if not is_seal(tensor)]
    keys = [str(tensor.key) for tensor in held if split(str(tensor.key))[1] not in IGNORED]
    _refuse_twins(file, keys)
    if any(split(key)[0] for key in keys):
        arrays = {str(tensor.key): Stored(tensor.shape, _reader(tensor)) for tensor in held}
        found = [
            _entry(file, layer, {split(key)[1]: array for key, array in weights.items()})
            for layer, weights in grouped(arrays).items()
        ]
    else:
        found = [_alone(file, tensors)]
    return _told_of(file, found, tensors[0])


def _alone(file: str, tensors: "list[Tensor]") -> Entry:
    """Return the one layer of a file, whose seal is checked when its values are read."""
    seal = Seal(file, tensors)
    arrays = {
        split(str(tensor.key))[1]: Stored(tensor.shape, seal.reader(tensor))
        for tensor in tensors
        if not is_seal(tensor)
    }
    return _entry(file, "", arrays)


def _entry(file: str, layer: str, arrays: dict[str, Stored]) -> Entry:
    kept = {name: array for name, array in arrays.items() if name not in IGNORED}
    return Entry(file=file, name=layer, path=layer, kind=None, arrays=kept)


def _refuse_twins(file: str, keys: Iterable[str]) -> None:
    """Refuse two arrays of one layer and weight, as `gamma` and `gamma:0`."""
    seen: dict[tuple[str, str], str] = {}
    for key in keys:
        if (twin := seen.setdefault(split(key), key)) != key:
            told = f"{file}: {shown(twin, 40)} and {shown(key, 40)} are one weight"
            raise InputError(told, "leave one out")


def _told_of(file: str, found: list[Entry], first: "Tensor") -> list[Entry]:
    """Say of layers what was passed over: a weight that is there and not read is not missing."""
    reasons: dict[str, str] = {}
    for each in first.beside:
        layer, weight = split(each.key)
        if _is_weight(each, weight):
            reasons.setdefault(layer, f"{weight}: {each.reason}")
    told = [replace(entry, reason=reasons.pop(entry.path, "")) for entry in found]
    told += [
        Entry(file=file, name=layer, path=layer, kind=None, arrays={}, reason=reason)
        for layer, reason in reasons.items()
    ]
    return [replace(entry, beside=first.notes) for entry in told]


def _is_weight(passed: "PassedOver", weight: str) -> bool:
    return weight not in IGNORED and known([weight]) and not passed.key.endswith("/")


def _reader(tensor: "Tensor") -> "Callable[[], NDArray[Any]]":
    return lambda: read(tensor)
