"""Faults, told with the name of the tensor at which they came up."""

from typing import TYPE_CHECKING

from poolnorm_cli.errors import PoolnormError


if TYPE_CHECKING:
    from types import TracebackType

    from poolnorm_cli.tensors.tensor import Tensor


class told_of:  # noqa: N801 - it is used as a function, of which a generator would be the slow form
    """Put the name of the tensor in front of an error, unless it is there."""

    def __init__(self, tensor: "Tensor") -> None:
        """Remember the tensor."""
        self._name = tensor.name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        if isinstance(error, PoolnormError) and not error.what.startswith(f"{self._name}: "):
            raise error.within(self._name) from None
