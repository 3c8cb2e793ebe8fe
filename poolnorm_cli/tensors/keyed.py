"""What is said of files that hold several arrays by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolnorm_cli.errors import InputError, shown


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poolnorm_cli.tensors.tensor import PassedOver


_MOST_LISTED = 8
_MOST_NAMED = 9


def array_name(name: str, key: str) -> str:
    """Return what messages call an array of a file: `x.npz::key`.

    Args:
        name: What they call the file.
        key: The key of the array.

    Returns:
        The name of both.
    """
    return f"{name}::{key}"


def no_array(name: str, key: str, there: Iterable[str]) -> InputError:
    """Return the error for a key that is not in a file.

    Args:
        name: What messages call the file.
        key: The key.
        there: Those that are in it.

    Returns:
        The error, which lists some of them.
    """
    listed = shown(", ".join(list(there)[:_MOST_NAMED]), 60)
    return InputError(f"no array {shown(key, 30)}", f"there are: {listed}").within(name)


def notes_on(name: str, others: Sequence[PassedOver]) -> tuple[str, ...]:
    """Return a line about what was passed over in a file, if anything was.

    Args:
        name: What messages call the file.
        others: What was passed over.

    Returns:
        The line, or none.
    """
    if not others:
        return ()
    words = [f"{shown(each.key) or repr(each.key)} ({each.reason})" for each in others]
    more = len(words) - _MOST_LISTED
    rest = f" and {more} more" if more > 0 else ""
    return (f"{shown(name)}: passed over {', '.join(words[:_MOST_LISTED])}{rest}",)
