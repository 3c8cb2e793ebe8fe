"""Normalization nodes of ONNX give what ONNX Runtime gives, whatever their weights come out of."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Command


pytest.importorskip("onnxruntime")
models = pytest.importorskip("tests.weights.onnx_models")
from onnx import AttributeProto, TensorProto, helper, numpy_helper  # noqa: E402

from tests.weights.onnx_models import model, node, run, save, tensor, value  # noqa: E402


R = np.random.default_rng(11)
X = R.normal(0.5, 2.0, (2, 3, 4)).astype(np.float32)
BN = ("s", "b", "m", "v")
OF_BN = {name: R.uniform(0.5, 1.5, 3).astype(np.float32) for name in BN}


def same(poolnorm: Command, verb: str, made: Any, x: Any = X, *, layer: str = "::n") -> None:
    """Run a node here, on both backends, and its model in ONNX Runtime."""
    save(made)
    np.save("x.npy", x)
    expected = run(made, x).astype(np.float64)
    near = 2e-5 if x.dtype == np.float32 else 4e-3
    for backend in ("numpy", "onnx"):
        words = f"{verb} x.npy --weights m.onnx{layer} -q -o y.npy --overwrite --backend {backend}"
        result = poolnorm(words)
        assert (result.code, result.err) == (0, "")
        np.testing.assert_allclose(
            np.load("y.npy").astype(np.float64), expected, rtol=near, atol=near
        )


def shapes_for(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """List all shapes that broadcast to one, and take no more axes than it has."""
    counts = range(len(shape) + 1)
    return sorted({s for k in counts for s in product(*((n, 1) for n in shape[len(shape) - k :]))})


OVER_AXES = [(axis, s) for axis in (-1, 1, -2, 2) for s in shapes_for(X.shape[axis:])]


@pytest.mark.parametrize(("axis", "shape"), [*OVER_AXES, (1, (1, 3, 4)), (-1, (1, 1, 4))])
@pytest.mark.parametrize("stated", [None, X.shape, ("N", 3, None)])
def test_layer_normalization_broadcasts(
    poolnorm: Command, axis: int, shape: tuple[int, ...], stated: Any
) -> None:
    weights = {name: R.normal(size=shape).astype(np.float32) for name in "sb"}
    attributes = {} if axis == -1 else {"axis": axis}
    for names in (["x", "s", "b"], ["x", "s"], ["x", "s", ""]):
        made = node("LayerNormalization", names, ["y"], name="n", **attributes)
        same(poolnorm, "ln", model([made], weights, shape=stated, opset=17))


@pytest.mark.parametrize(("axis", "shape"), OVER_AXES)
def test_rms_normalization_broadcasts(poolnorm: Command, axis: int, shape: tuple[int, ...]) -> None:
    scale = R.normal(size=shape).astype(np.float32)
    made = node("RMSNormalization", ["x", "s"], ["y"], name="n", axis=axis, epsilon=0.01)
    over = tuple(range(axis % 3, 3))
    save(model([made], {"s": scale}, opset=23, ir=11))
    np.save("x.npy", X)
    expected = X / np.sqrt((X.astype("f8") ** 2).mean(over, keepdims=True) + 0.01) * scale
    for backend in ("numpy", "onnx"):
        result = poolnorm(f"rms x.npy --weights m.onnx -q -o y.npy --overwrite --backend {backend}")
        assert (result.code, result.err) == (0, "")
        np.testing.assert_allclose(np.load("y.npy"), expected, rtol=2e-5, atol=2e-5)


def test_bias_may_have_another_shape_than_scale(poolnorm: Command) -> None:
    weights = {"s": np.full((4,), 2.0, "f4"), "b": R.normal(size=(3, 1)).astype("f4")}
    made = model([node("LayerNormalization", ["x", "s", "b"], ["y"], name="n", axis=1)], weights)

    same(poolnorm, "ln", made)
    assert poolnorm("info m.onnx").out == (
        "m.onnx::n\tLayerNormalization\tgamma (4,), beta (3, 1)\tepsilon=1e-05, center=True\n"
    )


def test_a_scale_over_other_axes_than_the_statistics_is_refused(poolnorm: Command) -> None:
    weights = {"s": np.ones((3, 4), "f4")}
    save(model([node("LayerNormalization", ["x", "s"], ["y"], name="n")], weights))
    np.save("x.npy", X)

    result = poolnorm("ln x.npy --weights m.onnx -q")

    assert (result.code, result.err) == (
        2,
        "error: m.onnx::n: weight 'gamma' has shape (3,4); this input and --axis need (4)\n",
    )


def test_an_axis_counted_from_the_front_goes_on_to_the_last_of_any_input(poolnorm: Command) -> None:
    made = [node("LayerNormalization", ["x", "s"], ["y"], name="n", axis=1)]
    weights = {"s": R.normal(size=(4,)).astype("f4")}
    np.save("w.npy", R.normal(size=(2, 5, 3, 4)).astype("f4"))
    np.save("z.npy", R.normal(size=(2, 7, 4)).astype("f4"))
    same(poolnorm, "ln", model(made, weights), np.load("w.npy"))
    same(poolnorm, "ln", model(made, weights), np.load("z.npy"))

    several = poolnorm("ln x.npy z.npy w.npy --weights m.onnx -q -O out")
    assert several.code == 1
    assert several.err == (
        "error: w.npy: the input has rank 4, the layer in the file one of 3; run inputs of "
        "another rank apart\n"
    )
    np.testing.assert_allclose(
        np.load("out/z.npy"), run(model(made, weights), np.load("z.npy")), atol=2e-5
    )
    assert "one of 3" in poolnorm("ln x.npy w.npy --weights m.onnx -q -j 2 -O out --overwrite").err
    save(model(made, weights, shape=X.shape))
    assert "its input has rank 3, not 4" in poolnorm("ln w.npy --weights m.onnx -q").err
    assert "contradicts" in poolnorm("ln x.npy --weights m.onnx -q --axis -1").err
    assert poolnorm("ln x.npy --weights m.onnx -q --axis 1,2").code == 0
    assert poolnorm("ln - --weights m.onnx -q", stdin=Path("z.npy").read_bytes()).code == 0
    save(model(made, weights))
    assert "from 1 on, of an input of any rank" in poolnorm("ln - --weights m.onnx", stdin=b"").err
    np.save("x.npy", X[0, 0])
    assert "the input has rank 1" in poolnorm("ln x.npy --weights m.onnx").err


def test_more_axes_than_any_tensor_has_are_refused(poolnorm: Command) -> None:
    """Each of them would be an entry of a list."""
    weights = {"s": np.ones(4, np.float32)}
    far = node("LayerNormalization", ["x", "s"], ["y"], name="far", axis=-(1 << 40))
    near = node("LayerNormalization", ["y", "s"], ["z"], name="near")
    save(model([far, near], weights))

    np.save("x.npy", X)

    assert poolnorm("ln x.npy --weights m.onnx::near -q").code == 0
    result = poolnorm("ln x.npy --weights m.onnx::far")
    assert (result.code, f"over the last {1 << 40} axes" in result.err) == (4, True)


def test_weights_that_broadcast_are_saved_as_they_were_used(poolnorm: Command) -> None:
    weights = {"s": R.normal(size=(3, 1)).astype("f4"), "b": np.float32(2)}
    made = model([node("LayerNormalization", ["x", "s", "b"], ["y"], name="n", axis=1)], weights)
    same(poolnorm, "ln", made)

    for more in ("", "x.npy -j 2 --output-name {index}{ext}"):
        where = "-O out --overwrite" if more else "-o z.npy --overwrite"
        words = f"ln x.npy {more} --weights m.onnx -q {where} --save-weights w.npz"
        assert poolnorm(words).code == 0
        assert poolnorm("ln x.npy --axis 1,2 --epsilon 1e-5 --weights w.npz -q -o u.npy").code == 0
        np.testing.assert_allclose(np.load("u.npy"), np.load("y.npy"), atol=1e-6)
        Path("u.npy").unlink()
        Path("w.npz").unlink()


@pytest.mark.parametrize("opset", [18, 20, 21, 23])
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_groups_have_a_weight_each_below_opset_21(
    poolnorm: Command, opset: int, groups: int
) -> None:
    size = groups if opset < 21 else 6
    weights = {name: R.normal(size=size).astype(np.float32) for name in "sb"}
    x = R.normal(size=(2, 6, 4, 4)).astype(np.float32)
    attributes = {"num_groups": groups, "epsilon": 0.01}
    made = node("GroupNormalization", ["x", "s", "b"], ["y"], name="n", **attributes)

    same(poolnorm, "gn", model([made], weights, opset=opset), x)

    for file in ("x.npy", "-"):
        result = poolnorm(
            f"gn {file} --weights m.onnx -q -o z.npy --overwrite", stdin=Path("x.npy").read_bytes()
        )
        assert (result.code, result.err) == (0, "")
        np.testing.assert_array_equal(np.load("z.npy"), poolnormed(poolnorm))


def poolnormed(poolnorm: Command) -> Any:
    assert poolnorm("gn x.npy --weights m.onnx -q -o u.npy --overwrite").code == 0
    return np.load("u.npy")


def test_instances(poolnorm: Command) -> None:
    weights = {name: R.normal(size=3).astype(np.float32) for name in "sb"}
    made = node("InstanceNormalization", ["x", "s", "b"], ["y"], name="n", epsilon=0.03)

    same(poolnorm, "in", model([made], weights, opset=17))


BF16, F16, F64 = TensorProto.BFLOAT16, TensorProto.FLOAT16, TensorProto.DOUBLE
QUANTIZED = np.array([[3, -4, 5]], np.int8)


def constant(name: str, **attribute: Any) -> Any:
    """Make a constant."""
    return node("Constant", [], [name], **attribute)


def sparse(coordinates: bool) -> Any:
    """Make a sparse tensor of three cells, one of them zero."""
    cells: Any = [[0], [2]] if coordinates else [0, 2]
    indices = numpy_helper.from_array(np.array(cells, np.int64), "i")
    return helper.make_sparse_tensor(tensor([1.5, -2.5], "b"), indices, [3])


S, B = OF_BN["s"], OF_BN["b"]
WAYS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "Identity": ([node("Identity", ["b0"], ["b"])], {"b0": B}),
    "two Identities": ([node("Identity", ["s"], ["i"]), node("Identity", ["i"], ["b"])], {}),
    "Cast from half": ([node("Cast", ["b0"], ["b"], to=1)], {"b0": B.astype("f2")}),
    "Cast from double": ([node("Cast", ["b0"], ["b"], to=1)], {"b0": B.astype("f8")}),
    "Cast from bfloat16": ([node("Cast", ["b0"], ["b"], to=1)], {"b0": tensor(B, "b0", BF16)}),
    "Cast to bfloat16 and back": (
        [node("Cast", ["b0"], ["h"], to=BF16), node("Cast", ["h"], ["b"], to=1)],
        {"b0": B},
    ),
    "Cast from whole numbers": ([node("Cast", ["b0"], ["b"], to=1)], {"b0": np.array([1, -2, 3])}),
    "CastLike": ([node("CastLike", ["b0", "s"], ["b"])], {"b0": B.astype("f8")}),
    "value": ([constant("b", value=numpy_helper.from_array(B, "t"))], {}),
    "value_floats": ([constant("b", value_floats=[float(x) for x in B])], {}),
    "value_float, Expand": (
        [constant("f", value_float=0.75), node("Expand", ["f", "n3"], ["b"])],
        {"n3": np.array([3])},
    ),
    "value_ints, Cast": (
        [constant("w", value_ints=[4, 5, 6]), node("Cast", ["w"], ["b"], to=1)],
        {},
    ),
    "sparse_value": ([constant("b", sparse_value=sparse(coordinates=False))], {}),
    "sparse_value by coordinates": ([constant("b", sparse_value=sparse(coordinates=True))], {}),
    "ConstantOfShape": (
        [node("ConstantOfShape", ["n3"], ["b"], value=tensor([0.25], "t"))],
        {"n3": np.array([3])},
    ),
    "ConstantOfShape of zeros": ([node("ConstantOfShape", ["n3"], ["b"])], {"n3": np.array([3])}),
    "Reshape": (
        [node("Reshape", ["b0", "w"], ["b"])],
        {"b0": B.reshape(1, 3, 1), "w": np.array([-1])},
    ),
    "Reshape with 0": (
        [node("Reshape", ["b0", "w"], ["b"])],
        {"b0": B.reshape(3, 1), "w": np.array([0])},
    ),
    "Reshape to a made shape": (
        [constant("w", value_ints=[3]), node("Reshape", ["b0", "w"], ["b"])],
        {"b0": B.reshape(1, 3)},
    ),
    "Flatten, Squeeze": (
        [node("Flatten", ["b0"], ["f"], axis=0), node("Squeeze", ["f", "w"], ["b"])],
        {"b0": B.reshape(1, 3, 1), "w": np.array([0])},
    ),
    "Squeeze all": ([node("Squeeze", ["b0"], ["b"])], {"b0": B.reshape(1, 3, 1)}),
    "Unsqueeze, Transpose, Squeeze": (
        [
            node("Unsqueeze", ["b0", "w"], ["u"]),
            node("Transpose", ["u"], ["t"], perm=[2, 1, 0]),
            node("Squeeze", ["t", "e"], ["b"]),
        ],
        {"b0": B, "w": np.array([0, 2]), "e": np.array([0, -1])},
    ),
    "Transpose, Reshape": (
        [node("Transpose", ["b0"], ["t"]), node("Reshape", ["t", "w"], ["b"])],
        {"b0": B.reshape(1, 3), "w": np.array([3])},
    ),
    "Concat": (
        [node("Concat", ["b0", "b1"], ["b"], axis=0)],
        {"b0": B[:1], "b1": B[1:]},
    ),
    "DequantizeLinear": (
        [node("DequantizeLinear", ["q", "f", "z"], ["b"])],
        {"q": QUANTIZED[0], "f": np.float32(0.25), "z": np.int8(1)},
    ),
    "DequantizeLinear along an axis": (
        [node("DequantizeLinear", ["q", "f", "z"], ["d"]), node("Squeeze", ["d"], ["b"])],
        {"q": QUANTIZED, "f": S, "z": np.array([1, 2, 3], np.int8)},
    ),
    "DequantizeLinear of int32": (
        [node("DequantizeLinear", ["q", "f"], ["b"])],
        {"q": np.array([3, -4, 1 << 24], np.int32), "f": np.float32(1e-7)},
    ),
    "arithmetic": (
        [
            node("Mul", ["s", "f"], ["p"]),
            node("Sub", ["p", "b0"], ["d"]),
            node("Neg", ["d"], ["e"]),
            node("Add", ["e", "f"], ["g"]),
            node("Abs", ["g"], ["h"]),
            node("Sqrt", ["h"], ["j"]),
            node("Reciprocal", ["j"], ["k"]),
            node("Div", ["k", "s"], ["b"]),
        ],
        {"b0": B, "f": np.float32(1.5)},
    ),
    "Dropout": ([node("Dropout", ["b0"], ["b"])], {"b0": B}),
    "float_data": ([], {"b": tensor(B, "b")}),
    "made after its use": ([node("Identity", ["b0"], ["b"])], {"b0": B}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_weight_is_followed_to_the_constant(poolnorm: Command, way: str) -> None:
    nodes, constants = WAYS[way]
    held = {name: each for name, each in OF_BN.items() if name != "b"} | constants
    made = node("BatchNormalization", ["x", *BN], ["y"], name="n", epsilon=0.02)

    same(poolnorm, "bn", model([*nodes, made], held))
    assert "beta (3,)" in poolnorm("info m.onnx").out


@pytest.mark.parametrize("dtype", [F16, F64])
def test_weights_of_other_types(poolnorm: Command, dtype: int) -> None:
    held = {name: tensor(each, name, dtype) for name, each in OF_BN.items()}
    made = node("BatchNormalization", ["x", *BN], ["y"], name="n")

    same(poolnorm, "bn", model([made], held, dtype=dtype), X.astype("f2" if dtype == F16 else "f8"))


def test_bfloat16_weights_and_raw_ones(poolnorm: Command) -> None:
    rounded = {n: (w.view("u4") >> 16).astype("u2") for n, w in OF_BN.items()}
    made = node("BatchNormalization", ["x", *BN], ["y"], name="n")
    wide = {name: (bits.astype("u4") << 16).view("f4") for name, bits in rounded.items()}
    save(model([made], wide))
    np.save("x.npy", X)
    assert poolnorm("bn x.npy --weights m.onnx -q -o y.npy").code == 0
    for raw in (True, False):
        held = {
            name: helper.make_tensor(
                name, BF16, [3], bits.tobytes() if raw else wide[name], raw=raw
            )
            for name, bits in rounded.items()
        }
        save(model([made], held))
        assert poolnorm("bn x.npy --weights m.onnx -q -o z.npy --overwrite").err == ""
        np.testing.assert_array_equal(np.load("y.npy"), np.load("z.npy"))


def test_weights_may_be_inputs_with_a_default(poolnorm: Command) -> None:
    made = node("BatchNormalization", ["x", *BN], ["y"], name="n")
    inputs = [value(name, [3]) for name in BN]

    same(poolnorm, "bn", model([made], OF_BN, ir=3, opset=9, more=inputs))


def test_sparse_initializers(poolnorm: Command) -> None:
    made = model([node("BatchNormalization", ["x", *BN], ["y"], name="n")], OF_BN)
    del made.graph.initializer[1]
    made.graph.sparse_initializer.append(sparse(coordinates=False))

    same(poolnorm, "bn", made)


def inside() -> Any:
    """Make an If, of which each branch is a normalization; `b` is of the graph around it."""
    branches = {}
    for name, factor in (("then_branch", 1), ("else_branch", 2)):
        nodes = [
            node("Identity", ["b"], [f"b_{name}"]),
            node(
                "BatchNormalization",
                ["x", f"s_{name}", f"b_{name}", "m", "v"],
                [f"y_{name}"],
                name="n",
            ),
        ]
        held = [numpy_helper.from_array(S * factor, f"s_{name}")]
        branches[name] = helper.make_graph(nodes, name, [], [value(f"y_{name}", None)], held)
    return branches


@pytest.mark.parametrize("branch", ["then_branch", "else_branch"])
def test_graphs_inside_a_node(poolnorm: Command, branch: str) -> None:
    held = {name: each for name, each in OF_BN.items() if name != "s"}
    held["c"] = np.array(branch == "then_branch")
    made = model([node("If", ["c"], ["y"], name="if", **inside())], held)

    same(poolnorm, "bn", made, layer=f"::if/{branch}/n")
    found = sorted(line.split("\t")[0] for line in poolnorm("info m.onnx").out.splitlines())
    assert found == ["m.onnx::if/else_branch/n", "m.onnx::if/then_branch/n"]


def functions() -> list[Any]:
    """Make a function of a normalization, and one that calls it."""
    one = node("BatchNormalization", ["a", "p", "q", "m", "v"], ["o"], name="n")
    one.attribute.add(name="epsilon", ref_attr_name="eps", type=AttributeProto.FLOAT)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    two = [
        node("Identity", ["beta"], ["kept"]),
        node("norm", ["a", "gamma", "kept", "m", "v"], ["o"], name="call", domain="own", eps=0.25),
    ]
    names = ["a", "gamma", "beta", "m", "v"]
    return [
        helper.make_function(
            "own", "norm", ["a", "p", "q", "m", "v"], ["o"], [one], opsets, ["eps"]
        ),
        helper.make_function("own", "outer", names, ["o"], two, opsets),
    ]


def test_functions_are_run_where_they_are_called(poolnorm: Command) -> None:
    calls = [
        node("outer", ["x", *BN], ["h"], name="first", domain="own"),
        node("norm", ["h", "b", "s", "m", "v"], ["y"], name="second", domain="own", eps=0.75),
    ]
    both = model(calls, OF_BN, functions=functions(), domains=["own"])
    first = model(calls[:1], OF_BN, functions=functions(), domains=["own"])

    same(poolnorm, "bn", first, layer="::first/call/n")
    h = np.load("y.npy")
    save(both)
    np.save("h.npy", h)
    assert poolnorm("bn h.npy --weights m.onnx::second/n -q -o z.npy").err == ""
    np.testing.assert_allclose(np.load("z.npy"), run(both, X), rtol=1e-5, atol=1e-5)
    assert "epsilon=0.75" in poolnorm("info m.onnx::second/n").out


def test_nodes_without_a_name_or_of_one_name(poolnorm: Command) -> None:
    held = OF_BN | {"b2": B + 1, "b3": B + 2}
    made = model(
        [
            node("BatchNormalization", ["x", "s", "b", "m", "v"], ["one"], name="n"),
            node("BatchNormalization", ["x", "s", "b2", "m", "v"], ["two"], name="n"),
            node("BatchNormalization", ["x", "s", "b3", "m", "v"], ["n"]),
            node("BatchNormalization", ["n", "s", "b3", "m", "v"], ["y"]),
        ],
        held,
    )
    save(made)
    np.save("x.npy", X)

    told = poolnorm("bn x.npy --weights m.onnx::n").err
    assert "3 layers are called 'n'; give one of the paths one, two, n#2" in told
    found = [line.split("\t")[0] for line in poolnorm("info m.onnx").out.splitlines()]
    assert found == [f"m.onnx::{name}" for name in ("one", "two", "n#2", "y")]
    for number, name in enumerate(("one", "two", "n#2")):
        assert poolnorm(f"bn x.npy --weights m.onnx::{name} -q -o y{number}.npy").err == ""
        np.testing.assert_allclose(
            np.load(f"y{number}.npy") - np.load("y0.npy"), number, rtol=0, atol=1e-5
        )


LN = ["x", "s", "b"]
UNKNOWN: dict[str, tuple[list[Any], str]] = {
    "an input": ([], "beta is an input of the graph"),
    "a node": ([node("Relu", ["x"], ["b"], name="r")], "beta comes out of Relu 'r'"),
    "another domain": (
        [node("Odd", ["x"], ["b"], domain="own")],
        "beta comes out of own::Odd 'b'",
    ),
    "behind a node": (
        [node("GlobalMaxPool", ["x"], ["p"]), node("Identity", ["p"], ["b"], name="i")],
        "beta comes out of Identity 'i', of which an input comes out of GlobalMaxPool 'p'",
    ),
    "behind arithmetic": (
        [node("Mul", ["s", "x"], ["b"], name="m")],
        "beta comes out of Mul 'm', of which an input is an input of the graph",
    ),
    "text": (
        [constant("b", value_string=b"x")],
        "beta comes out of Constant 'b', which cannot be computed",
    ),
    "whole numbers": ([constant("b", value_ints=[1, 2, 3, 4])], "int64 values are not a weight"),
    "float8": (
        [constant("b", value=tensor([1.0] * 4, "t", TensorProto.FLOAT8E4M3FN))],
        "beta comes out of Constant 'b', of which an input has data type float8e4m3fn",
    ),
    "a wrong Reshape": (
        [node("Reshape", ["s", "w"], ["b"])],
        "beta comes out of Reshape 'b', which cannot be computed",
    ),
    "a loop of nodes": (
        [node("Identity", ["c"], ["b"]), node("Identity", ["b"], ["c"])],
        "comes out of Identity 'c'",
    ),
    "the second output": (
        [node("Dropout", ["s"], ["k", "b"], name="d")],
        "beta comes out of Dropout 'd'",
    ),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_weight_that_cannot_be_followed_says_what_feeds_it(poolnorm: Command, case: str) -> None:
    nodes, told = UNKNOWN[case]
    held = {"s": np.ones(4, "f4"), "w": np.array([5])}
    made = node("LayerNormalization", LN, ["y"], name="n")
    save(model([*nodes, made], held, domains=["own"]))
    np.save("x.npy", X)

    result = poolnorm("ln x.npy --weights m.onnx::n -q -o y.npy")

    assert result.code == 4
    assert result.err.count("\n") == 1
    assert told in result.err
    assert not Path("y.npy").exists()
    listed = poolnorm("info m.onnx")
    assert (listed.code, listed.out.count("m.onnx::n\tLayerNormalization\t")) == (0, 1)
    assert poolnorm("ln x.npy --weights m.onnx -q --no-center").code != 0


def test_one_layer_that_cannot_be_run_leaves_the_others(poolnorm: Command) -> None:
    nodes = [
        node("LayerNormalization", ["x", "x"], ["h"], name="odd"),
        node("LayerNormalization", ["h", "s"], ["y"], name="n"),
    ]
    save(model(nodes, {"s": np.ones(4, "f4")}))
    np.save("x.npy", X)

    assert poolnorm("info m.onnx").out.splitlines()[0] == (
        "m.onnx::odd\tLayerNormalization\tcannot be run: gamma is an input of the graph\t"
        "epsilon=1e-05, axis=[-1], center=False"
    )
    assert poolnorm("ln x.npy --weights m.onnx::n -q").code == 0
    assert "odd: gamma is an input of the graph" in poolnorm("ln x.npy --weights m.onnx::odd").err


def test_a_node_without_a_weight_that_it_needs(poolnorm: Command) -> None:
    save(model([node("BatchNormalization", ["x", "s", "b", "", "v"], ["y"], name="n")], OF_BN))
    np.save("x.npy", X)

    assert "m.onnx::n: it has no moving_mean" in poolnorm("bn x.npy --weights m.onnx").err


def test_a_node_of_training_is_told(poolnorm: Command) -> None:
    made = node("BatchNormalization", ["x", *BN], ["y", "p", "q"], name="n", training_mode=1)
    save(model([made], OF_BN, opset=15))
    np.save("x.npy", X)

    told = (
        "note: m.onnx::n: the node is one of training (training_mode=1), which --training does; "
        "this is inference\n"
    )
    assert poolnorm("bn x.npy --weights m.onnx --no-values").err == told
    assert poolnorm("bn x.npy --weights m.onnx -q").err == ""
    assert poolnorm("bn x.npy --weights m.onnx --no-values --training").err == ""


def test_statistics_of_each_cell_are_refused(poolnorm: Command) -> None:
    made = node("BatchNormalization", ["x", *BN], ["y"], name="n", spatial=0)
    save(model([made], OF_BN, opset=8, ir=3))
    np.save("x.npy", X)

    result = poolnorm("bn x.npy --weights m.onnx")
    assert (result.code, "statistics of each cell (spatial=0)" in result.err) == (4, True)


@pytest.mark.parametrize("size", [3, 3000])
def test_values_in_the_file_beside_are_read(poolnorm: Command, tmp_path: Path, size: int) -> None:
    onnx = pytest.importorskip("onnx")
    held = {name: R.uniform(0.5, 1.5, size).astype(np.float32) for name in BN}
    x = R.normal(size=(2, size, 4)).astype(np.float32)
    made = model([node("BatchNormalization", ["x", *BN], ["y"], name="n")], held)
    same(poolnorm, "bn", made, x)
    expected = np.load("y.npy")
    (tmp_path / "in").mkdir()
    onnx.save(
        made, "in/m.onnx", save_as_external_data=True, location="m.onnx.data", size_threshold=0
    )

    words = "bn x.npy --weights in/m.onnx::n -q -o y.npy --overwrite"
    result = poolnorm(words)
    assert (result.code, result.err) == (0, "")
    np.testing.assert_array_equal(np.load("y.npy"), expected)
    data = tmp_path / "in/m.onnx.data"
    whole = data.read_bytes()
    data.write_bytes(whole[: 12 * size + 1])
    assert "m.onnx.data" in poolnorm(words).err
    assert poolnorm(words).code == 4
    data.unlink()
    assert "in/m.onnx.data: No such file" in poolnorm(words).err
    (tmp_path / "elsewhere").write_bytes(whole)
    data.symlink_to(tmp_path / "elsewhere")
    assert "a link, or no file" in poolnorm(words).err
    data.unlink()
    data.hardlink_to(tmp_path / "elsewhere")
    assert "a link, or no file" in poolnorm(words).err


@pytest.mark.parametrize(
    "location", ["../m.data", "/etc/passwd", "secret.bin", "", "m", "mine.data"]
)
def test_no_other_file_is_read(poolnorm: Command, location: str) -> None:
    made = model([node("BatchNormalization", ["x", *BN], ["y"], name="n")], OF_BN)
    Path("secret.bin").write_bytes(bytes(12))
    Path("mine.data").write_bytes(bytes(12))
    made.graph.initializer[0].ClearField("raw_data")
    made.graph.initializer[0].data_location = TensorProto.EXTERNAL
    made.graph.initializer[0].external_data.add(key="location", value=location)
    save(made)
    np.save("x.npy", X)

    result = poolnorm("bn x.npy --weights m.onnx -q")

    assert result.code == 4
    assert "in another file" in result.err
    assert "not named after this one" in result.err
