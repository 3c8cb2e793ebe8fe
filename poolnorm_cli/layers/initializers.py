"""Keras' initializers: `Initializer.of` finds any of them by its identifier."""

from poolnorm_cli.layers import variance_scaling
from poolnorm_cli.layers.constant_initializers import Constant, Initializer, Ones, Zeros
from poolnorm_cli.layers.random_initializers import RandomNormal, RandomUniform, TruncatedNormal


__all__ = [
    "ONES",
    "ZEROS",
    "Constant",
    "Initializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "variance_scaling",
]

ONES = Ones()
ZEROS = Zeros()
