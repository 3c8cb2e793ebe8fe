"""Folding in a tree whose form follows from the number of parts alone."""

from collections.abc import Callable, Iterable
from typing import TypeVar


Part = TypeVar("Part")


def fold_tree(merge: Callable[[Part, Part], Part], parts: Iterable[Part], empty: Part) -> Part:
    """Merge consecutive parts two by two, as a tournament does; `empty` where there is none.

    A run of parts whose length is a power of two, and which starts at a multiple of that length,
    is always merged by itself. So runs of one such length (the last may be shorter) can be folded
    apart, on other machines, and their results folded with the same result to the last bit. At
    most one part per level is held.
    """
    held: list[tuple[int, Part]] = []
    for part in parts:
        level, whole = 0, part
        while held and held[-1][0] == level:
            level, whole = level + 1, merge(held.pop()[1], whole)
        held.append((level, whole))
    while len(held) > 1:
        _, last = held.pop()
        held[-1] = (held[-1][0], merge(held[-1][1], last))
    return held[0][1] if held else empty
