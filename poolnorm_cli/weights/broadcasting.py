"""Weights that only broadcast to the shapes of a layer, as those of ONNX do."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from poolnorm_cli.shapes import Ints


if TYPE_CHECKING:
    from numpy.typing import NDArray


class Broadcasting(dict[str, Any]):
    """Weights as their file has them, which are laid out anew for each shape of the input.

    Attributes:
        groups: Number of groups of channels of which each has one weight; None where not.
    """

    def __init__(self, weights: "Mapping[str, NDArray[Any]]", groups: int | None = None) -> None:
        """Take over weights by their Keras names."""
        super().__init__(weights)
        self.groups = groups

    def __reduce__(self) -> "tuple[type[Broadcasting], tuple[dict[str, Any], int | None]]":
        """Go to another process with the number of groups."""
        return Broadcasting, (dict(self), self.groups)

    def laid_out(self, expected: Mapping[str, Ints]) -> "dict[str, NDArray[Any]]":
        """Return the weights in the shapes of a layer; one that does not broadcast as it is.

        Args:
            expected: The weights of the layer, with their shapes.
        """
        import numpy as np

        found = {}
        for name, weight in self.items():
            had = weight.shape
            shape = _laid_out(had, expected.get(name, had), self.groups)
            if shape == had:
                found[name] = weight
            elif had == (self.groups,):
                found[name] = np.repeat(weight, shape[0] // had[0])
            else:
                found[name] = np.broadcast_to(weight.reshape(had[-len(shape) :]), shape)
        return found


def laid_out_shapes(
    shapes: Mapping[str, Ints], expected: Mapping[str, Ints], groups: int | None
) -> dict[str, Ints]:
    """Return the shapes that weights have when they are laid out.

    Args:
        shapes: Those in the file.
        expected: Those of the layer.
        groups: Number of groups of channels of which each has one weight; None where not.
    """
    return {
        name: _laid_out(shape, expected.get(name, shape), groups) for name, shape in shapes.items()
    }


def broadcast(count: int, *shapes: Ints) -> Ints:
    """Return the shape of so many axes to which shapes broadcast.

    Raises:
        ValueError: They do not, or have more axes that are not of one cell.
    """
    sizes = []
    for cells in zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1):
        wide = {size for size in cells if size != 1}
        if len(wide) > 1:
            raise ValueError
        sizes.append(wide.pop() if wide else 1)
    more, kept = sizes[count:], sizes[:count] + [1] * (count - len(sizes))
    if any(size != 1 for size in more):
        raise ValueError
    return tuple(kept[::-1])


def _laid_out(shape: Ints, expected: Ints, groups: int | None) -> Ints:
    if groups and shape == (groups,) and len(expected) == 1 and not expected[0] % groups:
        return expected
    try:
        return expected if broadcast(len(expected), shape, expected) == expected else shape
    except ValueError:
        return shape
