"""What `--fold` does: fold a layer, compare, print and keep."""

from typing import TYPE_CHECKING

from poolnorm_cli.cli.checkpoint import Checkpoint
from poolnorm_cli.cli.file_flags import check_folded
from poolnorm_cli.cli.groups import Given, Inputs, Outputs, Printing, Training, Values, WeightFiles
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.spelling import has_suffix


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.tensors.tensor import Tensor


def run_fold(layer: Layer, given: Given) -> int:
    """Fold a layer as the flags say, and return the exit code.

    Raises:
        PoolnormError: A fault of the whole run, or of an input.
    """
    from poolnorm_cli.report.folding import print_folded
    from poolnorm_cli.runs.folding import fold, save_folded

    outputs, entry = given[Outputs], given[Checkpoint].entry
    if entry is None:
        raise UsageError("--fold without --weights", "give the weights to fold")
    if given[Training].training or given[WeightFiles].save_weights:
        flag = "--training" if given[Training].training else "--save-weights"
        raise UsageError(f"--fold with {flag}", "leave one out: what is folded is inference")
    if outputs.output_dir is not None:
        raise UsageError("--fold with --output-dir", "give -o FILE.npz for scale and shift")
    check_folded(layer, given)
    weights = entry.take(layer, layer.weight_shapes(entry.input_shape(layer)), training=False)
    folded = fold(layer, weights, _tensors(given))
    if outputs.output is not None:
        if not has_suffix(outputs.output, ".npz"):
            raise UsageError(f"--fold with -o {outputs.output}", "give -o FILE.npz")
        save_folded(folded, outputs.output, overwrite=outputs.overwrite, sync=bool(outputs.sync))
    print_folded(layer, folded, given[Printing].style(precision=given[Values].precision))
    return 0


def _tensors(given: Given) -> "Iterator[Tensor]":
    from poolnorm_cli.tensors.sources import open_tensors

    for word in given[Inputs].inputs or ():
        yield from open_tensors(word, given[Inputs].key, given[Outputs].dtype == "bfloat16")
