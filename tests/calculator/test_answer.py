"""What `shape` explains, in words and as a document."""

import json
from itertools import pairwise, product
from math import ceil
from typing import Any

import pytest
from hypothesis import given, strategies as st

from poolnorm_cli.formulas import adaptive_formula, window_formula
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.axis_rules import AdaptiveRule, WindowRule
from poolnorm_cli.shapes import adaptive_bounds
from poolnorm_cli.windows import Placing, window
from tests.conftest import Command


def lines(poolnorm: Command, words: str) -> list[str]:
    result = poolnorm(f"shape {words} --explain")
    assert (result.code, result.err) == (0, "")
    return result.out.splitlines()[1:]


def test_pads_cells_never_read_and_divisors_are_told(poolnorm: Command) -> None:
    assert lines(
        poolnorm, "pool average N,28,7,3 --pool-size 3,2 --strides 2,3 --padding same"
    ) == [
        (
            "axis 1: 28 cells, window 3, stride 2, padding 'same': ceil(28 / 2) = 14 places; "
            "pads max((14 - 1) * 2 + 3 - 28, 0) = 1: 0 before, 1 after"
        ),
        "axis 1: real cells under the window: 3 at places 0-12, 2 at place 13",
        (
            "axis 2: 7 cells, window 2, stride 3, padding 'same': ceil(7 / 3) = 3 places; "
            "pads max((3 - 1) * 3 + 2 - 7, 0) = 1: 0 before, 1 after; cells 2, 5 never read"
        ),
        "axis 2: real cells under the window: 2 at places 0-1, 1 at place 2",
        (
            "y = sum of the cells under the window / the real cells, 2 to 6 of them; "
            "padding does not count"
        ),
    ]
    assert lines(poolnorm, "pool max 1,28,3 --pool-size 3 --strides 2")[0] == (
        "axis 1: 28 cells, window 3, stride 2, padding 'valid': (28 - 3) // 2 + 1 = 13 places; "
        "cell 27 never read"
    )


def test_names_stay_names(poolnorm: Command) -> None:
    assert lines(poolnorm, "pool average N,H,W,3 --pool-size 3 --strides 2,1 --padding same") == [
        (
            "axis 1: H cells, window 3, stride 2, padding 'same': ceil(H / 2) = (H+1)//2 places; "
            "pads max(((H+1)//2 - 1) * 2 + 3 - H, 0): (2-(H-1)%2)//2 before, (2-(H-1)%2+1)//2 after"
        ),
        (
            "axis 2: W cells, window 3, stride 1, padding 'same': ceil(W / 1) = W places; "
            "pads max((W - 1) * 1 + 3 - W, 0) = 2: 1 before, 1 after"
        ),
        (
            "y = sum of the cells under the window / the real cells, 9 or fewer at a border; "
            "padding does not count"
        ),
    ]
    assert lines(poolnorm, "pool max None,None,3")[0] == (
        "axis 1: n cells, window 2, stride 2, padding 'valid': (n - 2) // 2 + 1 = n//2 places"
    )


def test_normalizations_tell_cells_statistics_and_weights(poolnorm: Command) -> None:
    assert lines(poolnorm, "ln N,H,4,3 --axis 2,3 --no-center") == [
        "mean and variance over axes 2,3: 4 * 3 = 12 cells, one of each per place of (N,H)",
        "variance = sum((x - mean)**2) / N, the biased one",
        "y = (x - mean) / sqrt(variance + epsilon) * gamma, epsilon = 0.001",
        "weights: gamma (4,3)",
    ]
    assert lines(poolnorm, "bn None,4,4,3 --momentum 0.75 --fused")[1:] == [
        (
            "training: mean and variance over axes 0,1,2: n * 4 * 4 = 16*n cells per channel, "
            "the variance the biased one"
        ),
        "training: y = (x - mean) / sqrt(variance + epsilon) * gamma + beta",
        "training: moving_mean = moving_mean * 0.75 + batch * 0.25",
        "training: moving_variance = moving_variance * 0.75 + batch * N / (N - 1) * 0.25",
        "weights: gamma (3), beta (3), moving_mean (3), moving_variance (3)",
    ]
    assert lines(poolnorm, "gn N,H,W,8 --groups 4")[:2] == [
        "8 channels in 4 groups of 2, split as (N,H,W,4,2)",
        "mean and variance over axes 1,2,4: H * W * 2 = 2*H*W cells of each sample and group",
    ]


