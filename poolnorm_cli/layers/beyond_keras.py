"""What a layer says of parameters that no Keras has."""

from abc import abstractmethod

from poolnorm_cli.layers.base import Layer


class BeyondKeras(Layer):
    """A layer that has more parameters here than in any Keras."""

    @abstractmethod
    def beyond_keras(self) -> list[str]:
        """List the flags that were given and no Keras has, as one would type them."""
