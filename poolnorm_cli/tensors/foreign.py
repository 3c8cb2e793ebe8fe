"""Files that are not read, and the line that makes of each one that is."""

from __future__ import annotations

from shlex import quote

from poolnorm_cli.errors import InputError
from poolnorm_cli.tensors.formats import NPY, format_of


_UNPACKERS = {
    ".gz": "gunzip -c",
    ".xz": "xz -dc",
    ".zst": "zstd -dc",
    ".bz2": "bunzip2 -c",
}
"""Suffix of what holds another file packed -> what unpacks it."""
_PROGRAMS = {
    "torch": "import torch, numpy; t = torch.load({file}, 'cpu', weights_only=True); "
    "numpy.savez({stem}.npz, **(t if isinstance(t, dict) else dict(x=t)))",
    "scipy": "import scipy.io, numpy; m = scipy.io.loadmat({file}); "
    "numpy.savez({stem}.npz, **dict((k, v) for k, v in m.items() if k[:2] != '__'))",
    "tiff": "import tifffile, numpy; numpy.save({stem}.npy, tifffile.imread({file}))",
    "h5py": "import h5py, numpy; f = h5py.File({file}); "
    "numpy.savez({stem}.npz, **dict((k, v[()]) for k, v in f.items() if hasattr(v, 'dtype')))",
    "image": "from PIL import Image; Image.open({file}).save({stem}.png)",
    "pickle": "import pickle, numpy; numpy.save({stem}.npy, pickle.load(open({file}, 'rb')))",
}
"""Library -> a program that converts a file; `{stem}` stands for its name less the suffix."""
_LIBRARIES = {
    ".pt": "torch",
    ".pth": "torch",
    ".mat": "scipy",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".h5": "h5py",
    ".hdf5": "h5py",
    ".bmp": "image",
    ".gif": "image",
    ".webp": "image",
    ".pkl": "pickle",
    ".pickle": "pickle",
}
_NOT_READ = "and is not read"


def refusal(name: str) -> InputError | None:
    """Return the error for a file of a kind that others write; None for any other.

    Args:
        name: A file that is there.

    Returns:
        The error, with the line that converts the file.
    """
    stem, dot, last = name.rpartition(".")
    suffix = f"{dot}{last}".lower()
    if suffix in _UNPACKERS:
        return _packed(name, stem, suffix)
    if suffix not in _LIBRARIES:
        return None
    # Within the double quotes of a shell, after the quotes of Python.
    program = _PROGRAMS[_LIBRARIES[suffix]].replace("{stem}.", "{stem}@")
    program = program.replace("{file}", repr(name))
    for ours in ("npz", "npy", "png"):
        program = program.replace(f"{{stem}}@{ours}", repr(f"{stem}.{ours}"))
    return InputError.at(
        name, f"a {suffix} file, {_NOT_READ}", f"type python -c {_quoted(program)}"
    )


def _packed(name: str, stem: str, suffix: str) -> InputError:
    form = format_of(stem)
    unpack = f"{_UNPACKERS[suffix]} {quote(name)}"
    if form is NPY:
        fix = f"type {unpack} | poolnorm ... -, or {unpack} >{quote(stem)}"
    elif form is not None:
        fix = f"type {unpack} >{quote(stem)}, and give that"
    else:
        fix = "unpack it, and give what is in it"
    return InputError.at(name, f"a {suffix} file, which is packed, {_NOT_READ}", fix)


def _quoted(program: str) -> str:
    plain = not set(program) & set('"$`\\!')
    return f'"{program}"' if plain else quote(program)
