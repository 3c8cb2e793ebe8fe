"""`shape solve` against trying every window, and the order and the errors it promises."""

import json
import random
from itertools import product

import pytest

from poolnorm_cli.calculator.solve import Asked, Solution, inputs_of, solve
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.pads import Pads
from poolnorm_cli.layers.pooling import MaxPooling
from poolnorm_cli.shapes import Ints
from poolnorm_cli.windows import Padding, Placing, window
from tests.conftest import Command


PADDINGS: tuple[Padding, ...] = ("valid", "same")


def counts(sizes: Ints, solution: Solution) -> Ints:
    return tuple(window(n, *solution[:3]).count for n in sizes)


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
        found = solve(before, after, Asked(max_size=max_size))
        assert len(found) == len(set(found))
        assert set(found) == brute_force(before, after, max_size), (before, after, max_size)
        solved += bool(found)
    assert 300 < solved < 900


def asked_for(draw: random.Random, rank: int) -> Asked:
    """Draw what is looked for, and what of it is given."""
    ceil, max_pads = draw.random() < 0.4, draw.choice([0, 0, 1, 2])
    ends = tuple((draw.randint(0, 3), draw.randint(0, 3)) for _ in range(rank))
    dilation = draw.choice([None, None, draw.randint(1, 4)])
    paddings: list[tuple[Padding, ...]] = [PADDINGS, ("same",), ("same_lower",)]
    return Asked(
        max_size=draw.choice([3, 6, 9]),
        pool_size=draw.choice([None, None, draw.randint(1, 6)]),
        strides=draw.choice([None, None, draw.randint(1, 6)]),
        paddings=("valid",) if ceil else draw.choice(paddings),
        pads=Pads(ends) if draw.random() < 0.4 and not max_pads else None,
        max_pads=max_pads,
        dilation=dilation,
        max_dilation=1 if dilation else draw.choice([1, 2, 3]),
        ceil=ceil,
    )


def tried(asked: Asked, before: Ints) -> dict[Ints, set[Solution]]:
    """Run the shape rule of every window that is looked for; return them by the output."""
    found: dict[Ints, set[Solution]] = {}
    dilations = [asked.dilation] if asked.dilation else range(1, asked.max_dilation + 1)
    ways: list[tuple[Padding, Pads | None, int]] = [(kind, None, 1) for kind in asked.paddings]
    ways = [("valid", asked.pads, 1)] if asked.pads else ways
    ways += [("valid", Pads(((n, n),)), 2 * n) for n in range(1, asked.max_pads + 1)]
    for dilation, (padding, pads, least) in product(dilations, ways):
        ends = [(0, 0)] * len(before) if pads is None else pads.on(len(before))
        padded = min(n + sum(both) for n, both in zip(before, ends, strict=True))
        sizes = [asked.pool_size] if asked.pool_size else range(1, min(asked.max_size, padded) + 1)
        steps = [asked.strides] if asked.strides else range(1, min(asked.max_size, *before) + 1)
        two = 2 if dilation > 1 and not asked.dilation else 1
        for size, step in product(sizes, steps):
            each = Solution(size, step, padding, dilation, pads, asked.ceil)
            shape = output(each, before) if size >= max(least, two) else None
            if shape is not None:
                found.setdefault(shape, set()).add(each)
    return found


def output(solution: Solution, before: Ints) -> Ints | None:
    size, stride, padding, dilation, pads, ceil = solution
    try:
        layer = MaxPooling(
            pool_size=(size,),
            strides=(stride,),
            padding=padding,
            dilation_rate=(dilation,),
            pads=pads,
            ceil_mode=ceil,
        )
        return tuple(int(n or 0) for n in layer.output_shape((1, *before, 1))[1:-1])
    except UsageError:
        return None


def test_windows_beyond_keras_are_those_that_trying_everything_finds() -> None:
    draw, solved = random.Random(20261127), 0  # noqa: S311 - no secret
    for index in range(120):
        before = tuple(draw.randint(1, 14) for _ in range(index % 3 + 1))
        asked = asked_for(draw, len(before))
        every = tried(asked, before)
        wanted = draw.sample(sorted(every), min(len(every), 3))
        for after in [*wanted, tuple(draw.randint(1, 8) for _ in before)]:
            found = solve(before, after, asked)
            assert len(found) == len(set(found))
            assert set(found) == every.get(after, set()), (before, after, asked)
            solved += bool(found)
    assert solved > 200


