"""ONNX's own node tests of pooling and normalization, in the words of the command."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.oracle.framework_case import Case, pads_word, sizes_word


if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.oracle.framework_case import Array

    Attributes = dict[str, Any]

_FIRST = "--data-format channels_first"


@cache
def _node_tests() -> list[Any]:
    """Make all node tests of ONNX, which can be done once in a process, and warns of its own."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [*{test.name: test for test in collect_testcases(None)}.values()]


def onnx_cases() -> Iterator[Case]:
    """Yield the tests whose model is one node of these operators."""
    import onnx

    for test in _node_tests():
        nodes: Any = test.model.graph.node if test.model is not None else ()
        if len(nodes) != 1 or nodes[0].op_type not in _WRITERS:
            continue
        (node,) = nodes
        given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        given = {k: v.decode() if isinstance(v, bytes) else v for k, v in given.items()}
        for inputs, outputs in test.data_sets or ():
            arrays, results = [np.asarray(a) for a in inputs], [np.asarray(a) for a in outputs]
            case = Case(test.name, arrays[0], y=results[0], bound=test.rtol)
            case.words = _WRITERS[node.op_type](case, given, arrays[1:], results[1:])
            yield case


def _windows(case: Case, given: Attributes) -> str:
    sizes = given["kernel_shape"]
    rank, same = len(sizes), given.get("auto_pad", "NOTSET")
    words = f"--pool-size {sizes_word(sizes)} {_FIRST}"
    words += f" --strides {sizes_word(given.get('strides', [1] * rank))}"
    if same.startswith("SAME"):
        words += f" --padding {'same' if same == 'SAME_UPPER' else 'same_lower'}"
    elif any(given.get("pads", ())):
        words += f" --pads {pads_word(given['pads'][:rank], given['pads'][rank:])}"
    if "dilations" in given:
        words += f" --dilation-rate {sizes_word(given['dilations'])}"
    return words + (" --ceil-mode" if given.get("ceil_mode") else "")


def _max_pool(case: Case, given: Attributes, inputs: list[Array], outputs: list[Array]) -> str:
    if outputs:  # counted over all axes here, over those of space there
        space = int(np.prod(case.x.shape[2:]))
        case.indices = outputs[0] % space
        if given.get("storage_order"):  # columns first
            places = np.unravel_index(case.indices, case.x.shape[:1:-1])
            case.indices = np.ravel_multi_index(places[::-1], case.x.shape[2:])
    return f"pool max {_windows(case, given)}"


def _average_pool(case: Case, given: Attributes, inputs: list[Array], outputs: list[Array]) -> str:
    counted = " --count-include-pad" if given.get("count_include_pad") else ""
    return f"pool average {_windows(case, given)}{counted}"


def _lp_pool(case: Case, given: Attributes, inputs: list[Array], outputs: list[Array]) -> str:
    return f"pool lp --p {given.get('p', 2)} {_windows(case, given)}"


def _max_unpool(case: Case, given: Attributes, inputs: list[Array], outputs: list[Array]) -> str:
    """Count indices in the plane of the output: there they are counted in the least one."""
    sizes, strides = given["kernel_shape"], given["strides"]
    least = [(n - 1) * s + k for n, s, k in zip(case.x.shape[2:], strides, sizes, strict=True)]
    spatial = case.y.shape[2:]  # type: ignore[union-attr] # it is there
    places = np.unravel_index(inputs[0] % int(np.prod(least)), least)
    case.places = np.ravel_multi_index(places, spatial)
    return f"unpool {_windows(case, given)} --output-size {sizes_word(spatial)}"


def _global(kind: str) -> Any:
    def write(case: Case, given: Attributes, inputs: list[Array], outputs: list[Array]) -> str:
        p = f" --p {given.get('p', 2)}" if kind == "lp" else ""
        return f"gpool {kind} --keepdims{p} {_FIRST}"

    return write


def _local_response(
    case: Case, given: Attributes, inputs: list[Array], outputs: list[Array]
) -> str:
    alpha, beta, bias = given.get("alpha", 1e-4), given.get("beta", 0.75), given.get("bias", 1.0)
    return f"lrn --size {given['size']} --alpha {alpha} --beta {beta} --bias {bias} {_FIRST}"


def _lp_norm(case: Case, given: Attributes, inputs: list[Array], outputs: list[Array]) -> str:
    axis, order = given.get("axis", -1), given.get("p", 2)
    # Axis 0 is that of the samples, unless there are none.
    return f"unit --axis {axis + (axis >= 0)} --order {order} --unbatched"


def _affine(case: Case, inputs: list[Array]) -> str:
    case.weights |= dict(zip(("gamma", "beta"), inputs, strict=False))
    return "" if len(inputs) > 1 else " --no-center"


def _batch_norm(case: Case, given: Attributes, inputs: list[Array], outputs: list[Array]) -> str:
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    case.weights = dict(zip(names, inputs, strict=True))
    words = f"bn --axis 1 --epsilon {given.get('epsilon', 1e-5)}"
    if not given.get("training_mode"):
        return words
    case.moved = dict(zip(names[2:], outputs, strict=True))
    return f"{words} --training --momentum {given.get('momentum', 0.9)}"


def _layer_norm(case: Case, given: Attributes, inputs: list[Array], outputs: list[Array]) -> str:
    rank, axis = case.x.ndim, given.get("axis", -1)
    axes = ",".join(map(str, range(axis % rank, rank)))
    return f"ln --axis {axes} --epsilon {given.get('epsilon', 1e-5)}{_affine(case, inputs)}"


def _rms_norm(case: Case, given: Attributes, inputs: list[Array], outputs: list[Array]) -> str:
    rank, axis = case.x.ndim, given.get("axis", -1)
    case.weights["scale"] = inputs[0]
    axes = ",".join(map(str, range(axis % rank, rank)))
    return f"rms --axis {axes} --epsilon {given.get('epsilon', 1e-5)}"


def _group_norm(case: Case, given: Attributes, inputs: list[Array], outputs: list[Array]) -> str:
    words = f"gn --axis 1 --groups {given['num_groups']}"
    return f"{words} --epsilon {given.get('epsilon', 1e-5)}{_affine(case, inputs)}"


def _instance_norm(case: Case, given: Attributes, inputs: list[Array], outputs: list[Array]) -> str:
    return f"in --axis 1 --epsilon {given.get('epsilon', 1e-5)}{_affine(case, inputs)}"


_WRITERS: dict[str, Any] = {
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "LpPool": _lp_pool,
    "GlobalMaxPool": _global("max"),
    "GlobalAveragePool": _global("average"),
    "GlobalLpPool": _global("lp"),
    "LRN": _local_response,
    "LpNormalization": _lp_norm,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "RMSNormalization": _rms_norm,
    "MaxUnpool": _max_unpool,
}
