"""torch's own samples of pooling and normalization, in the words of the command."""

from __future__ import annotations

import re
import sys
import types
import unittest
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.oracle.framework_case import Case, sizes_word


if TYPE_CHECKING:
    from collections.abc import Iterator

_ARGUMENTS = {
    "max_pool": "kernel_size stride padding dilation ceil_mode return_indices",
    "avg_pool": "kernel_size stride padding ceil_mode count_include_pad divisor_override",
    "lp_pool": "norm_type kernel_size stride ceil_mode",
    "adaptive_max_pool": "output_size return_indices",
    "adaptive_avg_pool": "output_size",
    "batch_norm": "running_mean running_var weight bias training momentum eps",
    "instance_norm": "running_mean running_var weight bias use_input_stats momentum eps",
    "layer_norm": "normalized_shape weight bias eps",
    "rms_norm": "normalized_shape weight eps",
    "group_norm": "num_groups weight bias eps",
    "local_response_norm": "size alpha beta k",
    "normalize": "p dim eps",
    "max_unpool": "indices kernel_size stride padding output_size",
    "fractional_max_pool": "kernel_size output_size",
}
"""Functions, less their rank -> what they take after the input."""
_NOT_THERE = ("fractional_max_pool",)


def torch_cases() -> Iterator[Case]:
    """Yield the samples of modules and of functions, each in float32 and float64."""
    torch = import_module("torch")

    # torch's tests bring a package that only compares texts.
    stub: Any = types.ModuleType("expecttest")
    stub.TestCase = unittest.TestCase
    sys.modules.setdefault("expecttest", stub)
    op_db = import_module("torch.testing._internal.common_methods_invocations").op_db
    module_db = import_module("torch.testing._internal.common_modules").module_db

    torch.manual_seed(0)
    for dtype in (torch.float32, torch.float64):
        for info in module_db:
            if _function(info.module_cls.__name__):
                yield from _of_module(info, dtype)
        for op in op_db:
            name = op.name.removeprefix("nn.functional.")
            if _family(name) not in _ARGUMENTS or name == op.name or op.variant_test_name:
                continue
            for sample in op.sample_inputs("cpu", dtype):
                names = _ARGUMENTS[_family(name)].split()
                given = dict(zip(names, sample.args, strict=False)) | sample.kwargs
                if name.startswith("max_pool") and not given.get("return_indices", True):
                    continue  # the same is there with indices
                yield _case(name, sample.input, given)


def _family(name: str) -> str:
    return re.sub(r"[123]d$", "", name)


