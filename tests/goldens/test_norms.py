"""What Keras and torch gave once for the later layers."""

import pytest

from tests.goldens.store import read
from tests.oracle.bounds import compute, difference


GOLDENS = read("norms")


@pytest.mark.parametrize("number", range(len(GOLDENS)))
def test_a_layer_gives_what_its_framework_gave(number: int) -> None:
    golden = GOLDENS[number]
    assert difference(golden.job, compute(golden.job), golden.outcome) is None


def test_the_goldens_cover_every_layer_and_rank() -> None:
    found = {(" ".join(golden.job.words), golden.job.inputs[0].ndim) for golden in GOLDENS}

    for words in ("gn", "in", "rms", "unit"):
        assert {(words, rank) for rank in (2, 3, 4)} <= found
    for words in ("apool max", "apool average"):
        assert {(words, rank) for rank in (3, 4, 5)} <= found
    assert any(golden.job.mask is not None for golden in GOLDENS)
