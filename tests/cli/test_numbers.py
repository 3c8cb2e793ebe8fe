"""Numbers that no flag takes, in every flag that takes numbers: told in one short line."""

from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import get_args

import numpy as np
import pytest

from poolnorm_cli.cli import verb_compare, verb_generate
from poolnorm_cli.cli.command import Argument, Command as Node, Flag
from poolnorm_cli.cli.verb_layer import layer_command
from poolnorm_cli.layers import LAYERS
from poolnorm_cli.layers.keras.spelling import flag_of
from poolnorm_cli.report.text import brief
from poolnorm_cli.shapes import whole_number
from tests.conftest import Command, Result


NINES = "9" * 5000
NUMBERS = ["9223372036854775808", NINES, f"-{NINES}", f"0{NINES}", "1e400", "nan", "-1", "x" * 5000]
NEEDED = {"apool max": "--output-size 2", "apool average": "--output-size 2", "gn": "--groups 2"}


@pytest.fixture(autouse=True)
def _input() -> None:
    np.save("x.npy", np.ones((2, 4, 6), np.float32))


def is_one_line(result: Result) -> None:
    """Hold an answer against what is promised of all."""
    assert result.code in (0, 2, 3, 4), result.err
    assert "bug" not in result.err
    for line in result.err.splitlines():
        assert len(line) < 2600
        assert line.startswith(("error: ", "note: ", "warning: "))
    assert result.err.count("error: ") == (result.code != 0)


def is_number(flag: Flag) -> bool:
    """Whether a flag takes a number, or several."""
    kinds = {*get_args(flag.type), flag.type} - {NoneType}
    return bool(kinds & {int, float}) or flag.option.keywords.get("metavar") == "INTS"


def flags() -> Iterator[tuple[str, str]]:
    """List every flag that takes a number, with a command that has it."""
    commands: dict[str, Node] = {f"{words} x.npy": layer_command(words) for words in LAYERS}
    commands["compare x.npy x.npy"] = verb_compare.NODE
    commands["generate normal 2,3 --overwrite -o g.npy"] = verb_generate.NODE
    for line, command in commands.items():
        for flag in command.flags():
            if is_number(flag) and not (isinstance(flag.option, Argument) or flag.option.count):
                yield line, next(iter(flag.option.names), flag_of(flag.name))


OTHERS = [
    "pool max x.npy -j {}",
    "pool max x.npy --max-memory {}",
    "pool max x.npy --max-memory {}G",
    "pool max x.npy --shard {}",
    "pool max x.npy --shard 1/{}",
    "pool max x.npy --shard {}/{}",
    "pool max x.npy --pool-size 2,{}",
    "pool max x.npy --export g.onnx --opset {}",
    "bn x.npy --renorm --renorm-clipping rmax={}",
    "bn x.npy --gamma-initializer constant({})",
    "bn x.npy --gamma-initializer constant([1,{}])",
    "bn x.npy --gamma-initializer random_normal(seed={})",
    "bn x.npy --beta-regularizer l2({})",
    "bn x.npy --gamma-constraint max_norm({})",
    "shape pool max 1,{},3",
    "shape pool max {},4,3",
    "generate normal 2,{} -o z.npy",
    "pool max x.npy --dask tcp://localhost:{}",
    "pool max x.npy --key {}",
    "pool max x.npy --padding {}",
    "pool max {}",
    "{} x.npy",
    "pool max x.npy --{}",
]


@pytest.mark.parametrize(("line", "flag"), [*flags()])
def test_no_flag_takes_a_number_for_a_bug(poolnorm: Command, line: str, flag: str) -> None:
    needed = next((NEEDED[words] for words in NEEDED if line.startswith(f"{words} ")), "")
    for number in NUMBERS:
        is_one_line(poolnorm(f"{line} {needed} {flag} {number} -q"))


@pytest.mark.parametrize("line", OTHERS)
def test_no_word_takes_a_number_for_a_bug(poolnorm: Command, line: str) -> None:
    for number in NUMBERS:
        if not ("shape" in line and number.startswith("x")):  # there it is the name of a size
            is_one_line(poolnorm(line.replace("{}", number)))
            Path("z.npy").unlink(missing_ok=True)


@pytest.mark.parametrize("name", ["epsilon", "axis"])
def test_no_config_takes_a_number_for_a_bug(poolnorm: Command, name: str) -> None:
    for number in NUMBERS:
        Path("c.json").write_text(f'{{"{name}": {number}}}')
        is_one_line(poolnorm("ln x.npy --config c.json -q"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("pool max x.npy --precision 9223372036854775808", "is not in the range 0<=x<=100"),
        ("generate normal 2,3 -o g.npy --seed -1", "'--seed': -1 is not in the range x>=0"),
        (
            f"pool max x.npy -j {NINES}",
            "--jobs '99999999999999999999...(5000 digits)' is not a num",
        ),
        (
            f"pool max x.npy --max-memory {NINES}",
            "...(5000 digits)' is not a number of bytes; give",
        ),
        (f"shape pool max 1,{NINES},3", "has a part '99999999999999999999...(5000 digits)'; wri"),
        (f"gn x.npy --groups {NINES}", "'--groups': '99999999999999999999...(5000 digits)' is no"),
    ],
)
def test_what_was_wrong_is_said_without_all_of_it(poolnorm: Command, words: str, told: str) -> None:
    result = poolnorm(words)

    assert result.code == 2
    assert told in result.err
    assert len(result.err) < 300


def test_documents_of_errors_are_short_too(poolnorm: Command) -> None:
    assert len(poolnorm(f"pool max x.npy -j {NINES} --json").out) < 300


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("9" * length, None) for length in (20, 5000)),
        *((word, None) for word in ("", "-1", "+1", "1.0", "1_0", "\u0663", " 1")),
        ("0", 0),
        ("007", 7),
        ("0" * 5000 + "7", 7),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
    ],
)
def test_whole_numbers(text: str, number: int | None) -> None:
    assert whole_number(text) == number


def test_messages_are_cut_in_numbers_and_at_their_middle() -> None:
    path = "/home/" + "/".join(["directory"] * 60)
    assert brief(path) == path
    assert (
        brief(f"{path}: {'7' * 99} is too much") == f"{path}: {'7' * 20}...(99 digits) is too much"
    )
    long = brief("a" * 3000 + "b" * 3000)
    assert len(long) < 1300
    assert (long[:3], long[-3:]) == ("aaa", "bbb")
