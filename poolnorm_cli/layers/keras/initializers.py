"""Keras' initializers: `Initializer.of` finds any of them by its identifier."""

from poolnorm_cli.layers.keras.constant_initializers import Constant, Initializer, Ones, Zeros
from poolnorm_cli.layers.keras.random_initializers import (
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
)


__all__ = [
    "ONES",
    "ZEROS",
    "Constant",
    "Initializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
]

ONES = Ones()
ZEROS = Zeros()
