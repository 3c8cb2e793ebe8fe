"""What a run and its reports know of what is run: a layer, or several one after another."""

from typing import TYPE_CHECKING, Any, Protocol


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.layers.base import Parameter
    from poolnorm_cli.shapes import Shape


class Described(Protocol):
    """A layer, or a pipeline."""

    @property
    def words(self) -> str:
        """The words of the command line."""

    def parameters(self) -> "Iterator[Parameter]":
        """List the parameters."""

    def call_text(self, shape: "Shape") -> str:
        """Write it as one would type it in Keras, for an input of `shape`."""

    def document(self) -> dict[str, Any]:
        """Return what a document says of it."""