def test_inputs_under_windows_beyond_keras_are_those_that_trying_everything_finds() -> None:
    draw, none = random.Random(20261128), 0  # noqa: S311 - no secret
    for _ in range(150):
        size, dilation = draw.randint(1, 5), draw.randint(1, 5)
        ends = draw.randint(0, (size - 1) * dilation), draw.randint(0, (size - 1) * dilation)
        padding: Padding = draw.choice(["valid", "same", "same_lower"])
        pads = Pads((ends,)) if padding == "valid" else None
        ceil = pads is not None and draw.random() < 0.5
        solution = Solution(size, draw.randint(1, 5), padding, dilation, pads, ceil)
        outputs = {n: output(solution, (n,)) for n in range(1, 60)}
        for places in range(1, 7):
            ((_, found),) = inputs_of((places,), solution.placings(1))
            sizes = [n for n, after in outputs.items() if after == (places,)]
            assert sizes == ([] if found is None else [*range(found.smallest, found.largest + 1)])
            none += found is None
    assert none > 10


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("16 8 --pool-size 3", "3 --strides 2 --padding same"),
        ("16 8 --pool-size 3 --pads 1", "3 --strides 2 --pads 1"),
        ("16,15 8,8 --pads 0:1,1 --pool-size 3", "3 --strides 2 --pads 0:1,1"),
        ("17 9 --ceil-mode --strides 2", "2 --strides 2 --padding valid --ceil-mode"),
        (
            "10 6 --dilation-rate 2 --strides 1",
            "3 --strides 1 --padding valid --dilation-rate 2",
        ),
        ("8 8 --padding same_lower --pool-size 2", "2 --strides 1 --padding same_lower"),
    ],
)
def test_what_is_given_is_kept(poolnorm: Command, words: str, first: str) -> None:
    result = poolnorm(f"shape solve {words} -q")

    assert result.out.splitlines()[0] == f"--pool-size {first}"
    before, after = words.split()[:2]
    for line in result.out.splitlines():
        assert poolnorm(f"shape pool max 1,{before},1 {line} -q").out == f"1,{after},1\n"


def test_pads_and_dilations_are_tried_where_that_is_asked(poolnorm: Command) -> None:
    words = "shape solve 112,112 56,56 --max-size 3"
    assert "--pads" not in poolnorm(f"{words} -q").out
    document = json.loads(poolnorm(f"{words} --max-pads 2 --max-dilation 2 --json").out)

    padded = [each for each in document["solutions"] if each["padding"] == "pads"]
    assert padded[0] | {"pads": [[1, 1], [1, 1]], "pool_size": 3, "strides": 2} == padded[0]
    assert any(each.get("dilation_rate") == 2 for each in document["solutions"])
    result = poolnorm("shape solve 16 9 --pads 1 --strides 3 --ceil-mode")
    assert (result.code, result.out) == (1, "")
    assert result.err.endswith("make 16 into 9, with pads 1 in ceil mode\n")


def test_an_output_without_an_input_is_told(poolnorm: Command) -> None:
    result = poolnorm("shape solve --input 1 --pads 2 --pool-size 3 --strides 1")

    assert (result.code, result.out) == (1, "")
    assert result.err == "note: no input gives an output of 1 under this window\n"
    assert (
        poolnorm("shape solve --input 8 --pads 1:0 --pool-size 3 --strides 2 -q").out == "16..17\n"
    )


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
    assert solve((huge,), (3,), Asked(max_size=10**9)) == []
    assert solve((huge, huge - 1), (huge, huge - 1), Asked(max_size=1)) == [
        Solution(1, 1, "valid"),
        Solution(1, 1, "same"),
    ]
    with pytest.raises(UsageError, match="more than 1000000 solutions up to --max-size 10000000"):
        solve((huge,), (huge,), Asked(max_size=10**7))
    with pytest.raises(UsageError, match="more than 1000000 solutions"):
        solve((huge, 2 * huge), (1, 2), Asked(max_size=huge))


@pytest.mark.parametrize("padding", PADDINGS)
def test_the_inputs_of_an_output_are_those_that_trying_everything_finds(padding: Padding) -> None:
    for places, size, stride in product(range(1, 8), range(1, 8), range(1, 6)):
        ((_, found),) = inputs_of((places,), [Placing(size, stride, padding)])
        assert found is not None
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
        ("7 3 --pool-size 2,3", "--pool-size 2,3 differs from axis to axis"),
        ("7 3 --padding same --pads 1", "both --pads 1 and --padding same"),
        ("7 3 --pads 1 --max-pads 2", "both --pads and --max-pads"),
        ("7 3 --dilation-rate 2 --max-dilation 2", "both --dilation-rate and --max-dilation"),
        ("7 3 --ceil-mode --padding same", "--ceil-mode with --padding same"),
        ("7 3 --pads 1,2", "--pads 1,2 is of 2 axes"),
        ("--input 3 --max-pads 2", "--max-pads with --input"),
        ("--input 3 --pads 2", "--pads 2 on axis 1 has 2 cells, as many as the window of 2"),
        ("7 3 --input 3", "FROM with --input"),
        ("--input 3,3 --strides 1,2,3", "--strides 1,2,3 has 3 sizes, the input has 2"),
    ],
)
def test_what_cannot_be_solved_is_refused(poolnorm: Command, words: str, said: str) -> None:
    result = poolnorm(f"shape solve {words}")

    assert (result.code, result.out) == (2, "")
    assert said in result.err
