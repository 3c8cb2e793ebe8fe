"""A layer in other words: the calls of Keras and torch, and Keras' config."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.torch_calls import TORCH
from tests.conftest import Command


@pytest.fixture(autouse=True)
def _inputs() -> None:
    np.save("x.npy", np.ones((2, 5, 6, 3), np.float32))
    np.save("rows.npy", np.ones((2, 5, 3), np.float32))


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("pool max x.npy", "keras.layers.MaxPooling2D(pool_size=2)"),
        (
            "pool average rows.npy --pool-size 3 --padding same",
            "keras.layers.AveragePooling1D(pool_size=3, padding='same')",
        ),
        ("pool max x.npy --pool-size 2,3", "keras.layers.MaxPooling2D(pool_size=(2, 3))"),
        (
            "bn x.npy --axis 1 --name b",
            "keras.layers.BatchNormalization(axis=1, epsilon=0.001, name='b')",
        ),
        ("ln x.npy --axis 1,2", "keras.layers.LayerNormalization(axis=(1, 2), epsilon=0.001)"),
        (
            "gn x.npy --groups 3 --gamma-initializer random_normal(stddev=0.1,seed=1)",
            (
                "keras.layers.GroupNormalization(axis=-1, epsilon=0.001, "
                "gamma_initializer=keras.initializers.RandomNormal(stddev=0.1, seed=1), groups=3)"
            ),
        ),
        (
            "bn x.npy --beta-initializer ones --renorm --renorm-clipping rmax=2",
            (
                "keras.layers.BatchNormalization(axis=-1, epsilon=0.001, beta_initializer='ones', "
                "renorm=True, renorm_clipping={'rmax': 2.0})"
            ),
        ),
        ("in x.npy", "keras.layers.GroupNormalization(groups=-1, axis=-1, epsilon=0.001)"),
        (
            "bn x.npy --fused",
            "tf_keras.layers.BatchNormalization(axis=-1, epsilon=0.001, fused=True)",
        ),
        (
            "bn x.npy --axis 1,2",
            "tf_keras.layers.BatchNormalization(axis=(1, 2), epsilon=0.001)",
        ),
    ],
)
def test_keras_call(poolnorm: Command, words: str, call: str) -> None:
    assert poolnorm(f"{words} --keras").out == f"{call}\n"


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (
            "pool max rows.npy --data-format channels_first",
            "torch.nn.MaxPool1d(kernel_size=2, stride=2, padding=0)",
        ),
        (
            (
                "pool average x.npy --pool-size 3 --strides 1 --padding same "
                "--data-format channels_first"
            ),
            "torch.nn.AvgPool2d(kernel_size=3, stride=1, padding=1, count_include_pad=False)",
        ),
        (
            "pool max x.npy --padding same",
            (
                "x = x.permute(0, 3, 1, 2)\n"
                "# torch pads both ends alike; 'same' here does not\n"
                "x = torch.nn.functional.pad(x, (0, 0, 0, 1), value=-torch.inf)\n"
                "y = torch.nn.MaxPool2d(kernel_size=2, stride=2)(x)\n"
                "y = y.permute(0, 2, 3, 1)"
            ),
        ),
        ("gpool max x.npy", "y = torch.amax(x, dim=(1, 2), keepdim=False)"),
        (
            "gpool average x.npy --data-format channels_first --keepdims",
            "torch.nn.AdaptiveAvgPool2d(output_size=1)",
        ),
        (
            "bn rows.npy --axis 1",
            (
                "# in training, its running_var moves by N/(N-1) of what Keras 3's does\n"
                "torch.nn.BatchNorm1d(num_features=5, eps=0.001, momentum=0.01, affine=True)"
            ),
        ),
        (
            "ln x.npy --no-center",
            (
                "torch.nn.LayerNorm(normalized_shape=(3,), eps=0.001, elementwise_affine=True, "
                "bias=False)"
            ),
        ),
        (
            "ln rows.npy --no-scale --axis 1,2",
            (
                "# torch has weight and bias together: leave its weight at 1\n"
                "torch.nn.LayerNorm(normalized_shape=(5, 3), eps=0.001, elementwise_affine=True, "
                "bias=True)"
            ),
        ),
    ],
)
def test_torch_call(poolnorm: Command, words: str, call: str) -> None:
    result = poolnorm(f"{words} --torch")

    assert (result.code, result.out, result.err) == (0, f"{call}\n", "")


def test_calls_in_one_document(poolnorm: Command) -> None:
    document = json.loads(poolnorm("ln x.npy --keras --torch --json").out)

    assert list(document) == ["schema", "keras", "torch"]
    assert document["keras"].startswith("keras.layers.LayerNormalization(")


@pytest.mark.parametrize("words", LAYERS)
def test_every_layer_has_a_row_for_torch(words: str) -> None:
    assert find(*words.split()).keras_name in TORCH


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("ln x.npy --keras -o y.npy", "--keras with an output; --keras prints and runs nothing"),
        ("ln x.npy --torch -O d", "--torch with an output; --torch prints and runs nothing"),
        ("ln - --torch", "--torch for standard input; name a file of that shape as the input"),
        ("ln - --save-config c.json", "--save-config for standard input; name a file"),
        ("bn x.npy --axis 1,2 --torch", "torch takes one axis of channels; give one --axis"),
        ("bn x.npy --renorm --torch", "torch has no --renorm; leave out --renorm, or give --keras"),
        ("bn x.npy --adjustment scale=ones;bias=zeros --keras", "--adjustment is a function in"),
        ("bn x.npy --fused --save-config c.json", "Keras 3 has no --fused as it is here"),
        ("apool max x.npy", "--output-size is missing; give --output-size"),
        ("bn six.npy --torch", "torch's batch normalization takes rank 2 to 5, not 6"),
        ("bn x.npy --axis 1,2 --save-config c.json", "Keras 3 has no --axis as it is here"),
        ("pool max x.npy --pool-size 9 --keras", "axis 1 has 5 cells, fewer than the window"),
    ],
)
def test_what_cannot_be_written_is_told(poolnorm: Command, words: str, told: str) -> None:
    np.save("six.npy", np.ones((2,) * 6, np.float32))

    result = poolnorm(words)

    assert result.code == 2
    assert told in result.err
    assert result.out == ""
    assert not Path("c.json").exists()


def save(**config: Any) -> None:
    Path("c.json").write_text(json.dumps(config))


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_config_stands_for_flags(poolnorm: Command, wrapped: bool) -> None:
    config = {"name": "p", "trainable": True, "dtype": {"class_name": "DTypePolicy"}}
    config |= {"pool_size": [2, 3], "strides": [2, 3], "padding": "same", "data_format": None}
    save(**({"class_name": "MaxPooling2D", "config": config} if wrapped else config))

    result = poolnorm("pool max x.npy --config c.json --json --no-values")

    assert json.loads(result.out)["results"][0]["keras"].startswith(
        "MaxPooling2D(pool_size=(2, 3), strides=(2, 3), padding='same'"
    )


def test_a_config_may_have_what_must_be_given(poolnorm: Command) -> None:
    save(class_name="AdaptiveMaxPooling2D", config={"output_size": [2, 3]})

    assert poolnorm("apool max x.npy --config c.json").out.split("\t")[2] == "(2, 2, 3, 3)"


def test_a_config_may_have_objects(poolnorm: Command) -> None:
    made = {"module": "keras.initializers", "class_name": "Constant", "config": {"value": 2.0}}
    save(gamma_initializer=made, renorm=True, renorm_clipping={"rmax": 2}, momentum=0.5)

    out = poolnorm("bn x.npy --config c.json --json --no-values").out

    found = json.loads(out)["layer"]
    assert found["gamma_initializer"]["config"] == {"value": 2.0}
    assert (found["renorm_clipping"], found["momentum"]) == ({"rmax": 2.0}, 0.5)


@pytest.mark.parametrize(("groups", "code"), [(-1, 0), (3, 2)])
def test_instance_normalization_takes_the_config_of_its_keras_class(
    poolnorm: Command, groups: int, code: int
) -> None:
    save(class_name="GroupNormalization", config={"groups": groups, "epsilon": 0.5})

    result = poolnorm("in x.npy --config c.json -q")

    assert result.code == code
    told = "error: c.json: groups is 3, and -1 is in; use the command that has --groups\n"
    assert result.err == ("" if groups == -1 else told)


def test_the_momentum_of_torch_is_compared_as_that_of_keras(poolnorm: Command) -> None:
    save(momentum=0.75)
    words = "bn x.npy --config c.json --momentum-convention torch --json --no-values"

    result = poolnorm(f"{words} --momentum 0.25")

    assert json.loads(result.out)["layer"]["momentum"] == 0.75
    assert "--momentum 0.5 contradicts c.json" in poolnorm(f"{words} --momentum 0.5").err


def test_a_config_may_have_a_list_of_one_axis(poolnorm: Command) -> None:
    save(axis=[-1], epsilon=1)

    document = json.loads(poolnorm("ln x.npy --config c.json --json --no-values").out)

    assert (document["layer"]["axis"], document["layer"]["epsilon"]) == (-1, 1.0)


@pytest.mark.parametrize(
    ("config", "flags", "told"),
    [
        ({"epsilon": 0.1}, "--epsilon 0.2", "--epsilon 0.2 contradicts c.json, which has 0.1"),
        ({"axis": [1, 2]}, "--axis 1", "--axis 1 contradicts c.json, which has 1,2"),
        ({"groups": 3}, "", "LayerNormalization has no parameter 'groups'; it has axis, epsilon"),
        (
            {"class_name": "BatchNormalization", "config": {}},
            "",
            "a config of BatchNormalization, not of LayerNormalization; use the command of that",
        ),
        ({"epsilon": -1}, "", "c.json: --epsilon must not be negative, and is -1.0"),
        ({"rms_scaling": True}, "", "c.json: rms_scaling is not supported; poolnorm rms"),
    ],
)
def test_a_config_that_cannot_be_is_refused(
    poolnorm: Command, config: dict[str, Any], flags: str, told: str
) -> None:
    save(**config)

    result = poolnorm(f"ln x.npy --config c.json {flags}")

    assert result.code == 2
    assert told in result.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1]", "c.json: no config of a layer; write what get_config() returns"),
        ('{"epsilon": "x"}', "c.json: epsilon is 'x'; give what Keras' get_config() has"),
        ('{"center": 1}', "c.json: center is '1'"),
        ('{"axis": true}', "c.json: axis is 'True'"),
        ('{"axis": [1.5]}', "c.json: axis is '[1.5]'"),
        ("{", "c.json: its JSON is not readable (damaged); save the file again"),
        ('{"epsilon": NaN}', "c.json: its JSON is not readable (NaN in it)"),
    ],
)
def test_a_config_that_cannot_be_read_is_an_input_error(
    poolnorm: Command, text: str, told: str
) -> None:
    Path("c.json").write_text(text)

    result = poolnorm("ln x.npy --config c.json")

    assert result.code == 4
    assert told in result.err


def test_a_missing_config_is_told(poolnorm: Command) -> None:
    assert poolnorm("ln x.npy --config no.json").err.startswith("error: no.json: no such file")


def test_a_config_is_saved_and_read_again(poolnorm: Command) -> None:
    flags = "--pool-size 2,3 --strides 1 --padding same"

    assert poolnorm(f"pool average x.npy {flags} --save-config c.json -o y.npy -q").code == 0
    assert poolnorm("pool average x.npy --config c.json -o z.npy -q").code == 0
    np.testing.assert_array_equal(np.load("y.npy"), np.load("z.npy"))
    assert json.loads(Path("c.json").read_text()) == {
        "pool_size": [2, 3],
        "strides": [1, 1],
        "padding": "same",
        "data_format": "channels_last",
    }


def test_a_config_is_not_written_over(poolnorm: Command) -> None:
    Path("c.json").write_text("mine")

    result = poolnorm("ln x.npy --save-config c.json")

    assert (result.code, Path("c.json").read_text()) == (2, "mine")
    assert "c.json: exists; --overwrite replaces it" in result.err
    assert poolnorm("ln x.npy --save-config c.json --overwrite -q").code == 0


def test_a_config_and_a_checkpoint_must_agree(poolnorm: Command) -> None:
    save(epsilon=0.5)
    np.savez("w.npz", gamma=np.ones(3, "f4"), beta=np.ones(3, "f4"))

    assert poolnorm("ln x.npy --config c.json --weights w.npz -q").code == 0
