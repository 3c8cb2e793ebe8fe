"""How `info` tells of a layer in a checkpoint."""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.report.text import keras_shape, printable


if TYPE_CHECKING:
    from poolnorm_cli.weights.entry import Entry

_TOLD = ("epsilon", "momentum", "axis", "groups", "center", "scale", "renorm")


def layer_facts(entry: "Entry") -> dict[str, Any]:
    """Return what is known of a layer, for JSON."""
    return {
        "file": entry.file,
        "name": entry.name,
        "path": entry.path,
        "class": entry.kind,
        "weights": {name: list(array.shape) for name, array in entry.arrays.items()},
        "parameters": _parameters(entry),
        **({"own_class": entry.class_name} if entry.of_subclass else {}),
        **({"reason": entry.reason} if entry.reason else {}),
        **({"unsure": entry.unsure} if entry.unsure else {}),
    }


def layer_fields(entry: "Entry", *, quiet: bool) -> list[str]:
    """Return the fields of a line: what --weights takes, class, weights and parameters."""
    word = printable(f"{entry.file}::{entry.name}" if entry.name else entry.file)
    if quiet:
        return [word]
    own = f" ({printable(entry.class_name)})" if entry.of_subclass else ""
    return [word, f"{entry.kind or '-'}{own}", _weights(entry), _told(entry)]


def layer_cells(entry: "Entry") -> dict[str, str]:
    """Return the cells of a row of a table."""
    layer, kind, weights, parameters = layer_fields(entry, quiet=False)
    return {"layer": layer, "class": kind, "weights": weights, "parameters": parameters}


def _weights(entry: "Entry") -> str:
    if entry.reason:
        return printable(f"cannot be run: {entry.reason}")
    shapes = entry.arrays.items()
    return ", ".join(f"{printable(name)} {keras_shape(array.shape)}" for name, array in shapes)


def _parameters(entry: "Entry") -> dict[str, Any]:
    known = {**entry.layout, **entry.config}
    return {name: known[name] for name in _TOLD if known.get(name) is not None}


def _told(entry: "Entry") -> str:
    told = [f"{name}={str(value)[:40]}" for name, value in _parameters(entry).items()]
    told += [f"not certain: {entry.unsure}"] if entry.unsure else []
    return printable(", ".join(told)) or "-"
