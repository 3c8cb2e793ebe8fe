# ruff: noqa: E501 - a message is easier to compare with what is printed on one line
"""A mistyped verb, kind or flag: one line with the right one."""

import pytest

from tests.conftest import Command


VERBS = {
    "pol max": "no such verb 'pol'; did you mean pool?",
    "POOL max": "no such verb 'POOL'; did you mean pool?",
    "max x.npy": "no such verb 'max'; did you mean pool max?",
    "avg x.npy": "no such verb 'avg'; did you mean pool average?",
    "maxpool": "no such verb 'maxpool'; did you mean pool max?",
    "pool-max x.npy": "no such verb 'pool-max'; did you mean pool max?",
    "averagepooling": "no such verb 'averagepooling'; did you mean pool average?",
    "MaxPooling2D": "no such verb 'MaxPooling2D'; did you mean pool max?",
    "keras.layers.AveragePooling1D": (
        "no such verb 'keras.layers.AveragePooling1D'; did you mean pool average?"
    ),
    "GlobalAvgPool2D x.npy": "no such verb 'GlobalAvgPool2D'; did you mean gpool average?",
    "globalmaxpool": "no such verb 'globalmaxpool'; did you mean gpool max?",
    "AdaptiveAvgPool2d": "no such verb 'AdaptiveAvgPool2d'; did you mean apool average?",
    "batchnorm": "no such verb 'batchnorm'; did you mean bn?",
    "batchnrom": "no such verb 'batchnrom'; did you mean bn?",
    "BatchNormalization": "no such verb 'BatchNormalization'; did you mean bn?",
    "torch.nn.BatchNorm2d": "no such verb 'torch.nn.BatchNorm2d'; did you mean bn?",
    "layernorm": "no such verb 'layernorm'; did you mean ln?",
    "LayerNormalization": "no such verb 'LayerNormalization'; did you mean ln?",
    "GroupNorm": "no such verb 'GroupNorm'; did you mean gn?",
    "InstanceNorm2d": "no such verb 'InstanceNorm2d'; did you mean in?",
    "rmsnorm": "no such verb 'rmsnorm'; did you mean rms?",
    "UnitNormalization": "no such verb 'UnitNormalization'; did you mean unit?",
    "diff a.npy b.npy": "no such verb 'diff'; did you mean compare?",
    "version": "no such verb 'version'; did you mean --version?",
    "x.npy": "no such verb 'x.npy'; name a verb before the file, as poolnorm info x.npy",
    "w.npz::gamma": (
        "no such verb 'w.npz::gamma'; name a verb before the file, as poolnorm info w.npz::gamma"
    ),
    "qqq": "no such verb 'qqq'; type poolnorm --help",
    "--color never info": "no such flag --color of poolnorm; flags come last, as poolnorm pool max ... --color",
    "pool": "pool lacks its kind; give max, average, min or lp",
    "pool mxa x.npy": "no such kind 'mxa' of pool; did you mean pool max?",
    "pool avg x.npy": "no such kind 'avg' of pool; did you mean pool average?",
    "pool MaxPooling2D": "no such kind 'MaxPooling2D' of pool; did you mean pool max?",
    "pool x.npy": (
        "no such kind 'x.npy' of pool; name a kind before the file, as poolnorm pool max x.npy"
    ),
    "pool --pool-size 2 max": (
        "--pool-size before the kind; flags come last, as poolnorm pool max ... --pool-size"
    ),
    "shape maxpool 4,4": "no such layer 'maxpool' of shape; did you mean shape pool max?",
    "shape pool mx 4,4": "no such kind 'mx' of pool; did you mean shape pool max?",
    "shape 4,28,28,3": (
        "no such layer '4,28,28,3' of shape; name a layer before the shape, "
        "as poolnorm shape pool max 4,28,28,3"
    ),
    "shape pool max -1,28,28,3": "shape -1,28,28,3 has a negative size; type None for any: None,28,28,3",
    "shape pipe -1,28,28,3 ! bn": "shape -1,28,28,3 has a negative size; type None for any: None,28,28,3",
    "shape apool max 1,8,8,3": "--output-size is missing; give --output-size, as --output-size 7",
    "compare --backends numpy,onnx:cpu -- maxpool x.npy": "no layer 'maxpool'; did you mean pool max?",
    "pipe x.npy ! maxpool": "step 1: no layer 'maxpool'; did you mean pool max?",
    "pipe x.npy ! bn ! pool mx": "step 2: no pool 'mx'; did you mean pool max?",
    "pool max x.npy --padding smae": "--padding 'smae' is none of valid, same, same_lower; did you mean same?",
    "pool max x.npy --dtype=float23": "--dtype 'float23' is none of float16, bfloat16, float32, float64; did you mean float32?",
    "pipe x.npy ! pool max --padding sme": "step 1 (pool max): --padding 'sme' is none of valid, same, same_lower; did you mean same?",
    "bn --gamma-initializer kaiming_uniform x.npy": "--gamma-initializer 'kaiming_uniform' is not one of Keras' initializers; did you mean he_uniform?",
    "pool max x.npy --strides": "--strides lacks its value; type poolnorm pool max --help",
    "pool max -p 2 x.npy": "no such flag -p of pool max; type poolnorm pool max --help",
    "poolnorm pool max x.npy": "poolnorm twice; type poolnorm pool max x.npy",
    "help exit": "no such verb 'exit'; did you mean poolnorm help exit-codes?",
    "generate nromal 2 -o x.npy": (
        "'nromal' is none of normal, uniform, arange, zeros, ones, values; did you mean normal?"
    ),
}  # fmt: skip

