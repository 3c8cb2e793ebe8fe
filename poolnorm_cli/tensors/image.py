"""Pictures as tensors: (1, height, width, channels) of uint8, as Pillow reads them.

The pixels are those that are stored: nothing is turned as EXIF says, and no colour is converted but
that of a palette, and of CMYK.
"""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, UnavailableError, shown
from poolnorm_cli.packages import pip_install
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.files import Stamp, open_regular, require_unchanged, stamp_of
from poolnorm_cli.tensors.tensor import Layout
from poolnorm_cli.tensors.whole import WholeTensor


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL.Image import Image


_CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "I;16": 1}
"""Of each mode of Pillow that is read as it is."""
_CONVERTED = {"1": "L", "CMYK": "RGB", "YCbCr": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA"}
_WIDE_GRAY = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_SAVE = "save it again as a PNG or JPEG file"
_ORIENTATION = 0x0112
_IHDR_BITS = 24
"""Where a PNG says how many bits a channel has."""


class ImageTensor(WholeTensor):
    """The pixels of a picture."""

    def __init__(self, path: Path | str, name: str, image: Image, bits: int, stamp: Stamp) -> None:
        """Take over what the header of a picture says.

        Args:
            path: The file.
            name: What messages call it.
            image: The picture, not loaded.
            bits: Those of a channel, if it is a PNG.
            stamp: What the file was when it was opened.

        Raises:
            InputError: Its pixels are of a kind that is not read.
        """
        self._mode = _read_mode(image, bits, name)
        width, height = image.size
        dtype = DTYPES["uint16" if self._mode == "I;16" else "uint8"]
        shape = (1, height, width, _CHANNELS[self._mode])
        super().__init__(path, name, Layout(shape, dtype), stamp)
        if image.format == "JPEG" and image.getexif().get(_ORIENTATION, 1) != 1:
            self.notes = (
                f"{shown(name)}: EXIF says that it is shown turned; the pixels are as stored",
            )

    @property
    def stored_bytes(self) -> int:
        """Bytes that one pass reads of it."""
        return self.file.size

    def read(self, fd: int) -> NDArray[Any]:
        """Read the pixels.

        Raises:
            InputError: The file is damaged.
        """
        import numpy as np

        with _opened(fd, self.name) as image:
            if self._mode == "I;16":
                pixels = np.asarray(image).astype("<u2")
            else:
                pixels = np.asarray(
                    image.convert(self._mode) if image.mode != self._mode else image
                )
        if pixels.size * self.dtype.itemsize != self.nbytes:
            raise InputError.at(self.name, "changed while reading", "wait until its writer is done")
        return pixels


def open_file(
    path: Path | str,
    name: str,
    key: str | None = None,  # noqa: ARG001 - one array, without a name
    *,
    bfloat16: bool = False,  # noqa: ARG001 - bytes
) -> list[ImageTensor]:
    """Read the header of a PNG or JPEG file.

    Args:
        path: The file.
        name: What messages call it.
        key: None: the array has no name.
        bfloat16: Not used.

    Returns:
        The one array.

    Raises:
        InputError: It is neither, or damaged, or has more pixels than are read.
        UnavailableError: Pillow is not installed.
    """
    with open_regular(path, name) as fd:
        stamp = stamp_of(fd)
        with _opened(fd, name) as image:
            found = ImageTensor(path, name, image, _png_bits(fd), stamp)
        require_unchanged(fd, stamp, name)
    return [found]


@contextmanager
def _opened(fd: int, name: str) -> Iterator[Image]:
    """Open a picture of which the header is read, and no more before it is asked for.

    Raises:
        InputError: It is damaged; also while it is open.
        UnavailableError: Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        what = "reading it needs Pillow, which is not installed"
        raise UnavailableError.at(name, what, pip_install("image")) from None
    os.lseek(fd, 0, os.SEEK_SET)
    try:
        with warnings.catch_warnings(), os.fdopen(os.dup(fd), "rb") as file:
            warnings.simplefilter("ignore")  # half as many pixels as are refused, and odd metadata
            with Image.open(file, formats=("PNG", "JPEG")) as image:
                yield image
    except InputError:
        raise
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise InputError.at(name, f"more than {most} pixels", "cut it into parts") from None
    except UnidentifiedImageError:
        raise InputError.at(name, "not a PNG or JPEG file, or damaged", _SAVE) from None
    except MemoryError:
        raise InputError.at(name, "no memory for its pixels", "cut it into parts") from None
    except Exception as error:  # noqa: BLE001 - Pillow raises of all kinds on damaged files
        what = f"damaged ({shown(str(error) or type(error).__name__, 60)})"
        raise InputError.at(name, what, _SAVE) from None


def _read_mode(image: Image, bits: int, name: str) -> str:
    """Return the mode of Pillow in which a picture is read.

    Args:
        image: The picture, not loaded.
        bits: Those of a channel, if it is a PNG.
        name: What messages call it.

    Returns:
        One of `_CHANNELS`.

    Raises:
        InputError: It has more than 8 bits a colour, of which Pillow would drop some.
    """
    if image.mode in _WIDE_GRAY:
        return "I;16"
    if image.format == "PNG" and bits > 8:
        what = f"{bits} bits a channel in {image.mode}; only gray is read with more than 8"
        raise InputError.at(name, what, "save it with 8 bits, or its pixels with np.save")
    if image.mode == "P":
        return "RGBA" if "transparency" in image.info else "RGB"
    mode = _CONVERTED.get(image.mode, image.mode)
    if mode not in _CHANNELS:
        raise InputError.at(name, f"pixels of mode {shown(image.mode, 20)} are not read", _SAVE)
    return mode


def _png_bits(fd: int) -> int:
    """Return the bits of a channel where the open file is a PNG."""
    return int.from_bytes(os.pread(fd, 1, _IHDR_BITS), "big")
