"""How lines of words and code are broken on a terminal."""

import sys

import pytest

from poolnorm_cli.report.text import wrapped


def test_words_are_broken_at_spaces_and_code_stays_whole() -> None:
    lines = ["one two three four", "    layer = torch.nn.MaxPool2d(kernel_size=3)"]

    assert list(wrapped(lines, 12)) == ["one two", "  three four", lines[1]]
    assert list(wrapped(lines, sys.maxsize)) == lines


@pytest.mark.parametrize("width", [10, 30, 80])
def test_nothing_is_lost(width: int) -> None:
    text = "pads max((14 - 1) * 2 + 3 - 28, 0) = 1: 0 before, 1 after; cells 26-27 never read"

    assert " ".join(line.strip() for line in wrapped([text], width)) == text
