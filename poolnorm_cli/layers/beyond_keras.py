"""What a layer says of parameters that no Keras has."""

from abc import abstractmethod
from typing import Any, ClassVar

from poolnorm_cli.layers.base import Layer
from poolnorm_cli.shapes import Shape
from poolnorm_cli.values import fields


class BeyondKeras(Layer):
    """A layer that has more parameters here than in any Keras.

    Where they have their defaults nobody can tell that the layer has them: Keras' own config lacks
    them, and the journals of versions that did not have them yet are those of the same layer.
    """

    keras_lacks: ClassVar[tuple[str, ...]] = ()
    """Parameters that the Keras class does not have."""

    @abstractmethod
    def beyond_keras(self) -> list[str]:
        """List the flags that were given and no Keras has, as one would type them."""

    def config(self, shape: Shape | None = None) -> dict[str, Any]:
        """Return Keras' config, with parameters that Keras lacks only where they are changed."""
        hidden = self._hidden()
        config = super().config(shape)
        return {name: value for name, value in config.items() if name not in hidden}

    def __repr__(self) -> str:
        """Return the layer with its parameters, less those that its config leaves out."""
        hidden = self._hidden()
        names = [f.name for f in fields(self) if f.repr and f.name not in hidden]
        shown = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
        return f"{type(self).__name__}({shown})"

    def _hidden(self) -> set[str]:
        defaults = {f.name: f.default for f in fields(self) if f.name in self.keras_lacks}
        return {name for name, default in defaults.items() if getattr(self, name) == default}