def test_the_document_has_it_axis_by_axis(poolnorm: Command) -> None:
    words = "shape pool average 1,28,7,3 --pool-size 3 --strides 2 --padding same --explain --json"
    document = json.loads(poolnorm(words).out)
    height, width = document["axes"]

    assert (height["name"], height["pad_low"], height["pad_high"]) == ("h", 0, 1)
    assert height["real_cells"] == [{"cells": 3, "places": 13}, {"cells": 2, "places": 1}]
    assert (width["pad_low"], width["places"], width["never_read"]) == (1, 4, 0)
    assert (width["receptive_field"], width["jump"], width["start"]) == (3, 2, 0.5)
    assert document["weights"] == {}
    assert len(document["explanation"]) == 5
    assert "axes" not in json.loads(poolnorm(words.replace(" --explain", "")).out)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_what_is_told_of_an_axis_is_what_counting_finds(padding: Any) -> None:
    for length, size, stride in product(range(1, 14), range(1, 18), range(1, 7)):
        rule = WindowRule(axis=1, length=length, placing=Placing(size, stride, padding))
        placed = window(length, size, stride, padding)
        read = {cell for first, end in placed.bounds(length) for cell in range(first, end)}
        unread = rule.unread()
        assert unread is not None
        told = [cell for first, end in unread[1] for cell in range(first, end)]
        assert told == sorted(set(range(length)) - read)
        assert unread[0] == len(told)
        cells = placed.cells(length)
        runs = rule.cell_runs()
        if runs is not None:
            assert [n for n, places in runs for _ in range(places)] == cells
            assert all(a[0] != b[0] for a, b in pairwise(runs))
        assert rule.cells() == ((min(cells), max(cells)) if cells else None)


def test_the_largest_window_of_an_even_cover_is_what_counting_finds() -> None:
    for length, count in product(range(1, 40), range(1, 40)):
        sizes = {end - first for first, end in adaptive_bounds(length, count)}
        size, stride = AdaptiveRule(axis=1, length=length, count=count).reach
        assert size == max(sizes), (length, count)
        assert (stride is not None) == (length % count == 0)


@pytest.mark.parametrize("words", LAYERS)
def test_every_layer_explains_what_it_does_to_any_shape(words: str) -> None:
    needed: dict[str, Any] = {"output_size": 3} if words.startswith("apool") else {}
    layer = find(*words.split())(**needed)
    for shape in [("N", "H", "W", 32), (None, None, 32), (2, 6, 6, 6, 32), (0, 6, 6, 32)]:
        text = layer.explain_shape(shape)
        assert text
        assert all(line == line.strip() and "\n" not in line for line in text)


@pytest.mark.parametrize(
    "words",
    [
        "pool max {} --pool-size 4611686018427387904 --padding same",
        "pool average {} --pool-size 3 --strides 1 --padding same",
        "apool max {} --output-size 1000000000000",
        "gpool average {}",
    ],
)
def test_sizes_beyond_counting_are_answered_at_once(poolnorm: Command, words: str) -> None:
    shape = "1,1000000000000000,1000000000000000,3"
    told = poolnorm(f"shape {words.format(shape)} --explain --conventions --json")

    assert told.code == 0
    assert len(json.loads(told.out)["conventions"]) == 3


@given(
    st.integers(3, 40),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.sampled_from(["valid", "same"])),
    st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from(["valid", "same"])),
)
def test_a_formula_of_a_named_size_has_the_value_of_its_number(
    length: int, first: tuple[int, int, Any], second: tuple[int, int, Any]
) -> None:
    named, known = Placing(*first).count_on("H"), window(length, *first).count
    placed = window(known, *second)
    formula = window_formula(named, Placing(*second))
    told = formula.rsplit("': ", 1)[1].split(" places")[0].split(" = ")
    size, stride, padding = second
    count = placed.count if padding == "same" else (known - size) // stride + 1

    assert [_value(text, length) for text in told] == [count, count]
    if padding == "same":
        pads = formula.split("pads ")[1].split(": ")[0].split(" = ")[0]
        assert _value(pads, length) == placed.low + placed.high
    span = adaptive_formula(named, 2).split("floor(")[1].split(") to ceil(")
    assert _value(span[0], length, i=1) == known / 2
    assert _value(span[1][:-1], length, i=1) == known


@given(
    st.integers(1, 40),
    st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3)),
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
    st.booleans(),
)
def test_a_formula_of_pads_has_the_number_of_places(
    length: int, sizes: tuple[int, int, int], pads: tuple[int, int], ceil_mode: bool
) -> None:
    size, stride, dilation = sizes
    placing = Placing(size, stride, "valid", dilation, pads, ceil_mode)
    if sum(pads) + length < placing.extent:
        return
    for name in (length, "H"):
        told = (
            window_formula(name, placing).split(": ", 1)[1].split(" places")[0].split(" place")[0]
        )

        assert {_value(text, length) for text in told.split(" = ")} == {placing.on(length).count}


def _value(text: str, length: int, **more: int) -> Any:
    return eval(text, {"H": length, "ceil": ceil, "min": min, **more})  # noqa: S307 - our own text