def _function(module: str) -> str:
    """Return the function of a module; nothing where it is of no kind that is looked at."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=LP|MS)(?=[A-Z])", "_", module).lower()
    return words if _family(words) in _ARGUMENTS else ""


def _of_module(info: Any, dtype: Any) -> Iterator[Case]:
    torch = import_module("torch")

    name = _function(info.module_cls.__name__)
    for training in (True, False):
        samples = info.module_inputs_func(
            info, device="cpu", dtype=dtype, requires_grad=False, training=training
        )
        for sample in samples:
            made, x = sample.constructor_input, sample.forward_input.args[0]
            module = info.module_cls(*made.args, **made.kwargs).to(dtype)
            for number, array in enumerate(module.state_dict().values()):
                if array.is_floating_point():  # weights that are not as they start
                    drawn = torch.linspace(0.5, 1.5, array.numel(), dtype=dtype)
                    array.copy_(drawn.reshape(array.shape) + number / 8)
            names = _ARGUMENTS[_family(name)].split()
            given = {each: getattr(module, each) for each in names if hasattr(module, each)}
            if "momentum" in given:
                moves = module.running_mean is not None
                given[names[4]] = training or not moves
                given["momentum"] = 1.0 if module.momentum is None else module.momentum
            elif training:
                continue  # it makes no difference
            if name.startswith("instance") and x.ndim < int(name[-2]) + 2:
                case = _case(name, x[None], given)
                case.x, case.words = case.x[0], f"{case.words} --unbatched"
                case.y = None if case.y is None else case.y[0]
                yield case
            else:
                yield _case(name, x, given)


def _case(name: str, x: Any, given: dict[str, Any]) -> Case:
    """Write a call of a function in the words of the command, and do it."""
    torch = import_module("torch")

    family = _family(name)
    told = ", ".join(f"{k}={v}" for k, v in given.items() if not hasattr(v, "shape"))
    case = Case(f"{name}({told})", x.detach().numpy())
    case.none = _none(family, x, given)
    if case.none:
        return case
    arrays = {k: v.detach().clone() if isinstance(v, torch.Tensor) else v for k, v in given.items()}
    spatial = int(name[-2]) if name[-1] == "d" and name[-2].isdigit() else 0
    case.words = _WRITERS[family](case, x, given, spatial)
    call = getattr(torch.nn.functional, re.sub(r"_norm[123]d$", "_norm", name))
    y = call(x.detach(), **arrays)
    if isinstance(y, tuple):
        y, indices = y
        case.indices = indices.numpy()
    case.y = y.detach().numpy()
    for theirs, ours in (("running_mean", "moving_mean"), ("running_var", "moving_variance")):
        if case.moved:
            case.moved[ours] = arrays[theirs].numpy()
    return case


def _none(family: str, x: Any, given: dict[str, Any]) -> str:
    """Return why a call cannot be typed; nothing where it can."""
    if family == "normalize" and not x.ndim:
        return "an input without an axis"
    if (given.get("eps") or 0) < 0:
        return "a negative epsilon"
    if family == "batch_norm" and x.ndim < 2:
        return "an input of one axis"
    return family if family in _NOT_THERE else ""


def _places(x: Any, spatial: int) -> str:
    return "--data-format channels_first" + (" --unbatched" if x.ndim == spatial + 1 else "")


def _windows(given: dict[str, Any], spatial: int) -> str:
    words = f"--pool-size {sizes_word(given['kernel_size'])}"
    if given.get("stride"):
        words += f" --strides {sizes_word(given['stride'])}"
    if np.any(given.get("padding", 0)):
        words += f" --pads {sizes_word(given['padding'])}"
    if np.any(np.asarray(given.get("dilation", 1)) != 1):
        words += f" --dilation-rate {sizes_word(given['dilation'])}"
    return words + (" --ceil-mode" if given.get("ceil_mode") else "")


def _max_pool(case: Case, x: Any, given: dict[str, Any], spatial: int) -> str:
    return f"pool max {_windows(given, spatial)} {_places(x, spatial)}"


def _avg_pool(case: Case, x: Any, given: dict[str, Any], spatial: int) -> str:
    words = f"pool average {_windows(given, spatial)} {_places(x, spatial)}"
    if given.get("count_include_pad", True):
        words += " --count-include-pad"
    divisor = given.get("divisor_override")
    return words if divisor is None else f"{words} --divisor-override {divisor}"


def _lp_pool(case: Case, x: Any, given: dict[str, Any], spatial: int) -> str:
    return f"pool lp --p {given['norm_type']} {_windows(given, spatial)} {_places(x, spatial)}"


def _adaptive(case: Case, x: Any, given: dict[str, Any], spatial: int) -> str:
    sizes = given["output_size"]
    sizes = [sizes] * spatial if sizes is None or isinstance(sizes, int) else sizes
    sizes = sizes * spatial if len(sizes) == 1 else sizes
    pairs = zip(sizes, x.shape[-spatial:], strict=True)
    word = sizes_word([n if size is None else size for size, n in pairs])
    kind = "max" if "adaptive_max" in case.name else "average"
    return f"apool {kind} --output-size {word} {_places(x, spatial)}"


def _max_unpool(case: Case, x: Any, given: dict[str, Any], spatial: int) -> str:
    case.places = given["indices"].numpy()
    words = f"unpool {_windows(given, spatial)} {_places(x, spatial)}"
    sizes = given.get("output_size")
    return words if sizes is None else f"{words} --output-size {sizes_word(sizes[-spatial:])}"


def _affine(case: Case, given: dict[str, Any]) -> str:
    """Take the weights; return the flags of those that are not there."""
    words = ""
    for theirs, ours, flag in (("weight", "gamma", "scale"), ("bias", "beta", "center")):
        if given.get(theirs) is None:
            words += f" --no-{flag}"
        else:
            case.weights[ours] = given[theirs].detach().numpy().copy()
    return f"--epsilon {given.get('eps', 1e-5)}{words}"


def _batch_norm(case: Case, x: Any, given: dict[str, Any], spatial: int) -> str:
    words, trains = f"bn --axis 1 {_affine(case, given)}", given.get("training", False)
    for theirs, ours in (("running_mean", "moving_mean"), ("running_var", "moving_variance")):
        if given.get(theirs) is not None:
            case.weights[ours] = given[theirs].detach().numpy().copy()
    if not trains:
        return words
    if "moving_mean" in case.weights:
        case.moved = {"moving_mean": x, "moving_variance": x}  # until torch has moved them
    else:
        channels = x.shape[1]
        case.weights |= {"moving_mean": np.zeros(channels), "moving_variance": np.ones(channels)}
    momentum = given.get("momentum", 0.1)
    return f"{words} --training --unbiased --momentum {momentum} --momentum-convention torch"


def _instance_norm(case: Case, x: Any, given: dict[str, Any], spatial: int) -> str:
    trains = given.get("use_input_stats", True)
    if trains and given.get("running_mean") is None:
        return f"in --axis 1 {_affine(case, given)}"
    words = _batch_norm(case, x, given | {"training": trains}, spatial)
    return f"{words} --virtual-batch-size 1" if trains else words


def _group_norm(case: Case, x: Any, given: dict[str, Any], spatial: int) -> str:
    return f"gn --axis 1 --groups {given['num_groups']} {_affine(case, given)}"


def _over_last(case: Case, x: Any, given: dict[str, Any], spatial: int) -> str:
    rank = len(given["normalized_shape"])
    axes = f"--axis {','.join(str(axis) for axis in range(-rank, 0))}"
    if "rms" not in case.name:
        return f"ln {axes} {_affine(case, given)}"
    if given.get("weight") is not None:
        case.weights["scale"] = given["weight"].detach().numpy()
    epsilon = given.get("eps")
    return f"rms {axes} --epsilon {np.finfo(case.x.dtype).eps if epsilon is None else epsilon}"


def _local_response(case: Case, x: Any, given: dict[str, Any], spatial: int) -> str:
    alpha, beta, bias = given.get("alpha", 1e-4), given.get("beta", 0.75), given.get("k", 1.0)
    words = f"lrn --size {given['size']} --alpha {alpha} --beta {beta} --bias {bias}"
    return f"{words} --data-format channels_first"


def _normalize(case: Case, x: Any, given: dict[str, Any], spatial: int) -> str:
    order, epsilon = given.get("p", 2.0), given.get("eps", 1e-12)
    axis = given.get("dim", 1)  # of what torch is given, samples and all
    words = f"unit --axis {axis + (axis >= 0)} --order={order:g}"
    return f"{words} --epsilon {epsilon} --unbatched"


_WRITERS = {
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "lp_pool": _lp_pool,
    "max_unpool": _max_unpool,
    "adaptive_max_pool": _adaptive,
    "adaptive_avg_pool": _adaptive,
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "group_norm": _group_norm,
    "layer_norm": _over_last,
    "rms_norm": _over_last,
    "local_response_norm": _local_response,
    "normalize": _normalize,
}
