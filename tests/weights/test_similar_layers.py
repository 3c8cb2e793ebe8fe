"""Layers that are easily taken for one another: what is certain runs, the rest is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Command
from tests.weights import copies
from tests.weights.make_fixtures import FIXTURES, SHAPE
from tests.weights.make_legacy import edited, rename


h5py = pytest.importorskip("h5py")
NAMES = ("gamma", "beta", "moving_mean", "moving_variance")


@pytest.fixture(autouse=True)
def _x() -> None:
    np.save("x.npy", np.ones(SHAPE, np.float32))


def told(poolnorm: Command, words: str, code: int = 2) -> str:
    """Return the line with which a command is refused."""
    result = poolnorm(copies.copied(words))
    assert (result.code, result.err.count("\n")) == (code, 1), result
    return result.err.rstrip("\n")


def copied(name: str) -> Path:
    """Copy a fixture to change it."""
    return Path(shutil.copy(FIXTURES / name, name))


def listed(poolnorm: Command, file: str) -> list[str]:
    """Return the words that `info` gives for --weights, without the file."""
    lines = poolnorm(f"info {file} -q").out.splitlines()
    return [line.partition("::")[2] for line in lines]


@pytest.mark.parametrize(
    "file", sorted(path.name for path in FIXTURES.glob("*") if path.suffix in {".h5", ".keras"})
)
def test_every_name_that_is_offered_is_one_layer(poolnorm: Command, file: str) -> None:
    names = listed(poolnorm, f"{FIXTURES}/{file}")

    assert len(set(names)) == len(names)
    for name in names:
        lines = poolnorm(f"info {FIXTURES}/{file}::{name} -q").out.splitlines()
        assert lines == [f"{FIXTURES}/{file}::{name.rpartition('::')[2]}"] or len(lines) == 1


@pytest.mark.parametrize("flags", ["", "--axis -1", "--epsilon 0.3", "-q"])
@pytest.mark.parametrize(
    "layer",
    [
        "tf_keras_shared.keras::layers/batch_normalization",
        "keras_block.keras::layers/block/bn",
        "keras_block.h5::block",
    ],
)
def test_parameters_that_are_not_certain_are_asked_for(
    poolnorm: Command, layer: str, flags: str
) -> None:
    line = told(poolnorm, f"bn x.npy {flags} --weights {FIXTURES}/{layer}")

    assert line.startswith(f"error: {layer}: ")
    assert line.endswith("as the model has them")
    assert ("--epsilon" in line, "--axis" in line) == (
        "epsilon" not in flags,
        "axis" not in flags,
    )


def test_layers_that_are_not_certain_are_listed_so(poolnorm: Command) -> None:
    lines = poolnorm(f"info {FIXTURES}/keras_block.h5").out.splitlines()

    assert lines[0].endswith("not certain: the config says nothing of what is in Block")
    assert json.loads(poolnorm(f"info {FIXTURES}/keras_block.h5 --json").out)["layers"][0]["unsure"]


def test_two_layers_of_a_name_are_refused_with_their_paths(poolnorm: Command) -> None:
    shutil.copy(f"{FIXTURES}/legacy_nested.h5", ".")
    line = told(poolnorm, "bn x.npy --weights legacy_nested.h5::same")

    assert line == (
        "error: legacy_nested.h5: 3 layers are called 'same'; "
        "give one of the paths same/same, c/same, b/same"
    )


def test_a_scope_is_no_name_of_a_layer(poolnorm: Command) -> None:
    """In the group of `b` alone the scope is called `other`, a layer of another model."""
    names = listed(poolnorm, f"{FIXTURES}/legacy_weights.h5")

    assert names == ["same", "c/other", "c/same", "c/ln", "c/inner_same", "b", "td"]
    assert "no layer 'other'" in told(
        poolnorm, f"bn x.npy --weights {FIXTURES}/legacy_weights.h5::other"
    )


def test_groups_in_another_order_than_the_config_are_not_certain(poolnorm: Command) -> None:
    file = copied("legacy_renamed.h5")
    with edited(file) as (opened, _):
        group = opened["model_weights"]
        group.attrs["layer_names"] = list(group.attrs["layer_names"])[::-1]

    assert "no such layer" in told(poolnorm, f"bn x.npy --weights {file}::bn")


def test_weights_in_another_order_than_that_of_keras_are_refused(poolnorm: Command) -> None:
    file = copied("legacy_renamed.h5")
    with edited(file) as (opened, _):
        group = opened["model_weights/bn"]
        group.attrs["weight_names"] = list(group.attrs["weight_names"])[::-1]

    line = told(poolnorm, f"bn x.npy --weights {file}::bn", 4)
    assert "listed as moving_variance, moving_mean, beta, gamma, and Keras takes them for" in line


def test_a_layer_that_the_config_does_not_know_makes_the_others_uncertain(
    poolnorm: Command,
) -> None:
    file = copied("legacy_nested.h5")
    with edited(file) as (_, model):
        del model["config"]["layers"][2]["config"]["layers"][1]["config"]["layers"][1]

    line = told(poolnorm, f"bn x.npy --weights {file}::c/same")
    assert "it is not certain which layer of c it is; give --axis and --epsilon" in line


def test_layers_of_equal_parameters_need_not_be_told_apart(poolnorm: Command) -> None:
    """In which order they are is not known here, and does not matter."""
    file = copied("legacy_list.h5")
    with edited(file) as (opened, model):
        inner = model["config"][2]["config"]
        inner += [json.loads(json.dumps(inner[-1]))]
        inner[-1]["config"]["name"] = "deeper"
        group = opened["model_weights/inner"]
        for name in list(group.attrs["weight_names"]):
            group.copy(name, name.replace("deep", "zzz"))
        del group.attrs["weight_names"]

    assert listed(poolnorm, str(file)) == ["bn", "inner/deep", "inner/zzz"]
    assert poolnorm(f"bn x.npy --weights {file}::inner/zzz -q").err == ""
    assert poolnorm(f"info {file}::inner/zzz").out.endswith("center=True, scale=True\n")


@pytest.mark.parametrize("change", ["int", "gone"])
def test_a_weight_that_cannot_be_read_is_not_taken_for_absent(
    poolnorm: Command, change: str
) -> None:
    file = copied("legacy_renamed.h5")
    with edited(file) as (opened, _):
        group = opened["model_weights/bn"]
        beta = group.attrs["weight_names"][1]
        del group[beta]
        if change == "int":
            group[beta] = np.arange(6)

    reason = "int64, not floating-point numbers" if change == "int" else "is not there"
    assert reason in told(poolnorm, f"bn x.npy --weights {file}::bn", 4)


def test_an_unreadable_weight_of_numbered_ones_is_not_taken_for_absent(poolnorm: Command) -> None:
    file = copied("keras_nested.weights.h5")
    with h5py.File(file, "r+") as opened:
        group = opened["layers/time_distributed/layer/vars"]
        del group["1"]

    line = told(poolnorm, f"bn x.npy --no-center --weights {file}::inner", 4)
    assert line.startswith(f"error: {file}::inner: its weight 1 is not in the file")


def test_keras_1_normalized_by_the_batch_in_other_modes(poolnorm: Command) -> None:
    file = copied("legacy_keras1.h5")
    with edited(file) as (_, model):
        model["config"][0]["config"]["mode"] = 2

    assert "in its mode 2" in told(poolnorm, f"bn x.npy --weights {file}::bn_conv1", 4)
    assert poolnorm(f"bn x.npy --weights {file}::bn2 -q").err == ""


def test_an_axis_without_time_is_asked_for(poolnorm: Command) -> None:
    file = copied("legacy_nested.h5")
    with edited(file) as (_, model):
        del model["config"]["layers"][4]["config"]["layer"]["build_config"]

    line = told(poolnorm, f"bn x.npy --weights {file}::inner")
    assert "it is in a TimeDistributed, and its axis is counted without that of time" in line
    assert poolnorm(f"bn x.npy --axis 3 --weights {file}::inner -q").err == ""


def test_a_class_of_ones_own_is_told(poolnorm: Command) -> None:
    result = poolnorm(f"bn x.npy --no-values --weights {FIXTURES}/keras_own.h5::own")

    assert result.err.replace(f"{FIXTURES}/", "") == (
        "note: keras_own.h5::own: a my>OwnNorm, run as the BatchNormalization whose parameters "
        "it has\n"
    )
    line = poolnorm(f"info {FIXTURES}/keras_own.h5").out
    assert line.split("\t")[1] == "BatchNormalization (my>OwnNorm)"


def test_the_group_of_a_class_is_no_name_where_the_file_has_no_names(poolnorm: Command) -> None:
    """The layer called batch_normalization_1 need not be the second of its class."""
    with h5py.File("m.weights.h5", "w") as file:
        for number in range(4):
            for group in ("batch_normalization", "batch_normalization_1"):
                file[f"layers/{group}/vars/{number}"] = np.ones(6, np.float32)

    line = told(poolnorm, "bn x.npy --weights m.weights.h5::batch_normalization_1")
    assert "there are: layers/batch_normalization, layers/batch_normalization_1" in line


def test_the_layers_of_tensorflow_2_12_are_found(poolnorm: Command) -> None:
    config = {"name": "bn", "epsilon": 0.25, "axis": [3]}
    model = {"config": {"layers": [{"class_name": "BatchNormalization", "config": config}]}}
    with h5py.File("m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional"} | model)
        for number in range(4):
            path = f"_layer_checkpoint_dependencies\\batch_normalization/vars/{number}"
            file[path] = np.full(6, number + 1, np.float32)

    assert poolnorm("bn x.npy --weights m.h5::bn -q -o y.npy").err == ""
    np.testing.assert_allclose(np.load("y.npy"), (1 - 3) / np.sqrt(4.25) + 2, rtol=1e-6)


def test_a_list_of_names_in_parts_is_read(poolnorm: Command) -> None:
    """Keras cuts lists of more than 64 kB."""
    file = copied("legacy_renamed.h5")
    with edited(file) as (opened, _):
        group = opened["model_weights"]
        for number, name in enumerate(group.attrs["layer_names"]):
            group.attrs[f"layer_names{number}"] = [name]
        del group.attrs["layer_names"]

    assert listed(poolnorm, str(file)) == ["bn", "bn_1"]


def test_what_is_renamed_in_a_group_stays_its_layer(poolnorm: Command) -> None:
    file = copied("legacy_renamed.h5")
    assert poolnorm(f"bn x.npy --weights {file}::bn -q -o y.npy").code == 0
    with edited(file) as (opened, _):
        rename(opened["model_weights/bn"], "bn_1", "a/b/bn_1")

    assert poolnorm(f"bn x.npy --weights {file}::bn -q -o z.npy").err == ""
    np.testing.assert_array_equal(np.load("y.npy"), np.load("z.npy"))
    assert listed(poolnorm, str(file)) == ["bn", "bn_1"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"weight_map": {"/a/vars": "../x.h5"}}, "its shard is '../x.h5', no .h5 file beside it"),
        ({"weight_map": {"/a/vars": ["x.npy"]}}, "its shard is 'x.npy', no .h5 file beside it"),
        ({"weight_map": {"/a/vars": "x.h5"}}, "x.h5: no such file"),
        ({"weight_map": ["x.h5"]}, "no weight_map in it"),
        ([], "no weight_map in it"),
        (
            {"weight_map": {"/layers/batch_normalization/vars": "keras_shards_00001.weights.h5"}},
            "not all of its weights are in the shards",
        ),
    ],
)
def test_a_damaged_table_of_shards_is_refused(poolnorm: Command, change: Any, reason: str) -> None:
    copied("keras_shards_00001.weights.h5")
    Path("m.weights.json").write_text(json.dumps(change))

    assert reason in told(poolnorm, "bn x.npy --weights m.weights.json::bn", 4)


def test_a_shard_alone_is_refused_where_the_table_is(poolnorm: Command) -> None:
    shard = f"{FIXTURES}/keras_shards_00001.weights.h5"
    result = poolnorm(f"bn x.npy --no-center --no-scale --weights {shard}::bn_1")

    assert (result.code, result.err.count("\n")) == (4, 1)
    assert "the file is a part of" in result.err
    assert "keras_shards.weights.json" in result.err


def test_info_says_what_there_is_where_there_is_no_layer(poolnorm: Command) -> None:
    with h5py.File("m.h5", "w") as file:
        file["model_weights/d/d/kernel:0"] = np.ones((6, 2), np.float32)
        file["model_weights/d/d/bias:0"] = np.ones(2, np.float32)
    with h5py.File("none.h5", "w"):
        pass
    said = (
        "no normalization layer in 2 arrays: model_weights/d/d/bias:0, model_weights/d/d/kernel:0"
    )

    assert poolnorm("info m.h5").out == f"m.h5\t-\t{said}\t-\n"
    assert poolnorm("info none.h5").out == "none.h5\t-\tno normalization layer, and no array\t-\n"
    quiet = poolnorm("info m.h5 -q")
    assert (quiet.out, quiet.err) == ("", f"note: m.h5: {said}\n")
    document = json.loads(poolnorm("info m.h5 --json").out)
    assert document["empty"] == [{"file": "m.h5", "reason": said}]
    Path("m.weights.json").write_text('{"weight_map": {}}')
    assert "no array" in poolnorm("info m.weights.json").out


def test_the_names_that_an_error_offers_are_unique_in_the_file(poolnorm: Command) -> None:
    """One name is that of a batch and of a layer normalization, only one of which is meant."""
    names = ("bn", "norm"), ("ln", "norm")
    kinds = {"bn": "BatchNormalization", "ln": "LayerNormalization"}
    layers = [{"class_name": kinds[verb], "config": {"name": name}} for verb, name in names]
    inner = {"class_name": "Sequential", "config": {"name": "in", "layers": layers[1:]}}
    model = {"class_name": "Sequential", "config": {"layers": [layers[0], inner]}}
    with h5py.File("m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(model)
        for name in NAMES:
            file[f"model_weights/norm/norm/{name}:0"] = np.ones(6, np.float32)
        for name in NAMES[:2]:
            file[f"model_weights/in/norm/{name}:0"] = np.ones(6, np.float32)

    assert listed(poolnorm, "m.h5") == ["norm/norm", "in/norm"]
    assert "2 layers are called 'norm'" in told(poolnorm, "ln x.npy --weights m.h5::norm")
    line = told(poolnorm, "bn x.npy --weights m.h5::in/norm")
    assert line.endswith("there are: norm/norm; as m.h5::norm/norm")
    assert poolnorm("ln x.npy --weights m.h5 -q").err == ""


def test_a_class_that_is_not_of_keras_asks_for_its_parameters(poolnorm: Command) -> None:
    """It may call what it does epsilon, and do something else with it."""
    layer = {"class_name": "OtherNorm", "config": {"name": "odd", "epsilon": 0.5, "axis": 1}}
    model = {"class_name": "Sequential", "config": {"layers": [layer]}}
    with h5py.File("m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(model)
        for number in range(2):
            file[f"layers/other_norm/vars/{number}"] = np.ones(6, np.float32)

    line = told(poolnorm, "ln x.npy --weights m.h5")
    assert "its class, OtherNorm, is not one of Keras' own; give --axis and --epsilon" in line
    assert poolnorm("ln x.npy --weights m.h5 --axis -1 --epsilon 0.5 -q").err == ""


@pytest.mark.parametrize("keys", [("a.bn/gamma", "a.bn.gamma"), ("a/bn/beta:0", "a/bn/beta")])
def test_a_weight_that_is_there_twice_is_not_read(poolnorm: Command, keys: tuple[str, str]) -> None:
    layer = keys[1][: keys[1].rfind("bn") + 2]
    arrays: dict[str, Any] = {f"{layer}/{name}": np.ones(6, np.float32) for name in NAMES}
    arrays |= dict.fromkeys(keys, np.ones(6, np.float32))
    np.savez("w.npz", **arrays)

    line = told(poolnorm, f"bn x.npy --weights w.npz::{layer}", 4)
    assert f"{keys[0]} and {keys[1]} are one weight" in line or (
        f"{keys[1]} and {keys[0]} are one weight" in line
    )
