"""The table of cases is complete."""

from itertools import product

import pytest

from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.trainable import Trainable
from tests.cases import CASES, DTYPES, FLOATS, LAYOUTS, RANKS, STRIDES, total_pad


POOLS = ("pool max", "pool average")
GLOBAL_POOLS = ("gpool max", "gpool average")


@pytest.mark.parametrize("words", LAYERS)
def test_every_layer_has_rows_in_every_float(words: str) -> None:
    assert {case.dtype for case in CASES if case.words == words} >= set(FLOATS)


@pytest.mark.parametrize("words", LAYERS)
def test_every_choice_of_a_parameter_occurs(words: str) -> None:
    rows = [case.layer for case in CASES if case.words == words]
    for parameter in find(*words.split()).parameters():
        if parameter.type is bool:
            assert {getattr(layer, parameter.name) for layer in rows} == {True, False}


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize(("words", "rank", "layout"), list(product(POOLS, RANKS, LAYOUTS)))
def test_windows_have_every_stride_and_every_padding(words: str, rank: int, layout: str) -> None:
    found = set()
    for case in CASES:
        given = case.parameters
        if case.words != words or len(case.shape) != rank + 2 or given.get("strides") is None:
            continue
        if given.get("data_format") != layout:
            continue
        stride = given["strides"][0]
        length = case.shape[1 if layout == "channels_last" else 2]
        pads = total_pad(length, stride) if given["padding"] == "same" else None
        found.add((stride, pads))
    needed = {(stride, pads) for stride in STRIDES.values() for pads in (None, 0, 1, 2, 3)}
    assert needed - found == {(STRIDES["below"], 0)}, "'same' under the window always pads"


@pytest.mark.parametrize("words", [*POOLS, *GLOBAL_POOLS])
def test_pooling_has_every_dtype(words: str) -> None:
    assert {case.dtype for case in CASES if case.words == words} == set(DTYPES)


@pytest.mark.parametrize(("words", "rank", "layout"), list(product(GLOBAL_POOLS, RANKS, LAYOUTS)))
def test_global_pooling_has_every_rank_and_layout(words: str, rank: int, layout: str) -> None:
    found = {
        case.parameters.get("keepdims")
        for case in CASES
        if case.words == words
        and len(case.shape) == rank + 2
        and case.parameters.get("data_format") == layout
    }
    assert found >= {True, False}


@pytest.mark.parametrize("words", LAYERS)
def test_layers_with_training_have_rows_in_training(words: str) -> None:
    if issubclass(find(*words.split()), Trainable):
        assert {case.training for case in CASES if case.words == words} == {True, False}


@pytest.mark.parametrize("words", LAYERS)
def test_empty_batches_occur(words: str) -> None:
    assert any(case.words == words and 0 in case.shape for case in CASES)
