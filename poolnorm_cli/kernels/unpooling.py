"""Values put where their indices say: by a compiled loop where it serves, else by NumPy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.memory import Array, acquire


def put_back(
    x: Array, indices: NDArray[np.int64], view: tuple[int, int, int], cells: int
) -> NDArray[Any]:
    """Put values into images of zeros; of several at one place the last stays.

    Args:
        x: The values, C-contiguous.
        indices: Of each the cell of its image, below `cells`; of the shape of `x`.
        view: Images, places and items of `x`.
        cells: Of an image of the output.

    Returns:
        A new array of the dtype of `x`: images, cells, items.
    """
    images, _, items = view
    out = acquire((images, cells, items), x.dtype)
    given = np.ascontiguousarray(x), np.ascontiguousarray(indices)
    if native.compiled():
        native.loops().put_back(*given, out, x.dtype.itemsize, view, cells)
        return out
    out[...] = 0
    np.put_along_axis(out, given[1].reshape(view), given[0].reshape(view), 1)
    return out
