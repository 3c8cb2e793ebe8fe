"""Faults, told with the name of the tensor at which they came up."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from poolnorm_cli.errors import PoolnormError


if TYPE_CHECKING:
    from poolnorm_cli.tensors.tensor import Tensor


@contextmanager
def told_of(tensor: "Tensor") -> Iterator[None]:
    """Put the name of the tensor in front of an error, unless it is there."""
    try:
        yield
    except PoolnormError as error:
        told = error.what.startswith(f"{tensor.name}: ")
        raise error if told else error.within(tensor.name) from None
