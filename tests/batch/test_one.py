"""One input passes through nothing that is for many, and is told in the same words."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.batch.places import tree
from tests.conftest import Command


SHAPE = (4, 6, 6, 3)
RUNS = {
    "pool max x.npy": "",
    "pool max x.npy -o y.npy": "",
    "pool average x.npy -o y.npz --json": "",
    "pool max both.npz -o y.npz --sync": "",
    "pool max both.npz -o y.npy": "a .npy holds one array",
    "pool max both.npz::b -o y.npy --overwrite": "",
    "pool max x.npy -o there.npy": "there.npy: exists",
    "pool max x.npy -o there.npy --skip-existing": "skipped: x.npy: there.npy exists",
    "pool max x.npy -o ./x.npy --overwrite": "the output is the input x.npy",
    "pool max lost.npy -o y.npy": "lost.npy",
    "pool max cut.npy -o y.npy": "cut.npy: truncated",
    "pool max x.npy --pool-size 7 -o y.npy": "x.npy: ",
    "gpool average x.npy --mask m.npy -o y.npy --explain": "",
    "bn x.npy --training --save-weights w.npz -o y.npy --json": "",
    "bn x.npy --weights there.npz -o y.npy": "weight",
    "ln x.npy --dry-run -o y.npy": "",
    "ln both.npz --export l.onnx --save-config c.json -o y.npz": "",
}


@pytest.fixture(autouse=True)
def _files() -> None:
    x = np.random.default_rng(3).standard_normal(SHAPE).astype(np.float32)
    np.save("x.npy", x)
    np.save("there.npy", x)
    np.save("m.npy", np.ones(SHAPE[:1] + SHAPE[1:3], bool))
    np.savez("both.npz", a=x, b=x[:2])
    np.savez("there.npz", gamma=np.ones(5))
    Path("cut.npy").write_bytes(Path("x.npy").read_bytes()[:-4])


def said(text: str) -> str:
    """Return what a run printed, seconds and the lines of progress left out."""
    lines = [line for line in text.splitlines() if '"seconds_left"' not in line]
    return re.sub(r"\d\.\d{6}|\"seconds\": [\d.e-]+", "S", "\n".join(lines))


@pytest.mark.parametrize(("words", "told"), RUNS.items())
def test_one_input_is_run_and_told_as_one_of_many(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, words: str, told: str
) -> None:
    before = tree(".")
    long = poolnorm(f"{words} --progress json")
    written = tree(".")
    for name in written.keys() - before.keys():
        Path(name).unlink()
    assert tree(".") == before
    monkeypatch.delitem(sys.modules, "poolnorm_cli.cli.run_batch")
    short = poolnorm(words)

    assert "poolnorm_cli.cli.run_batch" not in sys.modules
    assert (short.code, said(short.out), said(short.err)) == (
        long.code,
        said(long.out),
        said(long.err),
    )
    assert told in short.err
    assert bool(short.code) == ("error: " in short.err)
    assert {k: v for k, v in tree(".").items() if not k.endswith(".onnx")} == {
        k: v for k, v in written.items() if not k.endswith(".onnx")
    }
