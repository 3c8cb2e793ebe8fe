"""Tensors in `.npy`, `.npz` and standard streams: read strictly, written whole or not at all.

Nothing here is imported before it is used, so that a command without data starts fast.
"""

from __future__ import annotations

from importlib import import_module


_HOMES = {
    "DType": "dtypes",
    "DTYPES": "dtypes",
    "Header": "header",
    "Tensor": "tensor",
    "Output": "outputs",
    "ArrayWriter": "array_writer",
    "identity": "names",
    "open_output": "outputs",
    "open_tensors": "sources",
    "output_path": "templates",
}


def __getattr__(name: str) -> object:
    """Return the public name from the module that defines it, imported at first use."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted(_HOMES)
