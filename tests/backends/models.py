"""Graphs as the `onnx` package reads them."""

import onnx

from poolnorm_cli.backends.model import Model


def parsed(model: Model) -> onnx.ModelProto:
    """Return a model as its readers see it."""
    return onnx.load_from_string(model.serialized())
