"""What can only mean one thing is taken, however it is spelled; what can mean two is refused."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from poolnorm_cli.cli import fast_parser
from poolnorm_cli.cli.command import Command
from poolnorm_cli.cli.fast_parser import find
from poolnorm_cli.cli.lenient import mend
from poolnorm_cli.cli.pipe_steps import LayerStep, parse_steps
from poolnorm_cli.cli.verbs import ROOT
from poolnorm_cli.errors import UsageError
from tests.conftest import Command as Run


def command(line: str) -> tuple[Command, list[str]]:
    found, left = find(shlex.split(line), ROOT)
    assert found is not None
    return found, list(left)


def read(line: str) -> dict[str, Any] | None:
    made, words = command(line)
    return fast_parser.read(made, mend(made, words))


SAME = [
    ("pool max x.npy --pool-size 3 3", "pool max x.npy --pool-size 3,3"),
    ("pool max --pool-size 3 3 x.npy", "pool max --pool-size 3,3 x.npy"),
    (
        "pool max x.npy --pool-size 3 3 --strides 2 2",
        "pool max x.npy --pool-size 3,3 --strides 2,2",
    ),
    ("pool max x.npy --pool-size '(3,3)'", "pool max x.npy --pool-size 3,3"),
    ("pool max x.npy --pool-size '(3, 3)'", "pool max x.npy --pool-size 3,3"),
    ("pool max x.npy --pool-size '(3,' '3)'", "pool max x.npy --pool-size 3,3"),
    ("pool max x.npy --pool-size 3, 3", "pool max x.npy --pool-size 3,3"),
    ("pool max x.npy --pool-size '3, 3'", "pool max x.npy --pool-size 3,3"),
    ("pool max x.npy --pool-size '[3, 3]'", "pool max x.npy --pool-size 3,3"),
    ("pool max x.npy --pool-size '3 3'", "pool max x.npy --pool-size 3,3"),
    ("pool max x.npy --pool-size 3X3", "pool max x.npy --pool-size 3,3"),
    ("pool max x.npy --pool-size 3 x 3", "pool max x.npy --pool-size 3,3"),
    ("pool max x.npy --pool-size 3×3", "pool max x.npy --pool-size 3,3"),
    ("pool max x.npy --pool-size '(3,)'", "pool max x.npy --pool-size 3"),
    ("pool max x.npy --pool_size 3", "pool max x.npy --pool-size 3"),
    ("pool max x.npy --Pool-Size=3", "pool max x.npy --pool-size 3"),
    ("pool max x.npy -pool-size 3", "pool max x.npy --pool-size 3"),
    ("pool max x.npy —pool-size 3", "pool max x.npy --pool-size 3"),
    ("pool max x.npy --strides None", "pool max x.npy"),
    ("pool max x.npy --padding SAME", "pool max x.npy --padding same"),
    ("pool max x.npy --padding=Valid", "pool max x.npy --padding valid"),
    ("pool max x.npy --data-format channels-first", "pool max x.npy --data-format channels_first"),
    ("pool max x.npy --data-format NCHW", "pool max x.npy --data-format channels_first"),
    ("pool max x.npy --data-format NHWC", "pool max x.npy --data-format channels_last"),
    ("pool max x.npy --data_format ChannelsLast", "pool max x.npy --data-format channels_last"),
    ("pool max x.npy --dtype fp16", "pool max x.npy --dtype float16"),
    ("pool max x.npy --dtype Float32", "pool max x.npy --dtype float32"),
    ("pool max x.npy --backend ONNX", "pool max x.npy --backend onnx"),
    ("bn x.npy --trainable false", "bn x.npy --no-trainable"),
    ("bn x.npy --trainable False", "bn x.npy --no-trainable"),
    ("bn --trainable true x.npy", "bn --trainable x.npy"),
    ("bn x.npy --center=False", "bn x.npy --no-center"),
    ("bn x.npy --center=0", "bn x.npy --no-center"),
    ("bn x.npy --no-center=True", "bn x.npy --no-center"),
    ("bn x.npy --no-center no", "bn x.npy --center"),
    ("bn x.npy --training=true", "bn x.npy --training"),
    ("bn x.npy --training False", "bn x.npy"),
    ("bn x.npy --epsilon 1e-5f", "bn x.npy --epsilon 1e-5"),
    ("bn x.npy --axis −1", "bn x.npy --axis -1"),  # noqa: RUF001
    ("ln x.npy --axis '[1,2]'", "ln x.npy --axis 1,2"),
    ("ln x.npy --axis 1 2", "ln x.npy --axis 1,2"),
    ("ln x.npy --axis -2 -1", "ln x.npy --axis -2,-1"),
    ("ln --axis '(-2, -1)' x.npy", "ln --axis -2,-1 x.npy"),
    ("gn x.npy --groups 4.0", "gn x.npy --groups 4"),
    (
        "bn x.npy --renorm --renorm-clipping rmin=.5 rmax=2",
        "bn x.npy --renorm --renorm-clipping rmin=.5,rmax=2",
    ),
    ("shape pool max 4 28 28 3", "shape pool max 4,28,28,3"),
    ("shape pool max None 28 28 3", "shape pool max None,28,28,3"),
    ("shape pool max 4,28,28 3", "shape pool max 4,28,28,3"),
    ("shape pool max 4, 28, 28, 3", "shape pool max 4,28,28,3"),
    ("shape pool max '(4,' 28, 28, '3)'", "shape pool max 4,28,28,3"),
    ("shape pool max 4,28,28,3 --pool-size 3 3", "shape pool max 4,28,28,3 --pool-size 3,3"),
    ("shape pool max 4,28,28,3 --padding Same", "shape pool max 4,28,28,3 --padding same"),
    ("shape solve 224 224 112 112", "shape solve 224,224 112,112"),
    ("shape solve '(7,' 8, '9)' 3 4 5 --max-size 3", "shape solve 7,8,9 3,4,5 --max-size 3"),
    ("generate normal 4 28 28 3 -o x.npy", "generate normal 4,28,28,3 -o x.npy"),
]


@pytest.mark.parametrize(("typed", "meant"), SAME)
def test_other_spellings_are_read_as_what_they_mean(typed: str, meant: str) -> None:
    made, words = command(meant)

    assert read(typed) == fast_parser.read(made, words)


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ("pool max x.npy --pool-size 3 3", "type --pool-size 3,3, or ./3"),
        ("bn x.npy --trainable false", "type --no-trainable, or ./false"),
        ("bn x.npy --axis 1 3", "type --axis 1,3, or ./3"),
    ],
)
def test_a_word_that_is_also_a_file_is_refused_with_both_spellings(line: str, fix: str) -> None:
    for name in ("3", "false"):
        Path(name).touch()

    with pytest.raises(UsageError) as raised:
        read(line)
    assert raised.value.fix == fix


def test_a_word_that_is_the_only_input_is_the_input_if_it_is_there() -> None:
    Path("3").mkdir()

    assert read("pool max --pool-size 2 3") == {"pool_size": (2,), "inputs": ["3"]}


def test_a_number_with_a_comma_is_refused_with_a_point() -> None:
    with pytest.raises(UsageError) as raised:
        read("bn x.npy --epsilon 0,001")
    assert raised.value.fix == "type 0.001"


def test_sizes_beside_a_shape_of_several_words_are_refused() -> None:
    with pytest.raises(UsageError, match="no comma"):
        read("shape pool max --pool-size 3 4 28 28 3")


def test_what_is_not_understood_is_left_to_the_parsers() -> None:
    for line in ("pool max x.npy --nope 3 3", "pool max x.npy --pool-size a b", "bn x.npy --axis"):
        made, words = command(line)
        assert mend(made, words) == words


def test_sizes_that_cannot_be_of_two_sides_are_refused() -> None:
    with pytest.raises(UsageError) as raised:
        read("shape solve 224 224 112")
    assert raised.value.fix == "type both sides as 224,224 112,112"


def test_a_run_takes_them(poolnorm: Run, x: Any) -> None:
    strict = poolnorm("pool max x.npy --pool-size 3,3 --padding same --json")
    lenient = poolnorm("pool max x.npy --pool_size 3 3 --padding SAME --json")

    shapes = [json.loads(seen.out)["results"][0]["output_shape"] for seen in (strict, lenient)]
    assert shapes == [[len(x), 10, 10, 3]] * 2


def test_nothing_is_run_where_it_is_refused(poolnorm: Run, x: Any) -> None:
    Path("3").touch()
    done = poolnorm("pool max x.npy --pool-size 3 3 -o y.npy")

    assert done.code == 2
    assert done.err == (
        "error: --pool-size 3 3 may mean 3,3, or the input 3; type --pool-size 3,3, or ./3\n"
    )
    assert not Path("y.npy").exists()
    del x


def test_steps_of_a_pipe_are_read_alike() -> None:
    words = shlex.split("! pool max --pool_size 3 3 --padding SAME ! bn --trainable false")
    (pool, norm), left = parse_steps(words, {}, [])

    assert not left
    assert isinstance(pool, LayerStep)
    assert isinstance(norm, LayerStep)
    assert pool.parameters == {"pool_size": (3, 3), "padding": "same"}
    assert norm.parameters == {"trainable": False}
