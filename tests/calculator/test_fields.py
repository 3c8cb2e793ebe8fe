"""Receptive fields against what changes when single cells of an input do, and in expressions."""

import json
import random
from itertools import product
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.calculator.fields import Field
from poolnorm_cli.calculator.steps import Step, follow
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.pipeline import make_pipeline
from poolnorm_cli.shapes import Shape
from tests.conftest import Command


def made(words: str, **parameters: Any) -> Layer:
    return find(*words.split())(**parameters)


def followed(layers: list[Layer], shape: Shape) -> list[Step]:
    return follow(make_pipeline(list(enumerate(layers, 1))), shape)


def changed(layers: list[Layer], length: int) -> list[tuple[int, int]]:
    """Return, for each output, the first cell that changes it and the one behind the last."""
    batch = np.eye(length, dtype=np.float64)[..., None]  # sample i has a 1 in cell i alone
    for layer in layers:
        batch, _ = run_array(layer, batch)
    reached = batch.reshape(length, -1) > 0
    return [(cells[0], cells[-1] + 1) for cells in map(np.flatnonzero, reached.T)]


def apart(count: int) -> list[tuple[list[Layer], int]]:
    """Draw stacks of windows with pads, dilation and ceil mode that fit a length."""
    draw, stacks = random.Random(20261127), list[tuple[list[Layer], int]]()  # noqa: S311 - no secret
    while len(stacks) < count:
        length, layers = draw.randint(12, 40), list[Layer]()
        for _ in range(draw.randint(1, 3)):
            size, dilation = draw.randint(1, 4), draw.randint(1, 3)
            most = (size - 1) * dilation
            own = draw.choice(["pads", "same_lower", "ceil"])
            given: dict[str, Any] = {"padding": own} if own == "same_lower" else {}
            if own != "same_lower":
                given["pads"] = f"{draw.randint(0, most)}:{draw.randint(0, most)}"
                given["ceil_mode"] = own == "ceil"
            given |= {"pool_size": size, "strides": draw.randint(1, 3), "dilation_rate": dilation}
            layers.append(made("pool average", **given))
        try:
            fits = all(isinstance(s, int) and s >= 4 for s in _lengths(layers, (1, length, 1)))
        except UsageError:
            continue
        if fits:
            stacks.append((layers, length))
    return stacks


def windows(count: int, paddings: tuple[str, ...]) -> list[tuple[list[Layer], int]]:
    """Draw stacks of windows that fit a length."""
    draw, stacks = random.Random(20260202), list[tuple[list[Layer], int]]()  # noqa: S311 - no secret
    while len(stacks) < count:
        length = draw.randint(12, 40)
        layers = [
            made(
                "pool average",
                pool_size=draw.randint(1, 4),
                strides=draw.randint(1, 3),
                padding=draw.choice(paddings),
            )
            for _ in range(draw.randint(1, 3))
        ]
        shape: Shape = (1, length, 1)
        if all(isinstance(s, int) and s >= 4 for s in _lengths(layers, shape)[:-1]):
            stacks.append((layers, length))
    return stacks


def _lengths(layers: list[Layer], shape: Shape) -> list[Any]:
    found = [shape[1]]
    for layer in layers:
        if not isinstance(found[-1], int) or found[-1] < 4:
            return [*found, 0]
        shape = layer.output_shape(shape)
        found.append(shape[1])
    return found


def test_the_field_of_whole_windows_is_what_changes_an_output() -> None:
    for layers, length in windows(150, ("valid",)):
        field = followed(layers, (1, length, 1))[-1].fields[1]
        for place, seen in enumerate(changed(layers, length)):
            first = int(field.edge or 0) + place * int(field.jump or 0)
            assert seen == (first, first + int(field.size or 0)), (layers, length, place)


def test_the_field_under_padding_has_all_cells_that_change_an_output() -> None:
    padded = 0
    for layers, length in [*windows(150, ("valid", "same")), *apart(300)]:
        field = followed(layers, (1, length, 1))[-1].fields[1]
        edge, jump, size = int(field.edge or 0), int(field.jump or 0), int(field.size or 0)
        padded += edge < 0
        seen = changed(layers, length)
        if all(layer.axis_rules((1, length, 1))[0].dilation == 1 for layer in layers):
            assert seen[0][0] == max(edge, 0)  # what begins in the padding may jump over cells
        for place, (first, end) in enumerate(seen):
            assert edge + place * jump <= first
            assert end <= edge + place * jump + size
    assert padded > 30


