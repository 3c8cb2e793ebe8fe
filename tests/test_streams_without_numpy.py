"""Tensors on a stream go through a layer without NumPy until one comes that takes it."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from poolnorm_cli.engine.buffer_job import BufferJob
from poolnorm_cli.kernels import native


if TYPE_CHECKING:
    from tests.conftest import Command

pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")

NAMES = ("gamma", "beta", "moving_mean", "moving_variance")


def stream_of(*arrays: Any) -> bytes:
    file = io.BytesIO()
    for array in arrays:
        np.save(file, array)
    return file.getvalue()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return what is kept of each tensor: whether it needs no NumPy."""
    found: list[bool] = []
    own = BufferJob.serves

    def serves(job: Any, tensors: Any) -> bool:
        found.append(own(job, tensors))
        return found[-1]

    monkeypatch.setattr(BufferJob, "serves", serves)
    return found


RANDOM = np.random.default_rng(0)
FIRST = RANDOM.standard_normal((3, 8, 9, 3), dtype=np.float32)
SECOND = RANDOM.standard_normal((2, 40, 50, 3)).astype(">f8")
INTEGERS = RANDOM.integers(-9, 9, (2, 8, 8, 3), np.int16)
FORTRAN = np.asfortranarray(FIRST)

STREAMS: dict[str, tuple[list[Any], list[bool] | None]] = {
    "one": ([FIRST], [True]),
    "two": ([FIRST, SECOND], [True, True]),
    "fortran in between": ([FIRST, FORTRAN, SECOND], [True, False]),
    "fortran first": ([FORTRAN, FIRST], [False]),
    "empty": ([FIRST[:0], FIRST], [False]),
    "other channels": ([FIRST, RANDOM.standard_normal((2, 6, 6, 4))], None),
    "too small": ([FIRST, FIRST[:, :1, :1]], None),
    "rank": ([FIRST, FIRST[0, 0]], None),
    "integers": ([INTEGERS, FIRST], None),
}
WORDS = [
    "pool max",
    "gpool average",
    "bn",
    "bn --weights w.npz",
    "bn --weights bad.npz",
    "bn --weights none.npz",
    "ln --gamma-initializer random_normal(seed=1)",
    "pipe",
]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_gives_what_it_gives_with_arrays(
    name: str,
    words: str,
    poolnorm: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    weights: dict[str, Any] = {key: RANDOM.random(3) + 0.5 for key in NAMES}
    np.savez("w.npz", **weights)
    np.savez("bad.npz", **{key: -value for key, value in weights.items()})
    data = stream_of(*STREAMS[name][0])
    steps = ["!", "pool", "max", "!", "bn", "--weights", "w.npz"] if words == "pipe" else []

    def told(stdin: bytes) -> tuple[Any, ...]:
        done = poolnorm(f"{words} - -o y.npz --json", *steps, stdin=stdin)
        text = re.sub(r"\d[\d.]*e-\d+|\d\.\d+", "", done.out + done.err)
        arrays = []
        if Path("y.npz").exists():
            with np.load("y.npz") as made:
                arrays = [made[key].tobytes() for key in made.files]
            Path("y.npz").unlink()
        return done.code, text, arrays

    for stdin in (data, data[:-5], b""):
        plain = told(stdin)
        with monkeypatch.context() as patch:
            patch.setattr(BufferJob, "serves", lambda *_: False)
            assert told(stdin) == plain
        assert not list(Path().glob(".poolnorm*"))


@pytest.mark.parametrize("name", [name for name, (_, kept) in STREAMS.items() if kept])
def test_numpy_is_left_out_until_something_takes_it(
    name: str, poolnorm: Command, tmp_path: Path, served: list[bool]
) -> None:
    arrays, expected = STREAMS[name]

    done = poolnorm(f"rms - -q -o {tmp_path / 'y.npz'}", stdin=stream_of(*arrays))

    assert done.code == 0, done.err
    assert served == expected


_LISTED = """
import sys
from poolnorm_cli.cli.main import run
code = run(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("words", ["pool max {}", "bn {} --unbatched", "pipe {} -o - ! ln ! rms"])
@pytest.mark.parametrize("source", ["-", "/dev/stdin"])
def test_what_stands_in_a_row_of_pipes_imports_no_array(words: str, source: str) -> None:
    given = words.format(source)
    more = "" if "!" in given else " -o -"
    done = subprocess.run(
        [sys.executable, "-c", _LISTED, *(given + more).split()],
        input=stream_of(FIRST),
        capture_output=True,
        check=True,
    )

    found = set(done.stderr.decode().split())
    assert np.load(io.BytesIO(done.stdout)).dtype == np.float32
    assert "poolnorm_cli.engine.stream_job" in found
    assert not {"numpy", "tempfile", "typer", "rich"} & found
