"""Keras 2's `adjustment` of batch normalization: a scale and a bias of its own, in training only.

In Keras it is a function from the input's shape to two tensors. Here it is two arrays in a file,
or two initializers, from which one value per channel is drawn for every training batch.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.keras.initializers import Initializer
from poolnorm_cli.layers.weight_arrays import broadcast_weight
from poolnorm_cli.shapes import Ints, Shape, format_shape
from poolnorm_cli.tensors.formats import format_of
from poolnorm_cli.urls import redact_url
from poolnorm_cli.values import frozen, replace


if TYPE_CHECKING:
    from poolnorm_cli.layers.call import Array, Call

_SYMBOLS = {"scale": "s", "bias": "b"}
"""A term, and what formulas call it."""
_EXAMPLE = "give FILE.npz with scale and bias, or 'scale=random_uniform(...,seed=1);bias=...'"


@frozen(eq=False)
class Adjustment:
    """A scale and a bias, either of which may be absent.

    Attributes:
        word: What was typed, for the report.
        file: The file that the arrays are in, until they are read.
        terms: `scale` and `bias`: arrays that broadcast against the input, or initializers.
    """

    word: str
    file: str | None
    terms: "Mapping[str, Array | Initializer]"

    @classmethod
    def of(cls, given: "str | Mapping[str, Any] | Adjustment", flag: str = "") -> "Adjustment":
        """Make an adjustment of a word, or of arrays and initializers by name.

        Args:
            given: `FILE.npz`, or `scale=INITIALIZER;bias=INITIALIZER`, or these by name.
            flag: The flag it was given with, for the error.

        Returns:
            The adjustment, its file not yet read.

        Raises:
            UsageError: It is none of these.
        """
        if isinstance(given, Adjustment):
            return given
        if isinstance(given, Mapping):
            terms = _require_terms(given, flag or "the adjustment")
            return cls(
                ";".join(f"{name}={_shown(term)}" for name, term in terms.items()), None, terms
            )
        if (form := format_of(given)) is not None and form.keyed:
            return cls(given, given, {})
        pairs = [part.partition("=") for part in given.split(";")]
        if not all(name in _SYMBOLS and sign for name, sign, _ in pairs):
            raise UsageError(f"{flag} {given!r} is not known".lstrip(), _EXAMPLE)
        drawn = {name: Initializer.of(word, f"{flag} {name}") for name, _, word in pairs}
        return cls(";".join(f"{name}={term}" for name, term in drawn.items()), None, drawn)

    def with_arrays(self, read: "Callable[[str], Mapping[str, Array]]") -> "Adjustment":
        """Return the adjustment with the arrays of its file, if it has one."""
        if self.file is None:
            return self
        return replace(self, file=None, terms=_require_terms(read(self.file), self.file))

    def term_shapes(self, shape: Shape, kept: Shape) -> dict[str, Shape]:
        """Return s and b, each with its shape for a block.

        Args:
            shape: Shape of the block; axis 0 may be a name.
            kept: The same with size 1 for all but the channels.

        Returns:
            Symbol -> shape, which broadcasts against the block.
        """
        shapes: dict[str, Shape] = {}
        for name, term in self.terms.items():
            if isinstance(term, Initializer):
                shapes[_SYMBOLS[name]] = kept
            else:
                wide = (1,) * (len(shape) - term.ndim) + term.shape
                shapes[_SYMBOLS[name]] = (1 if wide[0] == 1 else shape[0], *wide[1:])
        return shapes

    def fixes_batch(self, rank: int) -> bool:
        """Whether it has values for each sample of a batch."""
        arrays = [term for term in self.terms.values() if not isinstance(term, Initializer)]
        return any(term.ndim == rank and len(term) > 1 for term in arrays)

    def block_terms(self, shape: Ints, axes: Ints, call: "Call") -> dict[str, Any]:
        """Return s and b for a block.

        Args:
            shape: Shape of the block.
            axes: Axes of the channels.
            call: Where the block starts in its tensor, and how many batches came before.

        Returns:
            Symbol -> array in float64, which broadcasts against the block.

        Raises:
            UsageError: An array does not broadcast against the input.
        """
        found = {}
        for name, term in self.terms.items():
            if isinstance(term, Initializer):
                sizes = tuple(shape[axis] for axis in axes)
                drawn = {name: _draw(term, sizes, call.step)}
                found[_SYMBOLS[name]] = broadcast_weight(
                    drawn, name, shape, axes, call.origin(len(shape))
                )
            else:
                found[_SYMBOLS[name]] = _rows(name, term, shape, call.start)
        return found

    def config(self) -> str:
        """Return the word: Keras cannot store an adjustment."""
        return str(self)

    def __str__(self) -> str:
        """Return the word as it was typed, less the secrets of a URL."""
        return redact_url(self.word)

    def __repr__(self) -> str:
        """Return the word, likewise."""
        return repr(str(self))


def _require_terms(terms: "Mapping[str, Any]", name: str) -> "Mapping[str, Any]":
    if not terms or any(key not in _SYMBOLS for key in terms):
        found = ", ".join(terms) or "nothing"
        raise UsageError(f"{name} has {found}, not scale and bias", _EXAMPLE)
    return terms


def _shown(term: "Array | Initializer") -> str:
    return str(term) if isinstance(term, Initializer) else f"({format_shape(term.shape)})"


def _draw(initializer: Initializer, sizes: Ints, step: int) -> "Array":
    """Draw for a batch; each batch of a run has numbers of its own, which follow from the seed."""
    seed = getattr(initializer, "seed", None)
    if seed is None or not step:
        return initializer.values(sizes)
    import numpy as np

    (derived,) = np.random.SeedSequence((seed, step)).generate_state(1)
    again: Any = initializer
    values: Array = replace(again, seed=int(derived)).values(sizes)
    return values


def _rows(name: str, term: "Array", shape: Ints, start: int) -> Any:
    """Return the part of a term that is for the block, with as many axes as the block."""
    import numpy as np

    wide = np.asarray(term, dtype=np.float64)
    wide = wide.reshape((1,) * (len(shape) - wide.ndim) + wide.shape)
    rows = wide if len(wide) == 1 else wide[start : start + shape[0]]
    if [max(sizes) for sizes in zip(rows.shape, shape, strict=False)] != list(shape):
        raise UsageError(
            f"--adjustment {name} of shape ({format_shape(term.shape)}) does not fit the input",
            "give a shape that broadcasts against the input's",
        )
    return rows
