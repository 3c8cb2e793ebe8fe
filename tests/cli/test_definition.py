"""A layer in other words: the calls of Keras and torch, and Keras' config."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.programs.torch_layers import TORCH_LAYERS
from tests.conftest import Command
from tests.oracle.program_files import write_files
from tests.oracle.program_lines import SOME, TRAINED_OR_NOT


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
    package = call.partition(".")[0]
    program = poolnorm(f"{words} --keras").out

    assert f"\nlayer = {call}\n" in program
    assert f"import {package}\n" in program
    compile(program, "program", "exec")


LOAD = "import numpy as np\nimport torch\n\nx = torch.from_numpy(np.load('{}').astype('float32'))\n"


@pytest.mark.parametrize(
    ("words", "program"),
    [
        (
            "pool max rows.npy --data-format channels_first",
            """
layer = torch.nn.MaxPool1d(kernel_size=2, stride=2, padding=0)
layer.eval()
with torch.no_grad():
    y = layer(x)
""",
        ),
        (
            "pool average x.npy --pool-size 3 --strides 1 --padding same --axis_is_3",
            """
layer = torch.nn.AvgPool2d(kernel_size=3, stride=1, padding=1, count_include_pad=False)
layer.eval()
with torch.no_grad():
    x = x.permute(0, 3, 1, 2)
    y = layer(x)
    y = y.permute(0, 2, 3, 1)
""",
        ),
        ("gpool max x.npy", "with torch.no_grad():\n    y = x.amax(dim=(1, 2), keepdim=False)\n"),
        (
            "bn rows.npy --axis 1",
            """
layer = torch.nn.BatchNorm1d(num_features=5, eps=0.001, momentum=0.01, affine=True)
layer.eval()
with torch.no_grad():
    y = layer(x)
""",
        ),
        (
            "bn rows.npy --axis 1 --gamma-initializer constant(2) --training",
            """
weights = {
    'gamma': np.full((5,), 2.0, 'float32'),
}
layer = torch.nn.BatchNorm1d(num_features=5, eps=0.001, momentum=0.01, affine=True)
layer.load_state_dict({
    'weight': torch.from_numpy(weights['gamma']),
}, strict=False)
layer.train()
with torch.no_grad():
    y = layer(x)
""",
        ),
        (
            "ln x.npy --no-center --weights w.npz",
            """
file = np.load('w.npz')
weights = {
    'gamma': file['block/gamma:0'],
}
layer = torch.nn.LayerNorm(normalized_shape=(3,), eps=0.001, elementwise_affine=True, bias=False)
layer.load_state_dict({
    'weight': torch.from_numpy(weights['gamma']),
}, strict=False)
layer.eval()
with torch.no_grad():
    y = layer(x)
""",
        ),
    ],
)
def test_a_program_for_torch(poolnorm: Command, words: str, program: str) -> None:
    np.savez("w.npz", **{"block/gamma:0": np.array([1, 2, 3], "f4")})  # type: ignore[arg-type]
    words = words.replace("--axis_is_3", "--data-format channels_last")
    result = poolnorm(f"{words} -q --torch")

    told = "# its running_var moves by N/(N-1) of what Keras 3's moving_variance does\n"
    head = LOAD.format(words.split()[2] if "pool" in words else words.split()[1])
    assert (result.code, result.err) == (0, "")
    assert result.out.replace(told, "") == head + program.lstrip()


def test_what_is_not_a_file_of_arrays_is_printed(poolnorm: Command) -> None:
    np.save("six.npy", np.ones((2, 5, 6), np.float32))
    weights = Path(__file__).parent.parent / "weights" / "fixtures" / "torch.safetensors"
    program = poolnorm(f"bn six.npy --weights {weights}::stem.bn --torch").out

    assert "    'moving_mean': np.array([" in program
    assert "safetensors" not in program


@pytest.mark.parametrize("flag", ["--torch", "--keras", "--save-config c.json"])
def test_a_pipe_is_no_input_of_a_program(poolnorm: Command, flag: str) -> None:
    os.mkfifo("pipe.npy")
    result = poolnorm(f"ln pipe.npy {flag}")

    assert (result.code, result.out) == (2, "")
    assert f"{flag.split(maxsplit=1)[0]} for a pipe; name a file of that shape" in result.err


def test_weights_that_are_also_written_are_those_of_the_program(poolnorm: Command) -> None:
    np.savez("w.npz", gamma=np.array([1, 2, 3], "f4"), beta=np.zeros(3, "f4"))
    program = poolnorm("ln x.npy --weights w.npz --save-weights w.npz --keras").out

    assert "    'gamma': file['gamma'],\n" in program


def test_weights_too_many_to_print_are_told(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poolnorm_cli.layers.programs.program._MOST_VALUES", 2)
    result = poolnorm("ln x.npy --gamma-initializer random_normal(1,1,seed=2) --torch")

    assert (result.code, result.out) == (2, "")
    assert "write it with --save-weights FILE.npz, and give that as --weights" in result.err


@pytest.mark.parametrize("framework", ["keras", "torch"])
def test_every_program_can_be_read_and_makes_y(poolnorm: Command, framework: str) -> None:
    write_files()
    for line in SOME.strip().splitlines() + TRAINED_OR_NOT.strip().splitlines():
        if "FIXTURES" in line:  # of which some need other packages
            continue
        result = poolnorm(f"{line} --{framework}")
        assert result.code == 0, line
        compile(result.out, line, "exec")
        assert "y = " in result.out.splitlines()[-1] or framework == "torch"


def test_calls_in_one_document(poolnorm: Command) -> None:
    document = json.loads(poolnorm("ln x.npy --keras --torch --json").out)

    assert list(document) == ["schema", "keras", "torch"]
    assert "\nlayer = keras.layers.LayerNormalization(" in document["keras"]
    assert "\nlayer = torch.nn.LayerNorm(" in document["torch"]


def test_two_programs_stand_one_after_the_other(poolnorm: Command) -> None:
    first, second = (poolnorm(f"ln x.npy --{name}").out for name in ("keras", "torch"))

    assert poolnorm("ln x.npy --keras --torch").out == f"{first}\n{second}"


@pytest.mark.parametrize("words", LAYERS)
def test_every_layer_has_a_row_for_torch(words: str) -> None:
    assert find(*words.split()).keras_name in TORCH_LAYERS


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("ln x.npy --keras -o y.npy", "--keras with an output; --keras prints and runs nothing"),
        ("ln x.npy --torch -O d", "--torch with an output; --torch prints and runs nothing"),
        ("ln - --torch", "--torch for standard input; name a file of that shape as the input"),
        ("ln - --save-config c.json", "--save-config for standard input; name a file"),
        ("bn x.npy x.npy --training --synchronized --keras", "--keras with --synchronized and 2"),
        ("pool max big.npy --torch", "torch does not compute in uint64; give int64, or --keras"),
        ("bn x.npy --fused --save-config c.json", "Keras 3 has no --fused, or not with this value"),
        ("apool max x.npy", "--output-size is missing; give --output-size"),
        (
            "bn x.npy --axis 1,2 --save-config c.json",
            "Keras 3 has no --axis, or not with this value",
        ),
        ("pool max x.npy --pool-size 9 --keras", "axis 1 has 5 cells, fewer than the window"),
    ],
)
def test_what_cannot_be_written_is_told(poolnorm: Command, words: str, told: str) -> None:
    np.save("big.npy", np.ones((2, 3, 4), np.uint64))

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
        ("[1]", "c.json: not the config of a layer; write what get_config() returns"),
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
