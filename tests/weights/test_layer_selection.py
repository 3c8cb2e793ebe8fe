"""Which layer of a file is meant, and what the file says besides the weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.tensors import untrusted
from tests.conftest import Command, process
from tests.weights.copies import copied
from tests.weights.make_fixtures import FIXTURES, SHAPE


KERAS = f"{FIXTURES}/keras.keras"
TF_KERAS = f"{FIXTURES}/tf_keras.keras"
TORCH = f"{FIXTURES}/torch.safetensors"
BLOCKS = f"{FIXTURES}/keras_blocks.weights.h5"
ONNX = f"{FIXTURES}/onnx.onnx"


@pytest.fixture(autouse=True)
def _x() -> None:
    pytest.importorskip("h5py")
    np.save("x.npy", np.ones(SHAPE, np.float32))


def error(poolnorm: Command, words: str) -> str:
    """Return the line with which a command is refused for what was typed."""
    result = poolnorm(copied(words))
    assert (result.code, result.err.count("\n")) == (2, 1), result
    return result.err.rstrip("\n")


def save(file: str, arrays: dict[str, Any]) -> None:
    """Write an .npz whose names need not be those of arguments."""
    np.savez(file, **arrays)


def layer(poolnorm: Command, words: str) -> dict[str, Any]:
    """Return the parameters with which a command runs."""
    result = poolnorm(f"{words} --json --no-values")
    assert result.code == 0, result
    found: dict[str, Any] = json.loads(result.out)["layer"]
    return found


def test_parameters_come_from_the_checkpoint(poolnorm: Command) -> None:
    found = layer(poolnorm, f"bn x.npy --weights {KERAS}::bn_1")

    assert (found["epsilon"], found["momentum"], found["axis"]) == (0.01, 0.9, -1)


def test_axes_come_from_the_checkpoint(poolnorm: Command) -> None:
    assert layer(poolnorm, f"bn x.npy --weights {TF_KERAS}::bn_two")["axis"] == [1, 3]
    assert layer(poolnorm, f"ln x.npy --weights {KERAS}::ln_two")["epsilon"] == 0.02


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--epsilon 0.1", "--epsilon 0.1 contradicts keras.keras::bn_1, which has 0.01"),
        ("--momentum 0.99", "--momentum 0.99 contradicts keras.keras::bn_1, which has 0.9"),
        ("--axis 1", "--axis 1 contradicts keras.keras::bn_1, which has -1"),
        ("--no-center", "--no-center contradicts keras.keras::bn_1, which has center=True"),
        ("--no-scale", "--no-scale contradicts keras.keras::bn_1, which has scale=True"),
    ],
)
def test_a_flag_that_contradicts_the_file_is_refused(
    poolnorm: Command, flag: str, told: str
) -> None:
    assert error(poolnorm, f"bn x.npy --weights {KERAS}::bn_1 {flag}") == (
        f"error: {told}; leave out {flag.split(maxsplit=1)[0]}"
    )


@pytest.mark.parametrize("flags", ["--epsilon 0.01", "--axis 3", "--center", "--epsilon 1e-2"])
def test_a_flag_that_agrees_is_taken(poolnorm: Command, flags: str) -> None:
    assert layer(poolnorm, f"bn x.npy --weights {KERAS}::bn_1 {flags}")["epsilon"] == 0.01


def test_axes_are_compared_by_what_they_mean(poolnorm: Command) -> None:
    words = f"bn x.npy --weights {TF_KERAS}::bn_1"

    assert layer(poolnorm, f"{words} --axis -1")["axis"] == -1  # the file has [3]
    assert "contradicts" in error(poolnorm, f"{words} --axis 2")


def test_a_wrong_name_lists_those_there_are(poolnorm: Command) -> None:
    told = error(poolnorm, f"bn x.npy --weights {KERAS}::bn_9")

    assert told.startswith("error: ")
    assert "no layer 'bn_9'; there are: bn_1, bn_renorm, ln_two, " in told
    assert "rms_1" in told or "dense" not in told


def test_a_layer_of_another_class_is_refused(poolnorm: Command) -> None:
    told = error(poolnorm, f"bn x.npy --weights {KERAS}::ln_two")

    assert "keras.keras::ln_two is a LayerNormalization, not a BatchNormalization" in told
    assert "there are: bn_1, bn_renorm, layers/sequential/layers/batch_normalization," in told


def test_a_layer_of_unknown_class_that_cannot_be_is_refused(poolnorm: Command) -> None:
    told = error(poolnorm, f"bn x.npy --weights {TORCH}::norm")

    assert "norm is a layer with weight, bias, not a BatchNormalization" in told.replace(
        "bias, weight", "weight, bias"
    )


def test_two_layers_of_one_name_need_a_path(poolnorm: Command) -> None:
    told = error(poolnorm, f"bn x.npy --weights {KERAS}::same")

    assert "2 layers are called 'same'; give one of the paths layers/sequential/layers/" in told


def test_a_file_of_several_layers_needs_a_name(poolnorm: Command) -> None:
    told = error(poolnorm, f"bn x.npy --weights {KERAS}")

    assert (
        "keras.keras: 4 layers that can be BatchNormalization; there are: bn_1, bn_renorm" in told
    )
    assert "as keras.keras::bn_1" in told


def test_a_file_without_such_a_layer_says_what_it_has(poolnorm: Command) -> None:
    save("one.npz", {"a/gamma": np.ones(6, "f4"), "a/beta": np.ones(6, "f4")})

    told = error(poolnorm, "bn x.npy --weights one.npz")

    assert told == (
        "error: one.npz: no layer that can be BatchNormalization; there are: a; as one.npz::a"
    )


def test_a_file_without_any_layer_says_so(poolnorm: Command) -> None:
    save("none.npz", {"a/kernel": np.ones((6, 6), "f4")})

    told = error(poolnorm, "bn x.npy --weights none.npz")

    assert "it has no normalization layer; `poolnorm info` lists what a file has" in told


def test_without_a_config_the_flags_say_which_weights_there_are(poolnorm: Command) -> None:
    told = error(poolnorm, f"bn x.npy --weights {BLOCKS}::two")

    assert "it has 3 weights, the layer 4 (gamma, beta, moving_mean, moving_variance)" in told
    assert "give --no-center, --no-scale or --renorm as the model has them" in told


@pytest.mark.parametrize("separator", ["/", "."])
def test_npz_members_may_have_the_name_of_their_layer(poolnorm: Command, separator: str) -> None:
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    if separator == ".":
        names = ("weight", "bias", "running_mean", "running_var")
    arrays: dict[str, Any] = {
        f"{layer}{separator}{name}": np.full(6, value + index, np.float32)
        for layer, index in (("a.b", 0), ("c", 1))
        for name, value in zip(names, (1, 2, 3, 4), strict=True)
    }
    save("all.npz", arrays | {"step": np.int64(3)})

    result = poolnorm("bn x.npy --weights all.npz::c --epsilon 0.0 -q -o y.npy")

    assert (result.code, result.err) == (0, "")
    np.testing.assert_allclose(np.load("y.npy"), (1 - 4) / np.sqrt(5) * 2 + 3, rtol=1e-6)


def test_npz_may_have_the_names_of_torch(poolnorm: Command) -> None:
    names = ("weight", "bias", "running_mean", "running_var")
    arrays: dict[str, Any] = {name: np.full(6, i + 1.0, np.float32) for i, name in enumerate(names)}
    save("bn.npz", arrays | {"num_batches_tracked": np.int64(3)})

    result = poolnorm("bn x.npy --weights bn.npz --epsilon 0 -q -o y.npy")

    assert (result.code, result.err) == (0, "")
    np.testing.assert_allclose(np.load("y.npy"), (1 - 3) / 2 * 1 + 2, rtol=1e-6)


def test_one_thing_by_two_names_is_refused(poolnorm: Command) -> None:
    names = ("weight", "gamma", "bias", "running_mean", "running_var")
    save("bn.npz", {name: np.ones(6, "f4") for name in names})

    result = poolnorm("bn x.npy --weights bn.npz -q")

    assert result.code == 4
    listed = "weight, gamma, bias, running_mean, running_var"
    assert f"two of its weights are the same one: {listed}" in result.err


def test_torch_has_no_epsilon_in_its_files(poolnorm: Command) -> None:
    words = f"bn x.npy --no-values --weights {TORCH}::stem.bn"
    told = poolnorm(words).err.replace(f"{FIXTURES}/", "")

    assert told == (
        "note: torch.safetensors::stem.bn: torch keeps no epsilon with the weights: it stays "
        "0.001 here, torch's default is 1e-05 (--epsilon 1e-5)\n"
    )
    assert poolnorm(f"{words} -q").err == ""
    assert poolnorm(f"{words} --epsilon 1e-5").err == ""


def test_a_file_without_a_config_says_nothing_of_epsilon(poolnorm: Command) -> None:
    words = f"bn x.npy --no-values --weights {BLOCKS}::one"

    assert poolnorm(words).err.replace(f"{FIXTURES}/", "") == (
        "note: keras_blocks.weights.h5::one: the file says nothing of epsilon: it is 0.001 here, "
        "which --epsilon changes\n"
    )
    assert poolnorm(f"{words} --epsilon 0.2").err == ""


def test_torch_has_its_channels_second(poolnorm: Command) -> None:
    np.save("first.npy", np.ones((2, 6, 4, 4), np.float32))
    words = f"bn first.npy --no-values -q --weights {TORCH}::stem.bn"

    assert error(poolnorm, words) == (
        "error: torch.safetensors::stem.bn: weights of shape (6), and --axis -1 has 4 channels; "
        "torch has the channels second: give --axis 1"
    )
    assert poolnorm(f"{words} --axis 1").code == 0


def test_torch_names_say_whether_there_are_gamma_and_beta(poolnorm: Command) -> None:
    found = layer(poolnorm, f"bn x.npy --weights {TORCH}::plain")

    assert (found["center"], found["scale"]) == (False, False)


def test_a_format_suggests_an_axis_that_a_flag_may_change(poolnorm: Command) -> None:
    pytest.importorskip("onnx")
    np.save("first.npy", np.ones((2, 6, 4, 4), np.float32))
    words = f"--weights {ONNX}::/bn/BatchNormalization"

    assert layer(poolnorm, f"bn first.npy {words}")["axis"] == 1
    assert layer(poolnorm, f"bn x.npy {words} --axis -1")["epsilon"] == 0.03


def test_a_shape_that_does_not_fit_is_told(poolnorm: Command) -> None:
    np.save("x.npy", np.ones((2, 4, 4, 5), np.float32))

    told = error(poolnorm, f"bn x.npy --weights {KERAS}::bn_1")

    assert "keras.keras::bn_1: weight 'gamma' has shape (6); this input and --axis need (5)" in told


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("m.pt", "safetensors"),
        ("m.pth", "safetensors"),
        ("m.pkl", "np.savez"),
        ("m.ckpt", "save_weights"),
    ],
)
def test_files_that_can_run_code_are_never_read(poolnorm: Command, file: str, told: str) -> None:
    Path(file).write_bytes(b"\x80\x04cos\nsystem\n")

    for words in ("bn x.npy --weights", "info"):
        result = poolnorm(f"{words} {file}")
        assert result.code == 4
        assert f"{file}: a {file[1:]} file needs the program that wrote it" in result.err
        assert told in result.err


def test_a_file_of_unknown_kind_is_refused(poolnorm: Command) -> None:
    assert error(poolnorm, "bn x.npy --weights w.txt") == (
        "error: --weights 'w.txt' is not a file of weights by its name; "
        "give one of .npz, .keras, .h5, .hdf5, .safetensors, .safetensors.index.json, .onnx, "
        ".weights.json"
    )


@pytest.mark.parametrize("file", ["no.keras", "no.h5", "no.safetensors", "no.npz"])
def test_a_missing_file_is_told(poolnorm: Command, file: str) -> None:
    result = poolnorm(f"bn x.npy --weights {file}::bn")

    assert (result.code, result.err.partition(";")[0]) == (4, f"error: {file}: no such file")


@pytest.mark.parametrize(("file", "package", "extra"), [(KERAS, "h5py", "keras")])
def test_a_missing_package_is_told_with_what_to_type(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, file: str, package: str, extra: str
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(untrusted, "import_module", missing)

    result = poolnorm(f"bn x.npy --weights {file}")

    assert result.code == 3
    assert f"needs {package}, which is not installed" in result.err
    assert f"pip install 'poolnorm-cli[{extra}]'" in result.err


def test_weights_of_a_checkpoint_are_saved_as_npz(poolnorm: Command) -> None:
    result = poolnorm(f"bn x.npy --weights {KERAS}::bn_1 --save-weights bn.npz -q -o y.npy")

    assert (result.code, result.err) == (0, "")
    with np.load("bn.npz") as saved:
        assert {"gamma", "beta", "moving_mean", "moving_variance"} <= set(saved)
        assert saved["gamma"].shape == (6,)


def test_training_goes_on_from_a_checkpoint(poolnorm: Command) -> None:
    words = f"bn x.npy --training --weights {KERAS}::bn_1 --save-weights bn.npz -q -o y.npy"

    assert poolnorm(words).code == 0
    assert poolnorm("bn x.npy --weights bn.npz --epsilon 0.01 -q").code == 0


def test_half_precision_weights_are_widened(poolnorm: Command) -> None:
    names = ("weight", "bias", "running_mean", "running_var")
    half = np.full(6, 1.5, np.float32)
    data = (half.view(np.uint32) >> 16).astype("<u2").tobytes()
    places = {n: [12 * i, 12 * i + 12] for i, n in enumerate(names)}
    header = {
        f"bn.{n}": {"dtype": "BF16", "shape": [6], "data_offsets": p} for n, p in places.items()
    }
    text = json.dumps(header).encode()
    Path("b.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data * 4)

    result = poolnorm("bn x.npy --weights b.safetensors --epsilon 0 -q -o y.npy")

    assert (result.code, result.err) == (0, "")
    expected = (1 - 1.5) / np.sqrt(1.5) * 1.5 + 1.5
    np.testing.assert_allclose(np.load("y.npy"), expected, rtol=1e-6)


def test_a_layer_of_a_checkpoint_is_folded(poolnorm: Command) -> None:
    result = poolnorm(f"bn x.npy --fold --weights {KERAS}::bn_1 -o f.npz -q")

    assert (result.code, result.err) == (0, "")
    with np.load("f.npz") as folded:
        assert folded["scale"].shape == (6,)


def test_a_layer_of_a_checkpoint_is_compared_over_backends(poolnorm: Command) -> None:
    pytest.importorskip("onnxruntime")
    words = f"compare --backends numpy,onnx:cpu -- bn x.npy --weights {KERAS}::bn_1"

    assert poolnorm(f"{words}").code == 0


def test_a_layer_of_a_checkpoint_is_exported(poolnorm: Command) -> None:
    pytest.importorskip("onnx")

    assert poolnorm(f"bn x.npy --weights {KERAS}::bn_1 --export bn.onnx -q").code == 0
    words = "bn first.npy --weights bn.onnx -q -o z.npy --axis -1"
    np.save("first.npy", np.load("x.npy"))
    assert poolnorm(words).code in {0, 2}


@pytest.mark.parametrize(("verb", "code"), [("gn", 0), ("in", 2)])
def test_groups_come_from_the_checkpoint(poolnorm: Command, verb: str, code: int) -> None:
    pytest.importorskip("onnx")
    np.save("first.npy", np.ones((2, 6, 4, 4), np.float32))

    result = poolnorm(f"{verb} first.npy --weights {ONNX}::/gn/GroupNormalization -q")

    assert result.code == code
    assert ("groups is 2, and -1 is in" in result.err) == (verb == "in")


def test_info_lists_the_layers(poolnorm: Command) -> None:
    lines = poolnorm(f"info {KERAS}").out.replace(f"{FIXTURES}/", "").splitlines()

    assert lines[0] == (
        "keras.keras::bn_1\tBatchNormalization\t0 (6,), 1 (6,), 2 (6,), 3 (6,)\t"
        "epsilon=0.01, momentum=0.9, axis=-1, center=True, scale=True, renorm=False"
    )
    assert not any("dense" in line for line in lines)
    paths = [line.partition("\t")[0] for line in lines[4:]]
    assert paths == [
        f"keras.keras::layers/sequential{n}/layers/batch_normalization" for n in ("", "_1")
    ]


def test_info_names_one_layer(poolnorm: Command) -> None:
    assert len(poolnorm(f"info {KERAS}::bn_1").out.splitlines()) == 1
    assert poolnorm(f"info {KERAS}::bn_1 -q").out == f"{KERAS}::bn_1\n"


def test_info_lists_layers_and_arrays_in_one_document(poolnorm: Command) -> None:
    document = json.loads(poolnorm(f"info {TORCH} x.npy --json").out)

    assert [entry["name"] for entry in document["layers"]] == ["groups", "norm", "plain", "stem.bn"]
    assert document["layers"][3]["weights"]["running_mean"] == [6]
    assert document["arrays"][0]["name"] == "x.npy"


@pytest.mark.parametrize("flag", ["--stats", "--key a"])
def test_info_of_a_checkpoint_takes_no_flags_of_arrays(poolnorm: Command, flag: str) -> None:
    told = error(poolnorm, f"info {KERAS} {flag}")

    assert f"{flag.split(maxsplit=1)[0]} is for arrays; leave out" in told


@pytest.mark.parametrize(
    "words",
    ["bn x.npy z.npy -O out --jobs 2 -q", "bn x.npy --dry-run -q", "bn x.npy --journal j.jsonl"],
)
def test_a_checkpoint_goes_through_a_process_of_its_own(words: str) -> None:
    np.save("z.npy", np.ones(SHAPE, np.float32))

    done = process(*words.split(), "--weights", f"{KERAS}::bn_1")

    assert (done.returncode, done.stderr) == (0, b"")