@pytest.mark.parametrize(("length", "count"), [(7, 3), (8, 4), (10, 4), (11, 7), (5, 8), (9, 1)])
def test_windows_of_uneven_sizes_are_followed_one_by_one(length: int, count: int) -> None:
    layers = [
        made("pool average", pool_size=2, strides=1),
        made("apool average", output_size=count),
        made("pool average", pool_size=1),
    ]
    for stack in (layers[1:], layers[:2], layers):
        field = followed(stack, (1, length, 1))[-1].fields[1]
        seen = changed(stack, length)
        assert (field.edge, field.first) == (seen[0][0], seen[0][1] - seen[0][0])
        assert field.size == max(end - first for first, end in seen)
        if field.jump is not None:
            assert seen == [(i * field.jump, i * field.jump + field.size) for i in range(len(seen))]  # type: ignore[operator]


def test_global_pooling_sees_what_the_windows_before_it_saw(poolnorm: Command) -> None:
    words = "shape pipe 1,29,40,3 ! pool max --pool-size 3 --strides 2 ! bn ! gpool average"
    steps = json.loads(poolnorm(f"{words} --json").out)["steps"]

    assert [step["output_shape"] for step in steps] == [[1, 14, 19, 3], [1, 14, 19, 3], [1, 3]]
    assert [axis["receptive_field"] for axis in steps[2]["axes"]] == [29, 39]
    assert [axis["start"] for axis in steps[2]["axes"]] == [14.5, 19.5]
    assert [axis["name"] for axis in steps[2]["axes"]] == ["h", "w"]
    assert steps[1]["axes"] == steps[0]["axes"]
    assert poolnorm(f"{words} -q").out == "1,3\n"


def test_fields_of_unknown_sizes_are_told_as_far_as_they_are_known() -> None:
    layers = [made("pool max", pool_size=2, padding="same"), made("apool max", output_size=3)]
    pooled, adapted = followed(layers, ("N", "H", None, 3))

    assert pooled.lines()[1] == (
        "w: the first output depends on 2 cells of the input, the next one on those 2 further on"
    )
    assert adapted.lines() == [
        (
            "h: the first output depends on cells of the input from -((1-(H-1)%2)//2) on, "
            "whose number depends on its sizes"
        ),
        "w: the first output depends on cells of the input, whose number depends on its sizes",
    ]


def test_start_is_the_middle_of_the_first_field() -> None:
    (step,) = followed([made("pool max", pool_size=3, strides=2, padding="same")], (1, 7, 7, 1))

    assert step.fields[1] == Field(edge=-1, first=3, size=3, jump=2)
    assert step.fields[1].start == 0.5
    assert Field().start == 0.5


@pytest.mark.parametrize("length", range(4, 24))
def test_an_expression_has_the_value_of_the_number(length: int) -> None:
    for size, stride, again in product((1, 2, 3, 5), (1, 2, 3), (1, 3)):
        layers = [
            made("pool max", pool_size=size, strides=stride, padding="same"),
            made("pool max", pool_size=again, strides=2, padding="same"),
            made("gpool max"),
        ]
        for named, known in zip(
            followed(layers, ("N", "H", "C")), followed(layers, (1, length, 1)), strict=True
        ):
            for key, value in known.fields[1].entry().items():
                text = str(named.fields[1].entry()[key])
                assert eval(text, {"H": length}) == value, text  # noqa: S307 - our own text


def test_sizes_beyond_counting_take_no_time() -> None:
    huge = 10**15
    layers = [
        made("pool max", pool_size=huge, strides=1, padding="same"),
        made("apool max", output_size=10**9 + 7),
        made("gpool max"),
    ]
    few = [made("apool max", output_size=7), made("apool max", output_size=10**12)]
    assert followed(few, (1, huge, 1))[1].fields[1].size is None
    steps = followed(layers, (1, huge, 1))
    assert steps[0].fields[1].size == huge
    assert steps[1].fields[1].jump is None
    assert all(step.lines() for step in steps)
    assert all(step.layer.explain_shape(step.before) for step in steps)


def test_statistics_over_an_axis_are_told(poolnorm: Command) -> None:
    result = poolnorm("shape pipe N,8,8,4 ! pool max ! in --explain")

    assert "its statistics are taken over all of h, w, so that each value" in result.out
    assert "statistics are taken over all" not in poolnorm("shape pipe N,8,8,4 ! bn --explain").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("1,8,8,3", "no step; add one behind a !"),
        ("1,8,8,3 ! pool max ! ln --axis 7", "step 2 (ln): --axis 7 is out of range"),
        ("1,3,3,3 ! tee x.npy ! pool max --pool-size 4", "step 2 (pool max): axis 1 has 3 cells"),
        ("1,8,8,3 ! gpool max ! pool max", "step 2 (pool max): the input has rank 2"),
        ("1,8,8,3 ! pool max !", "step 2: nothing after the last !"),
    ],
)
def test_the_error_names_the_step(poolnorm: Command, words: str, said: str) -> None:
    result = poolnorm(f"shape pipe {words}")

    assert (result.code, result.out) == (2, "")
    assert said in result.err
