"""Members of an archive that are no tensors: read to the end all the same, and told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.sizes import INFLATE_BYTES, LARGEST_PASSED_OVER_BYTES
from poolnorm_cli.tensors.zip_reader import NPZ, MemberReader
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.npy import Stamp
    from poolnorm_cli.tensors.zip_reader import Member

_MOST_TOLD = 8
_verified: dict[Stamp, set[int]] = {}
"""Files of which members have been read to the end, with the offsets of these."""


@frozen
class PassedOver:
    """A member that is passed over.

    Attributes:
        key: Its key.
        reason: Why.
        shape: The shape that it has; None for one that is no array.
    """

    key: str
    reason: str
    shape: Ints | None = None


class PassedOvers:
    """The members of one archive that are passed over."""

    def __init__(self, fd: int, name: str, stamp: Stamp) -> None:
        """Begin with none.

        Args:
            fd: The open archive.
            name: What messages call it.
            stamp: What tells whether it is still the same.
        """
        self.found: list[PassedOver] = []
        self._fd, self._name, self._stamp = fd, name, stamp
        self._inflated = 0

    def add(self, member: Member, told: PassedOver) -> None:
        """Take a member, which is read to its end: its checksum says that it is what was saved.

        Args:
            member: The member.
            told: What there is to say of it.

        Raises:
            InputError: It is damaged, or all of them make vast data of few.
        """
        self.found.append(told)
        done = _verified.get(self._stamp, set())
        if member.offset in done:
            return
        place = f"{self._name}::{shown(member.key, 40)}"
        if member.method and member.size > 100 * member.packed:
            self._inflated += member.size
        if self._inflated > LARGEST_PASSED_OVER_BYTES:
            told_of = f"{member.size} bytes out of {member.packed}, and no tensor"
            raise InputError.at(place, told_of, "leave it out, or name an array with --key")
        source, piece = (
            MemberReader(self._fd, member, place, NPZ),
            memoryview(bytearray(INFLATE_BYTES)),
        )
        while source.readinto(piece):
            pass
        source.finish()
        if self._stamp not in _verified:
            _verified.clear()  # one file at a time is enough: it is opened again at once, or never
        _verified.setdefault(self._stamp, set()).add(member.offset)


def note_of(name: str, beside: Sequence[PassedOver]) -> str:
    """Say what was passed over in a file.

    Args:
        name: What messages call the file.
        beside: What was passed over, at least one.
    """
    words = [f"{shown(each.key) or repr(each.key)} ({each.reason})" for each in beside[:_MOST_TOLD]]
    more = len(beside) - len(words)
    rest = f" and {more} more" if more else ""
    return f"{shown(name)}: passed over {', '.join(words)}{rest}"
