"""What a person sees on a terminal: the table last, values cut to the screen, and no long lists."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.cli.main import run
from tests.conftest import Command


Screen = Callable[..., list[str]]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Run the command on a terminal of some size, and return the lines of it."""

    def call(words: str, height: int = 24, width: int = 80) -> list[str]:
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("LINES", str(height))
        monkeypatch.setenv("COLUMNS", str(width))
        run([*words.split(), "--color", "never"])
        return stream.getvalue().splitlines()

    return call


@pytest.mark.parametrize("height", [12, 24, 50])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_first_command_fits_the_screen_and_ends_in_the_table(
    screen: Screen, x: Any, height: int, width: int
) -> None:
    lines = screen("pool max x.npy", height, width)

    assert len(lines) < height
    assert lines[0].startswith("at [0")
    assert lines[-1].startswith("└")
    assert any("(4, 14, 14, 3)" in line for line in lines[-4:])
    del x


@pytest.mark.parametrize(
    "shape", [(2, 3), (40, 3), (2, 9, 9), (1, 4, 4, 4, 4), (3, 0, 2), (1, 5, 5, 900)]
)
def test_values_are_cut_for_any_rank(screen: Screen, shape: tuple[int, ...]) -> None:
    np.save("x.npy", np.zeros(shape, np.float32))

    assert len(screen("ln x.npy", 20)) < 20


def test_values_that_fit_are_as_numpy_prints_them(screen: Screen) -> None:
    np.save("x.npy", np.arange(12, dtype=np.float32).reshape(1, 6, 2))
    lines = screen("pool max x.npy")

    assert "\n".join(lines[:3]) == "[[[ 2.  3.]\n  [ 6.  7.]\n  [10. 11.]]]"


def test_values_on_request_are_all_that_numpy_prints(screen: Screen, x: Any) -> None:
    lines = screen("pool max x.npy --values")

    assert len(lines) > 200
    assert lines[-1].startswith("└")
    del x


def test_a_pipe_gets_all_values_after_the_line(poolnorm: Command, x: Any) -> None:
    lines = poolnorm("pool max x.npy").out.splitlines()

    assert lines[0].startswith("x.npy\t(4, 28, 28, 3)\t(4, 14, 14, 3)")
    assert len(lines) > 200
    del x


def test_several_inputs_share_the_screen(screen: Screen, x: Any) -> None:
    lines = screen("pool max x.npy x.npy x.npy", 40)

    assert len(lines) < 40
    assert sum(line.startswith("at [0") for line in lines) == 3
    del x


@pytest.fixture
def many() -> int:
    Path("many").mkdir()
    for number in range(60):
        np.save(f"many/{number:02}.npy", np.ones((2, 6, 6, 3), np.float32))
    for number in range(40, 60):
        Path(f"many/{number}.npy").write_bytes(b"no array")
    np.save("many/ok.npy", np.ones((2, 6, 6, 3), np.float32))
    return 41


def test_many_inputs_end_in_a_summary(
    screen: Screen, many: int, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = screen("pool max many -O out", height=30)
    told = capsys.readouterr().err.splitlines()

    assert lines[0] == "MaxPooling2D(pool_size=2)"
    assert lines[1].startswith(
        f"{many} tensors done, 20 failed: 34.6 KiB read, 8.6 KiB written, in "
    )
    assert lines[2:] == ["`| cat` or --json lists every tensor"]
    assert sum(line.startswith("error: ") for line in told) == 10
    assert told[10] == "more inputs fail; a journal (--journal FILE) has the error of each"
    assert told[-1].startswith("  20 x not a .npy file")


def test_outputs_that_exist_are_not_listed_without_end(
    screen: Screen, many: int, capsys: pytest.CaptureFixture[str]
) -> None:
    screen("pool max many -O out")
    capsys.readouterr()
    screen("pool max many -O out --skip-existing")
    told = capsys.readouterr().err.splitlines()

    assert sum(line.startswith("skipped: ") for line in told) == 10 < many
    assert "more outputs exist; their inputs are skipped" in told


def test_a_pipe_gets_every_error_and_line(poolnorm: Command, many: int) -> None:
    done = poolnorm("pool max many -O out")

    assert len(done.out.splitlines()) == many
    assert sum(line.startswith("error: ") for line in done.err.splitlines()) == 20


def test_a_dry_run_has_a_total(screen: Screen, poolnorm: Command, x: Any) -> None:
    Path("y.npy").write_bytes(Path("x.npy").read_bytes())
    document = json.loads(poolnorm("pool max x.npy y.npy --dry-run --json").out)
    lines = screen("pool max x.npy y.npy --dry-run", width=200)

    assert lines[-1].startswith("total: 2 tensors: 73.5 KiB to read, 18.4 KiB to write, about ")
    assert any("36.8 KiB" in line for line in lines)
    assert document["total"]["tensors"] == 2
    assert document["total"]["input_nbytes"] == 2 * x.nbytes
    assert document["total"]["memory"] == document["results"][0]["memory"]


def test_a_dry_run_of_several_processes_counts_their_memory(poolnorm: Command, x: Any) -> None:
    one = json.loads(poolnorm("pool max x.npy x.npy --dry-run --json").out)
    two = json.loads(poolnorm("pool max x.npy x.npy --dry-run --json -j 2").out)

    assert two["total"]["memory"] == 2 * one["total"]["memory"]
    del x


def test_a_dry_run_of_many_is_a_total(screen: Screen, many: int) -> None:
    lines = screen("pool max many --dry-run", height=30)

    assert lines[0] == "dry run: MaxPooling2D(pool_size=2)"
    assert lines[2].startswith(f"total: {many} tensors, 20 that would fail: ")
