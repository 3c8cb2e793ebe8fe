"""Graphs for files: what is refused, and how a model is checked as its readers will do it."""

from contextlib import suppress
from typing import TYPE_CHECKING

from poolnorm_cli.backends.graph import DEFAULT_OPSET
from poolnorm_cli.backends.installed import onnx_if_installed, version
from poolnorm_cli.backends.model import ITS_ONNX, NEWEST_OPSET
from poolnorm_cli.backends.older_opsets import OLDEST_OPSET
from poolnorm_cli.backends.providers import Provider, choose, one_node
from poolnorm_cli.errors import PoolnormError, UnavailableError, UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.shapes import Ints, format_shape
from poolnorm_cli.sizes import LARGEST_PROTOBUF_BYTES


if TYPE_CHECKING:
    from collections.abc import Callable

    from poolnorm_cli.backends.model import Model


def require_gathered(layer: Layer, shape: Ints, *, training: bool) -> None:
    """Refuse an input for which there is no graph in a file.

    Args:
        layer: The layer.
        shape: Shape of its input.
        training: It is in training.

    Raises:
        UsageError: The input has no cells, or is a batch that the layer cannot be trained on.
    """
    if 0 in shape[1:]:
        what = f"--export for an input of shape ({format_shape(shape)}), which is empty"
        raise UsageError(what, "give an input with 1 or more on every axis but the batch's")
    if training and isinstance(layer, Trainable):
        layer.ghost_batch_count(shape[0])


def serialized(
    build: "Callable[[], tuple[Model, list[str]]]", opset: int
) -> tuple[bytes, list[str]]:
    """Build a model and check it as its readers will.

    Args:
        build: Makes the model, and notes on how it computes.
        opset: Version of the operator set.

    Returns:
        The bytes of a file, and the notes.

    Raises:
        UsageError: There is no such operator set, or the model is too large for a file.
        UnavailableError: ONNX Runtime is not installed, or cannot run the model.
    """
    _check_opset(opset)
    model, notes = build()
    data = model.serialized()
    if len(data) > LARGEST_PROTOBUF_BYTES:
        raise UsageError("--export of more than 2 GiB of weights", "ONNX files are smaller")
    _check(data)
    provider = choose("cpu", notes.append)
    try:
        provider.session(data, threads=1)
    except UnavailableError as error:
        raise _refused(provider, opset, error) from error
    return data, notes


def newest_opset(provider: Provider, most: int) -> int:
    """Find the newest operator set that a runtime knows.

    Args:
        provider: A provider of the runtime.
        most: The newest set to try.

    Returns:
        The newest, up to `most`, of which it opens a graph; that of runs at least.
    """
    for opset in range(most, DEFAULT_OPSET, -1):
        with suppress(UnavailableError):
            provider.session(one_node(opset))
            return opset
    return DEFAULT_OPSET


def _refused(provider: Provider, opset: int, error: UnavailableError) -> UnavailableError:
    """Return the error of a graph that the runtime does not open, naming the sets that it knows."""
    known = newest_opset(provider, opset)
    if known < opset:
        number = getattr(provider.runtime, "__version__", "")
        what = f"--opset {opset} is newer than onnxruntime {number}, which runs none above {known}"
        return UnavailableError(what, f"give --opset {known}")
    fix = f"give --opset {DEFAULT_OPSET}" if opset > DEFAULT_OPSET else ""
    return error.within(f"--export with --opset {opset}").saying(fix=fix)


def _check_opset(opset: int) -> None:
    onnx, newest, number = onnx_if_installed(), NEWEST_OPSET, ITS_ONNX
    if onnx is not None and onnx.defs.onnx_opset_version() < newest:
        newest, number = onnx.defs.onnx_opset_version(), version("onnx") or ""
    fix = f"give {OLDEST_OPSET} to {newest}"
    if opset < 1:
        raise UsageError(f"--opset {opset} is not an operator set", fix)
    if opset < OLDEST_OPSET:
        what = f"--opset {opset} lacks some of the operators that these graphs are made of"
        raise UsageError(what, fix)
    if opset > newest:
        raise UsageError(f"--opset {opset} is newer than onnx {number} knows", fix)


def _check(data: bytes) -> None:
    """Check a model, and the shapes of its outputs, against the rules of ONNX, if it is installed.

    Raises:
        PoolnormError: The model breaks them.
        UnavailableError: `onnx` is installed and cannot be imported.
    """
    onnx = onnx_if_installed()
    if onnx is None:
        return
    try:
        onnx.checker.check_model(data, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = " ".join(str(error).split())
        raise PoolnormError(f"--export made a graph that is not valid: {reason}") from error
