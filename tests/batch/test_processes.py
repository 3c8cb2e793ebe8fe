"""How many processes `-j auto` starts: as many as the work is worth, which follows from sizes."""

from pathlib import Path

import pytest

from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.batch import processes
from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.batch.processes import guessed_seconds, worthwhile_processes


def inputs(count: int, size: int, suffix: str = ".npy") -> list[Input]:
    """Return inputs, all of them files of one size, of which nothing is on the disk."""
    made = []
    for n in range(count):
        path = Path(f"{n}{suffix}")
        with path.open("wb") as file:
            file.truncate(size)
        made.append(Input(str(path)))
    return made


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (0, 0, 1),
        (1, 37_000, 1),
        (100, 37_000, 1),
        (400, 37_000, 5),
        (1000, 37_000, 8),
        (3000, 1000, 12),
        (3000, 37_000, 16),
        (15, 1 << 20, 1),
        (2, 40 << 20, 16),
        (1, 1 << 30, 16),
    ],
)
def test_they_follow_from_count_and_size(
    monkeypatch: pytest.MonkeyPatch, count: int, size: int, expected: int
) -> None:
    monkeypatch.setattr(processes, "processors", lambda: 16)

    assert worthwhile_processes(inputs(count, size), NUMPY) == expected


def test_there_are_no_more_than_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    for most in (1, 2, 3):
        monkeypatch.setattr(processes, "processors", lambda most=most: most)
        assert worthwhile_processes(inputs(2000, 37_000), NUMPY) == most


def test_what_is_unpacked_is_worth_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "processors", lambda: 16)

    assert worthwhile_processes(inputs(100, 37_000, ".npz"), NUMPY) > 8


def test_another_backend_gets_all_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        name = "other"

    monkeypatch.setattr(processes, "processors", lambda: 16)

    assert worthwhile_processes(inputs(20, 100), Other()) == 16  # type: ignore[arg-type]
    assert worthwhile_processes(inputs(15, 100), Other()) == 1  # type: ignore[arg-type]


def test_what_is_not_there_and_what_is_on_a_stream_is_no_hindrance() -> None:
    assert guessed_seconds(Input("-")) is None
    assert worthwhile_processes([Input("missing.npy")] * 20, NUMPY) == 1
