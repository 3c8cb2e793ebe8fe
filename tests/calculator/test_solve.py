"""`shape solve` against trying every window, and the order and the errors it promises."""

import json
import random
from itertools import product

import pytest

from poolnorm_cli.calculator.solve import Solution, inputs_of, solve
from poolnorm_cli.errors import UsageError
from poolnorm_cli.shapes import Ints
from poolnorm_cli.windows import Padding, window
from tests.conftest import Command


PADDINGS: tuple[Padding, ...] = ("valid", "same")


def counts(sizes: Ints, solution: Solution) -> Ints:
    return tuple(window(n, *solution).count for n in sizes)


def brute_force(before: Ints, after: Ints, max_size: int) -> set[Solution]:
    tried = range(1, min(max_size, *before) + 1)
    every = (Solution(k, s, p) for k, s, p in product(tried, tried, PADDINGS))
    return {each for each in every if counts(before, each) == after}


def pairs(count: int) -> list[tuple[Ints, Ints, int]]:
    """Make pairs of sizes of one to three axes, of which most have a solution."""
    draw, made = random.Random(20260201), []  # noqa: S311 - no secret
    for index in range(count):
        before = tuple(draw.randint(1, 24) for _ in range(index % 3 + 1))
        size, stride = draw.randint(1, min(before)), draw.randint(1, 11)
        after = counts(before, Solution(size, stride, draw.choice(PADDINGS)))
        if index % 4 == 0:
            after = tuple(draw.randint(1, 12) for _ in before)
        made.append((before, after, draw.choice([1, 3, 11, 30])))
    return made


def test_the_solutions_are_those_that_trying_everything_finds() -> None:
    solved = 0
    for before, after, max_size in pairs(900):
        found = solve(before, after, max_size)
        assert len(found) == len(set(found))
        assert set(found) == brute_force(before, after, max_size), (before, after, max_size)
        solved += bool(found)
    assert 300 < solved < 900


def test_the_simplest_comes_first(poolnorm: Command) -> None:
    document = json.loads(poolnorm("shape solve 224,224 112,112 --json").out)
    first, second, third, fourth, *_ = document["solutions"]

    assert (first["pool_size"], first["strides"], first["padding"]) == (2, 2, "valid")
    assert (second["pool_size"], second["strides"], second["padding"]) == (2, 2, "same")
    assert (third["pool_size"], third["strides"]) == (1, 2)
    assert third["never_read"] == [112, 112]
    assert (fourth["pool_size"], fourth["strides"], fourth["pads"]) == (3, 2, [[0, 1], [0, 1]])
    assert document["from"] == [224, 224]
    assert document["max_size"] == 11


def test_quiet_prints_flags_that_can_be_typed(poolnorm: Command) -> None:
    flags = poolnorm("shape solve 7x5 4x3 -q").out.splitlines()

    assert flags[0] == "--pool-size 2 --strides 2 --padding same"
    for line in flags:
        assert poolnorm(f"shape pool max 1,7,5,1 {line} -q").out == "1,4,3,1\n"


def test_no_solution_is_told_and_has_its_exit_code(poolnorm: Command) -> None:
    result = poolnorm("shape solve 7,7 9,9")
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "note: no window and stride up to 7, the same for all axes, make 7,7 into 9,9, "
        "with 'valid' or 'same'\n"
    )
    result = poolnorm("shape solve 7,7 9,9 --json")
    assert result.code == 1
    assert json.loads(result.out)["solutions"] == []


def test_sizes_beyond_counting_take_no_time() -> None:
    huge = 10**15
    assert solve((huge,), (huge // 2,))[0] == Solution(2, 2, "valid")
    assert solve((huge,), (3,), 10**9) == []
    assert solve((huge, huge - 1), (huge, huge - 1), 1) == [
        Solution(1, 1, "valid"),
        Solution(1, 1, "same"),
    ]
    with pytest.raises(UsageError, match="more than 1000000 solutions up to --max-size 10000000"):
        solve((huge,), (huge,), 10**7)
    with pytest.raises(UsageError, match="more than 1000000 solutions"):
        solve((huge, 2 * huge), (1, 2), huge)


@pytest.mark.parametrize("padding", PADDINGS)
def test_the_inputs_of_an_output_are_those_that_trying_everything_finds(padding: Padding) -> None:
    for places, size, stride in product(range(1, 8), range(1, 8), range(1, 6)):
        ((_, found),) = inputs_of((places,), (size,), (stride,), padding)
        sizes = [n for n in range(1, 90) if window(n, size, stride, padding).count == places]
        assert sizes == list(range(found.smallest, found.largest + 1))


def test_inputs_are_listed_axis_by_axis(poolnorm: Command) -> None:
    words = "shape solve --input 14,7 --pool-size 3 --strides 2,1 --padding same"
    assert poolnorm(words).out == "14,7\t27..28,7\n"
    assert poolnorm(f"{words} -q").out == "27..28,7\n"
    document = json.loads(poolnorm(f"{words} --json").out)
    assert document["inputs"] == [
        {"smallest": 27, "largest": 28},
        {"smallest": 7, "largest": 7},
    ]
    assert document["strides"] == [2, 1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("7,7", "FROM or TO is missing; give both"),
        ("7,7 3", "(7,7) and (3) differ in their number of axes"),
        ("1,7,7,3 1,3,3,3", "FROM '1,7,7,3' is not one to three sizes of 1 or more"),
        ("H,7 3,3", "FROM 'H,7' is not one to three sizes of 1 or more"),
        ("0 1", "FROM '0' is not one to three sizes of 1 or more"),
        ("7 3 --pool-size 2", "--pool-size without --input"),
        ("7 3 --input 3", "FROM with --input"),
        ("--input 3,3 --strides 1,2,3", "--strides 1,2,3 has 3 sizes, the input has 2"),
    ],
)
def test_what_cannot_be_solved_is_refused(poolnorm: Command, words: str, said: str) -> None:
    result = poolnorm(f"shape solve {words}")

    assert (result.code, result.out) == (2, "")
    assert said in result.err
