"""Files beside a checkpoint that hold a part of it: found by a plain name, and nowhere else."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from poolnorm_cli.errors import InputError
from poolnorm_cli.tensors.messages import shown
from poolnorm_cli.weights.untrusted import Span, whole


def plain_name(name: str) -> bool:
    """Whether a word that a file gives is the name of a file, and no path to one."""
    return bool(name) and name.isprintable() and not set(name) & set("/\\:") and name[0] != "."


@contextmanager
def opened_beside(file: str, name: str, place: str) -> Iterator[Span]:
    """Open a file of raw bytes that belongs to another, beside which it is.

    A file that names a second one could have anything read. So this must bear its name, as
    `model.onnx.data` bears that of `model.onnx`, and be no link to elsewhere.

    Args:
        file: The file that it belongs to.
        name: What that calls it.
        place: What messages call the part of `file` that is in it.

    Raises:
        InputError: It is called otherwise, is a link, or cannot be read.
    """
    stem = os.path.basename(file).rpartition(".")[0]  # noqa: PTH119 - text, not a path
    if not plain_name(name) or not name.startswith((f"{stem}.", f"{stem}_", f"{stem}-")):
        told = f"its values are in another file, {shown(name, 40)!r}, not named after this one"
        raise InputError(f"{place}: {told}", "save it in one file, or as FILE.onnx.data beside it")
    path = os.path.join(os.path.dirname(file), name)  # noqa: PTH118, PTH120 - as above
    try:
        seen = os.lstat(path)
    except OSError as error:
        told = f"its values are in {shown(path, 80)}: {error.strerror}"
        raise InputError(f"{place}: {told}", "copy that file too") from None
    if not stat.S_ISREG(seen.st_mode) or seen.st_nlink > 1:
        told = f"its values are in {shown(path, 80)}, which is a link, or no file"
        raise InputError(f"{place}: {told}", "put a copy there")
    span = whole(path)
    try:
        yield span
    finally:
        span.close()
