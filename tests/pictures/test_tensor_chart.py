"""Histograms say what they were given, however little room there is."""

import pytest

from poolnorm_cli.pictures.tensor_chart import histogram


@pytest.mark.parametrize("width", [1, 7, 8, 11, 24, 31, 32, 34, 70])
@pytest.mark.parametrize("bins", [1, 11, 25, 32])
def test_the_last_bin_is_drawn_at_any_width(width: int, bins: int) -> None:
    counts = [0] * bins
    counts[-1] = 3
    *bars, _ = histogram(counts, (0.0, 1.0), width, 2).lines()

    assert bars[0] == bars[1]
    assert bars[0].strip()
    assert set(bars[0].strip()) == {"█"}


def test_bins_for_which_there_is_no_room_are_put_together() -> None:
    *bars, ends = histogram([1, 1, 0, 4, 0, 8], (0.0, 9.0), 3, 1).lines()

    assert bars == ["▂▄█"]
    assert ends == "0 9"
