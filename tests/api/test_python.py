"""Layers called from Python: what comes in, what goes out, and what is refused."""

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import poolnorm_cli
from poolnorm_cli import (
    BatchNormalization,
    GlobalAveragePooling,
    GlobalMaxPooling,
    GroupNormalization,
    LayerFunction,
    LayerNormalization,
    MaxPooling,
    Pipeline,
    PoolnormError,
    UnitNormalization,
    layer_from,
)
from poolnorm_cli.kernels import halves, native
from poolnorm_cli.layers import LAYERS, find
from tests.conftest import ROOT, Command


X = np.random.default_rng(4).standard_normal((3, 6, 5, 4)).astype(np.float32)
TWO: Any = np.int64(2)
TWO_AND_THREE: Any = np.array([2, 3])
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    assert len(BLOCKS) >= 6
    space: dict[str, Any] = {}
    for block in BLOCKS:
        exec(block, space)  # noqa: S102 - it is the page
    assert (tmp_path / "features.onnx").exists()


def test_the_package_imports_nothing_until_a_layer_is_asked_for() -> None:
    code = (
        "import sys, poolnorm_cli; a = {m for m in sys.modules if m.startswith('poolnorm_cli')};"
        "assert a == {'poolnorm_cli'} and 'numpy' not in sys.modules and 'typing' not in a;"
        "assert 'MaxPooling' in dir(poolnorm_cli)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_is_there() -> None:
    for name in poolnorm_cli.__all__:
        assert getattr(poolnorm_cli, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'MaxPool'"):
        poolnorm_cli.MaxPool  # noqa: B018


def test_positional_parameters_are_those_of_the_layers() -> None:
    for name in poolnorm_cli.__all__:
        kind = getattr(poolnorm_cli, name)
        if not hasattr(kind, "words"):
            continue
        known = {parameter.name for parameter in find(*kind.words.split()).parameters()}
        given = inspect.signature(kind.__init__).parameters.values()
        named = {p.name for p in given if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        assert named - {"self"} <= known
        assert kind.words in LAYERS


def test_every_layer_can_be_imported() -> None:
    classes = {getattr(poolnorm_cli, name) for name in poolnorm_cli.__all__}
    words = {kind.words: kind.__name__ for kind in classes if hasattr(kind, "words")}

    expected = {words: place.class_name for words, place in LAYERS.items()}
    assert words == expected


def test_a_call_gives_the_bytes_of_the_command(poolnorm: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    assert poolnorm("pool", "max", str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy")).code == 0

    np.testing.assert_array_equal(MaxPooling()(X), np.load(tmp_path / "y.npy"))


@pytest.mark.parametrize(
    "x",
    [X.tolist(), X.astype(">f4"), X[:, ::-1], np.asfortranarray(X), X.astype(np.float16)],
    ids=["list", "swapped", "reversed", "fortran", "float16"],
)
def test_anything_that_is_an_array_comes_in(x: Any) -> None:
    plain = np.array(np.ascontiguousarray(x), dtype=np.asarray(x).dtype.newbyteorder("="))

    found = LayerNormalization()(x)

    np.testing.assert_array_equal(found, LayerNormalization()(plain))
    assert found.dtype == plain.dtype


@pytest.mark.parametrize("layer", [MaxPooling(2), LayerNormalization(), GlobalAveragePooling()])
def test_bfloat16_of_ml_dtypes_comes_in_and_goes_out(
    layer: LayerFunction, poolnorm: Command, tmp_path: Path
) -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x, file = X.astype(bfloat16), str(tmp_path / "x.npy")
    np.save(file, x)
    words = [*layer.words.split(), file, "-o", str(tmp_path / "y.npy"), "--dtype", "bfloat16"]
    assert poolnorm(*words).code == 0

    found = layer(x)

    assert found.dtype == bfloat16
    np.testing.assert_array_equal(found.view(np.uint16), np.load(tmp_path / "y.npy").view("<u2"))
    np.testing.assert_array_equal(layer(X, dtype="bfloat16"), layer(X).astype(bfloat16))
    np.testing.assert_array_equal(layer(x, dtype="float32"), layer(x.astype(np.float32)))
    out = np.empty(found.shape, bfloat16)
    assert layer(x[:, ::-1], out=out) is out
    np.testing.assert_array_equal(out, layer(np.ascontiguousarray(x[:, ::-1])))


@pytest.mark.parametrize(
    ("layer", "training"),
    [
        (MaxPooling(2), False),
        (LayerNormalization(), False),
        (GlobalAveragePooling(), False),
        (BatchNormalization(), True),
    ],
)
@pytest.mark.parametrize("threads", [1, 3])
def test_loops_read_and_write_bfloat16_where_it_lies(
    layer: LayerFunction, training: bool, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x = np.random.default_rng(7).standard_normal((40, 9, 64)).astype(bfloat16)
    wide = layer(x.astype(np.float32), training=training).astype(bfloat16)
    if native.compiled():
        monkeypatch.setattr(halves, "_widened", None)  # nobody widens a block

    found = layer(x, training=training, threads=threads)
    inside = layer(x, training=training, threads=threads, out=np.empty_like(found))

    assert found.dtype == bfloat16
    np.testing.assert_array_equal(found.view(np.uint16), wide.view(np.uint16))
    np.testing.assert_array_equal(inside.view(np.uint16), wide.view(np.uint16))


def test_bfloat16_that_no_loop_serves_is_widened_block_by_block() -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x = np.random.default_rng(7).standard_normal((6, 4, 5)).astype(bfloat16)
    layer = BatchNormalization(renorm=True)

    y, weights = layer.train(x)
    expected, others = layer.train(x.astype(np.float32))

    np.testing.assert_array_equal(y, expected.astype(bfloat16))
    for name, weight in weights.items():
        np.testing.assert_array_equal(weight, others[name])


def test_bfloat16_is_masked_and_trained_on() -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x, mask = X.astype(bfloat16), np.arange(18).reshape(3, 6)[..., None] % 2 * np.ones((1, 1, 5))
    layer = BatchNormalization()

    y, weights = layer.train(x, mask=mask)
    expected, others = layer.train(x.astype(np.float32), mask=mask)

    np.testing.assert_array_equal(y, expected.astype(bfloat16))
    for name, weight in weights.items():
        np.testing.assert_array_equal(weight, others[name])
    halves = {name: weight.astype(bfloat16) for name, weight in weights.items()}
    widened = {name: weight.astype(np.float32) for name, weight in halves.items()}
    np.testing.assert_array_equal(layer(X, halves), layer(X, widened))
    y, weights = layer.train(x)
    assert y.dtype == bfloat16
    assert weights["moving_mean"].dtype == np.float32


def test_without_ml_dtypes_bfloat16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ValueError, match="dtype bfloat16 without the package ml_dtypes"):
        MaxPooling(2)(X, dtype="bfloat16")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", np.float64])
def test_the_dtype_that_is_asked_for_comes_out(
    dtype: Any, poolnorm: Command, tmp_path: Path
) -> None:
    name = np.dtype(dtype).name
    np.save(tmp_path / "x.npy", X)
    words = ["ln", str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy"), "--dtype", name]
    assert poolnorm(*words).code == 0

    np.testing.assert_array_equal(LayerNormalization()(X, dtype=dtype), np.load("y.npy"))
    y, _ = LayerNormalization().train(X, dtype=dtype)
    assert y.dtype == name


def test_a_mask_and_a_dtype_go_together(poolnorm: Command, tmp_path: Path) -> None:
    mask = (np.arange(90).reshape(3, 6, 5) % 3 > 0).astype(np.float32)
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "m.npy", mask)
    words = ["bn", "x.npy", "-o", "y.npy", "--training", "--mask", "m.npy", "--dtype", "float64"]
    assert poolnorm(*words).code == 0

    y, _ = BatchNormalization().train(X, mask=mask, dtype="float64")

    np.testing.assert_array_equal(y, np.load("y.npy"))


def test_what_has_dlpack_or_array_comes_in() -> None:
    class OnlyDLPack:
        def __dlpack__(self, **more: Any) -> Any:
            return X.__dlpack__(**more)

        def __dlpack_device__(self) -> Any:
            return X.__dlpack_device__()

    class OnlyArray:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            del dtype, copy
            return X

    for x in (OnlyDLPack(), OnlyArray()):
        np.testing.assert_array_equal(MaxPooling(2)(x), MaxPooling(2)(X))


def test_out_takes_the_output_wherever_it_lies() -> None:
    expected = LayerNormalization()(X)
    strided = np.zeros((3, 6, 5, 8), np.float32)[..., ::2]
    own = X.copy()

    for out in (np.empty_like(X), strided, own):
        assert LayerNormalization()(own if out is own else X, out=out) is out
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: MaxPooling(0),
            "pool_size must be positive, not '0'; give 1 or more, such as",
        ),
        (lambda: MaxPooling(9)(X), "fewer than the window of 9"),
        (lambda: MaxPooling(2, padding="none"), "padding 'none' is not known"),
        (lambda: MaxPooling("2x"), "pool_size is '2x'; give an int or a tuple of them"),  # type: ignore[arg-type]
        (lambda: MaxPooling((2, 1.5)), "pool_size is (2, 1.5); give an int or a tuple of them"),  # type: ignore[arg-type]
        (lambda: MaxPooling(pads=(1, (2, 3, 4))), "give 1, (1, 2) or ((0, 1), (2, 1))"),
        (lambda: BatchNormalization(axis=None), "axis is None; give an int or a tuple of them"),  # type: ignore[arg-type]
        (lambda: BatchNormalization(epsilon="x"), "epsilon is 'x'; give a float"),
        (lambda: BatchNormalization(center=3), "center is 3; give a bool"),
        (lambda: GroupNormalization("a"), "groups is 'a'; give an int"),  # type: ignore[arg-type]
        (lambda: BatchNormalization(name=3), "name is 3; give a str or None"),
        (lambda: MaxPooling(2)(np.float32(1)), "single number"),
        (lambda: MaxPooling(2)("abc"), "dtype str"),
        (lambda: MaxPooling(2)(X.astype(complex)), "dtype complex128"),
        (lambda: MaxPooling(2)(X, out=np.empty(3)), "out has shape"),
        (lambda: MaxPooling(2)(X, dtype="int8"), "dtype is int8; give one of float16"),
        (lambda: MaxPooling(2)(X, dtype="many"), "dtype is 'many'; give one of float16"),
        (lambda: MaxPooling(2)(X, out=[1]), "out is a list"),  # type: ignore[arg-type]
        (lambda: BatchNormalization()(X, weights=[X[0, 0, 0]]), "1 weights where the layer has 4"),
        (lambda: BatchNormalization()(X, weights={"gamma": [1.0] * 4}), "beta"),
        (lambda: Pipeline([]), "an empty pipeline"),
        (lambda: Pipeline([max]), "a pipeline of builtin"),  # type: ignore[list-item]
        (lambda: layer_from("nothing.keras::bn"), "no such file"),
    ],
)
def test_what_cannot_be_is_a_value_error_of_one_line(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        call()
    assert isinstance(caught.value, PoolnormError)
    assert "--" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("made", "same"),
    [
        (MaxPooling(TWO), MaxPooling((2,))),
        (MaxPooling(TWO_AND_THREE), MaxPooling([2, 3])),
        (MaxPooling(3, pads=1), MaxPooling(3, pads="1")),
        (MaxPooling(3, pads=(1, (0, 1))), MaxPooling(3, pads="1,0:1")),
        (UnitNormalization(order=1), UnitNormalization(order=np.float64(1))),
        (GroupNormalization(TWO), GroupNormalization(2)),
        (BatchNormalization(epsilon=np.float32(1)), BatchNormalization(epsilon=1)),
    ],
)
def test_parameters_are_given_as_python_has_them(made: Any, same: Any) -> None:
    assert made == same
    assert hash(made) == hash(same)
    assert repr(made) == repr(same)


def test_a_parameter_that_is_not_there_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="no parameter 'pool'"):
        MaxPooling(pool=3)


def test_training_moves_weights_and_leaves_what_was_given() -> None:
    layer = BatchNormalization(momentum=0.5)
    before = layer.weights_for(X.shape)
    kept = {name: weight.copy() for name, weight in before.items()}

    y, after = layer.train(X, before)

    mean = X.mean((0, 1, 2), dtype=np.float64)
    np.testing.assert_allclose(after["moving_mean"], mean * 0.5, atol=1e-6)
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
    for name, weight in kept.items():
        np.testing.assert_array_equal(before[name], weight)
    np.testing.assert_array_equal(layer(X, list(after.values())), layer(X, after))


def test_a_pipeline_is_its_layers_one_after_another() -> None:
    layers = [MaxPooling(2), BatchNormalization(), GlobalMaxPooling()]
    pipeline = Pipeline(layers)

    y, weights = pipeline.train(X)

    np.testing.assert_array_equal(pipeline(X), layers[2](layers[1](layers[0](X))))
    assert [list(own) for own in weights] == [[], list(layers[1].weights_for(X.shape)), []]
    assert y.shape == pipeline.output_shape(X.shape) == (3, 4)
    assert pipeline.output_shape(("n", None, 5, 4)) == ("n", 4)
    assert repr(pipeline).startswith("Pipeline([MaxPooling(pool_size=2), BatchNormalization(")


def test_an_exported_graph_computes_the_same(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    bn = BatchNormalization()
    _, weights = bn.train(X)
    pipeline = Pipeline([MaxPooling(2), GlobalAveragePooling()])
    bn.export(tmp_path / "bn.onnx", (None, 6, 5, 4), weights=weights)
    pipeline.export(tmp_path / "pipe.onnx", (None, 6, 5, 4))
    for file, expected in (("bn.onnx", bn(X, weights)), ("pipe.onnx", pipeline(X))):
        session = runtime.InferenceSession(str(tmp_path / file), providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {session.get_inputs()[0].name: X})
        np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(ValueError, match="exists"):
        pipeline.export(tmp_path / "bn.onnx", (None, 6, 5, 4))


def test_a_layer_of_a_file_has_its_weights(poolnorm: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    file = str(tmp_path / "w.npz")
    words = ["bn", str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy")]
    assert poolnorm(*words, "--training", "--save-weights", file).code == 0
    layer = layer_from(file, BatchNormalization, epsilon=0.001)

    with np.load(file) as saved:
        np.testing.assert_array_equal(layer(X), BatchNormalization()(X, dict(saved)))


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_tensors_of_torch_come_in(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, dtype=getattr(torch, dtype), requires_grad=True)
    expected = torch.nn.functional.max_pool2d(x.detach().float().permute(0, 3, 1, 2), 2)

    found = MaxPooling(2)(x)

    assert found.dtype.name == dtype  # ml_dtypes comes with TensorFlow and others
    np.testing.assert_array_equal(found, expected.permute(0, 2, 3, 1).numpy())


@pytest.mark.oracle
def test_layers_compute_what_keras_computes() -> None:
    keras = pytest.importorskip("keras")
    layer = keras.layers.BatchNormalization()
    layer.build(X.shape)
    expected = np.asarray(layer(X, training=True))

    y, weights = BatchNormalization().train(X)

    np.testing.assert_allclose(y, expected, atol=1e-5)
    for own, theirs in zip(weights.values(), layer.get_weights(), strict=True):
        np.testing.assert_allclose(own, theirs, atol=1e-5)
