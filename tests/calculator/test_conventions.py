"""`--conventions`: three frameworks side by side, in every way to print."""

import json
from typing import Any

import pytest

from poolnorm_cli.layers import LAYERS
from tests.conftest import Command


def rows(poolnorm: Command, words: str) -> dict[str, dict[str, Any]]:
    result = poolnorm(f"shape {words} --conventions --json")
    assert (result.code, result.err) == (0, "")
    return {row["framework"]: row for row in json.loads(result.out)["conventions"]}


def test_same_is_padded_elsewhere_in_torch_and_as_in_keras_in_onnx(poolnorm: Command) -> None:
    words = "pool max None,224,224,3 --pool-size 3 --strides 2 --padding same"
    told = rows(poolnorm, words)

    assert told["Keras"]["output_shape"] == [None, 112, 112, 3]
    torch = told["PyTorch"]
    assert torch["same_numbers"] == [
        "y = torch.nn.MaxPool2d(kernel_size=3, stride=2, padding=1)(x)"
    ]
    assert (torch["output_shape"], torch["keras_answer"]) == ([None, 3, 112, 112], False)
    assert torch["why"] == (
        "axis 1: it pads 1 at both ends, Keras 0 before, 1 after: other cells are under the windows"
    )
    assert torch["call"] == [
        "layer = torch.nn.MaxPool2d(kernel_size=3, stride=2)",
        "y = layer(torch.nn.functional.pad(x, (0, 1, 0, 1), value=-torch.inf))",
    ]
    onnx = told["ONNX"]
    assert onnx["keras_answer"] is True
    assert onnx["call"] == [
        'y = MaxPool<kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER">(x)'
    ]
    assert onnx["axes_order"] == [0, 3, 1, 2]


def test_the_divisor_of_torch_counts_padding(poolnorm: Command) -> None:
    words = "pool average 1,3,9,9 --pool-size 3 --strides 1 --padding same"
    told = rows(poolnorm, f"{words} --data-format channels_first")["PyTorch"]

    assert told["keras_answer"] is False
    assert "count_include_pad is True" in told["why"]
    assert told["call"][0].endswith("padding=1, count_include_pad=False)")


def test_what_depends_on_sizes_is_said_to(poolnorm: Command) -> None:
    told = rows(poolnorm, "pool max N,H,W,3 --pool-size 2 --strides 3 --padding same")

    assert told["PyTorch"]["keras_answer"] is None
    assert told["PyTorch"]["output_shape"] == ["N", 3, "(H+1)//3", "(W+1)//3"]
    assert "-(-n // s)" in "".join(told["PyTorch"]["call"])
    assert told["ONNX"]["call"] == []
    assert told["ONNX"]["no_call"] == "the pads depend on H, W; give sizes"


def test_an_axis_without_cells_is_refused_by_torch(poolnorm: Command) -> None:
    told = rows(poolnorm, "pool average 4,0,28,3 --padding same")["PyTorch"]

    assert (told["output_shape"], told["keras_answer"], told["call"]) == (None, False, [])
    assert told["why"] == told["no_call"] == "it refuses an axis without cells"


def test_places_are_counted_in_words(poolnorm: Command) -> None:
    told = rows(poolnorm, "pool max 1,5,1 --pool-size 2 --strides 4 --padding same")["PyTorch"]

    assert told["why"].endswith(": 1 place, not 2")


def test_the_momentum_of_torch_is_the_share_of_the_new(poolnorm: Command) -> None:
    told = rows(poolnorm, "bn N,H,W,3 --momentum 0.9")

    assert "momentum=0.9, " in told["PyTorch"]["same_numbers"][0]
    assert "momentum=0.1, " in told["PyTorch"]["call"][0]
    assert told["PyTorch"]["weights"]["running_var"] == "moving_variance"
    assert "momentum=0.9>" in told["ONNX"]["call"][0]
    assert rows(poolnorm, "bn N,3 --momentum 0.5")["PyTorch"]["keras_answer"] is True


def test_that_there_is_none_is_told_with_the_reason(poolnorm: Command) -> None:
    told = rows(poolnorm, "apool average 1,7,8,3 --output-size 3,4")["ONNX"]

    assert (told["same_numbers"], told["call"]) == ([], [])
    assert told["why"] == "ONNX has no adaptive pooling"
    assert told["no_call"].startswith("windows of several sizes")
    assert rows(poolnorm, "apool average 1,6,8,3 --output-size 3,4")["ONNX"]["call"] == [
        "y = AveragePool<kernel_shape=[2, 2], strides=[2, 2]>(x)"
    ]


def test_plain_lines_have_a_line_a_framework_and_what_is_below(poolnorm: Command) -> None:
    lines = poolnorm("shape gpool max N,7,7,3 --conventions").out.splitlines()

    assert lines[:2] == [
        "(N, 7, 7, 3)\t(N, 3)\tGlobalMaxPooling2D()",
        "Keras\tkeras.layers.GlobalMaxPooling2D()\t(N, 3)\tyes",
    ]
    assert lines[2] == "PyTorch\ttorch.nn.AdaptiveMaxPool2d(output_size=1)\t(N, 3, 1, 1)\tno"
    assert "    y = x.amax(dim=(2, 3))" in lines
    assert poolnorm("shape gpool max N,7,7,3 --conventions -q").out == "N,3\n"


@pytest.mark.parametrize("words", LAYERS)
def test_every_layer_has_all_three(poolnorm: Command, words: str) -> None:
    size = " --output-size 3" if words.startswith("apool") else ""
    for shape in ("N,8,8,32", "2,9,32", "2,5,6,7,32"):
        told = rows(poolnorm, f"{words} {shape}{size}")
        assert list(told) == ["Keras", "PyTorch", "ONNX"]
        assert all(row["call"] or row["no_call"] for row in told.values())
