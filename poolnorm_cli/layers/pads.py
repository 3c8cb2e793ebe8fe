"""Padding at the ends of spatial axes, as PyTorch's and ONNX's layers have it."""

from typing import Any

from poolnorm_cli.errors import UsageError, shown
from poolnorm_cli.shapes import within_64_bits
from poolnorm_cli.values import frozen


Ends = tuple[int, int]
_FIX = "give cells at both ends, or LOW:HIGH, one for each spatial axis: --pads 1 or --pads 0:1,2:1"


@frozen
class Pads:
    """Cells of padding before and after each spatial axis.

    Attributes:
        ends: Of each axis, or one of all axes.
    """

    ends: tuple[Ends, ...]

    @classmethod
    def of(cls, given: "str | Pads | Any") -> "Pads":
        """Read padding as it is typed: `1`, `0:1` or `0:1,2,1:0`.

        Args:
            given: What was typed; or the value, which stays as it is.

        Returns:
            The padding.

        Raises:
            UsageError: It is something else, or a number is negative or beyond 64 bits.
        """
        if isinstance(given, Pads):
            return given
        if not isinstance(given, str):
            raise UsageError(f"--pads is {shown(str(given))!r}", _FIX)
        word = given.strip().strip("()[]")
        return cls(tuple(_ends(part.strip(), given) for part in word.replace("x", ",").split(",")))

    def on(self, rank: int) -> tuple[Ends, ...]:
        """Give each spatial axis its padding.

        Args:
            rank: Number of spatial axes.

        Returns:
            The padding of each.

        Raises:
            UsageError: That of another number of axes was given.
        """
        if len(self.ends) == 1:
            return self.ends * rank
        if len(self.ends) != rank:
            axes = "one spatial axis" if rank == 1 else f"{rank} spatial axes"
            what = f"--pads {self.word} is of {len(self.ends)} axes, the input has {axes}"
            each = "" if rank == 1 else f", or {rank} as --pads {','.join(['1'] * rank)}"
            raise UsageError(what, f"give one{each}")
        return self.ends

    @property
    def word(self) -> str:
        """As it is typed."""
        return ",".join(str(a) if a == b else f"{a}:{b}" for a, b in self.ends)

    def __str__(self) -> str:
        """Write it as it is typed."""
        return self.word

    def __repr__(self) -> str:
        """Write it as it is typed, in quotes."""
        return repr(self.word)


def _ends(part: str, given: str) -> Ends:
    low, colon, high = part.partition(":")
    words = (low, high) if colon else (low, low)
    if not all(word.isascii() and word.isdigit() for word in words):
        raise UsageError(f"--pads {shown(given)!r} has a part {shown(part)!r}", _FIX)
    a, b = within_64_bits(tuple(int(word[:40]) for word in words), "--pads")
    return a, b