FLAGS = {
    "pool max x.npy --pool-sise 2": "--pool-sise of pool max; did you mean --pool-size?",
    "pool max x.npy --kernel-size 2": "--kernel-size of pool max; did you mean --pool-size?",
    "pool max x.npy --stride=2": "--stride of pool max; did you mean --strides?",
    "pool max x.npy --pad same": "--pad of pool max; did you mean --padding?",
    "pool max x.npy --pad=VALID": "--pad of pool max; did you mean --padding?",
    "pool max x.npy --pad 1": "--pad of pool max; did you mean --pads?",
    "shape pool max 4,4,3 --pad same": "--pad of shape pool max; did you mean --padding?",
    "shape pool max 4,4,3 --pad 0:1": "--pad of shape pool max; did you mean --pads?",
    "pool max x.npy --pad": "--pad of pool max; did you mean --pads?",
    "pool max x.npy --pool-sise same": "--pool-sise of pool max; did you mean --pool-size?",
    "pool max x.npy --out y.npy": "--out of pool max; did you mean --output?",
    "pool max x.npy --force": "--force of pool max; did you mean --overwrite?",
    "pool max x.npy --nope": "--nope of pool max; type poolnorm pool max --help",
    "pool max x.npy --foo": "--foo of pool max; type poolnorm pool max --help",
    "pipe x.npy --oput y.npy ! bn": "--oput of pipe; did you mean --output?",
    "bn x.npy --eps 1": "--eps of bn; did you mean --epsilon?",
    "gn x.npy --num-groups 3": "--num-groups of gn; did you mean --groups?",
    "ln x.npy --dim 1": "--dim of ln; did you mean --axis?",
    "info x.npy --stat": "--stat of info; did you mean --stats?",
    "doctor --jsn": "--jsn of doctor; did you mean --json?",
}


@pytest.mark.parametrize(("words", "told"), VERBS.items(), ids=VERBS)
def test_a_mistyped_verb_is_told(poolnorm: Command, words: str, told: str) -> None:
    result = poolnorm(words)

    assert (result.code, result.out, result.err) == (2, "", f"error: {told}\n")


@pytest.mark.parametrize(("words", "told"), FLAGS.items(), ids=FLAGS)
def test_a_mistyped_flag_is_told(poolnorm: Command, words: str, told: str) -> None:
    result = poolnorm(words)

    assert (result.code, result.out, result.err) == (2, "", f"error: no such flag {told}\n")


def test_a_mistyped_flag_of_a_step_is_told(poolnorm: Command) -> None:
    told = poolnorm("pipe x.npy ! pool max --pool-sise 2").err

    assert told == (
        "error: step 1 (pool max): no such flag --pool-sise of pool max; did you mean --pool-size?\n"
    )


def test_the_value_of_a_flag_is_no_flag(poolnorm: Command) -> None:
    told = poolnorm("pool max x.npy --output --nope").err

    assert "no such flag" not in told
