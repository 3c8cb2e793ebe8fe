"""Many inputs without NumPy: the same outputs, words and refusals as where all are arrays."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from poolnorm_cli.engine.buffer_job import BufferJob
from poolnorm_cli.kernels import native
from tests.batch.places import tree
from tests.conftest import Command


if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")

LINES = [
    "pool max in -O {o}",
    "pool max in -O {o} --padding same --output-name {{stem}}_{{op}}{{ext}} --json",
    "pool max in -O {o} --unbatched",
    "pool average in -O {o} --dtype float64 --max-memory 1G",
    "gpool average in/a.npy in/b.npy in/c.npy -O {o} -q",
    "apool max in -O {o} --output-size 2",
    "bn in -O {o}",
    "bn in -O {o} --weights w.npz",
    "ln in -O {o}",
    "bn in/a.npy in/wide.npy -O {o} --weights w.npz",
    "bn in/z.npz::p in/b.npy -O {o} --weights w.npz --skip-existing",
    "bn in/b.npy in/a.npy -O {o} --gamma-initializer random_normal(seed=1)",
    "bn in/none.npy in/a.npy -O {o}",
    "bn in/double.npy in/a.npy -O {o}",
    "gn in -O {o} --groups 1",
    "pool max in --no-values",
    "pool max in -O {o} --max-memory 1M",
    "pipe in -O {o} ! pool max ! bn --weights w.npz ! gpool average",
    "pipe in -O {o} --weights steps.npz ! ln --name l ! bn --name b",
    "pipe in -O {o} ! pool max --pool-size 3 ! unit",
]


def _make_inputs() -> None:
    Path("in").mkdir()
    random = np.random.default_rng(0)
    x = random.standard_normal((4, 6, 5, 3), dtype=np.float32)
    arrays: dict[str, NDArray[Any]] = {
        "a": x,
        "b": x[:1],
        "c": random.standard_normal((3, 9, 8, 3), dtype=np.float32),
        "double": x.astype(np.float64),
        "empty": x[:0],
        "fortran": np.asfortranarray(x),
        "half": x.astype(np.float16),
        "integers": (x * 9).astype(np.int8),
        "swapped": x.astype(">f4"),
        "volume": random.standard_normal((2, 5, 4, 3, 3), dtype=np.float32),
        "wide": random.standard_normal((2, 6, 5, 4), dtype=np.float32),
    }
    for name, each in arrays.items():
        np.save(f"in/{name}.npy", each)
    np.savez("in/z.npz", p=x, q=x[:2])
    whole = Path("in/a.npy").read_bytes()
    Path("in/short.npy").write_bytes(whole[:-4])
    own = {"gamma": 1.5, "beta": 0.25, "moving_mean": 0.5, "moving_variance": 2.0}
    weights = {name: np.full(3, value, np.float32) for name, value in own.items()}
    np.savez("w.npz", **weights)  # type: ignore[arg-type]
    both = {f"b/{name}": value for name, value in weights.items()}
    both |= {f"l/{name}": weights[name] for name in ("gamma", "beta")}
    np.savez("steps.npz", **both)  # type: ignore[arg-type]


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("line", LINES)
def test_outputs_and_words_are_those_of_arrays(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, line: str, jobs: str
) -> None:
    _make_inputs()
    served: list[bool] = []
    own = BufferJob.serves

    def serves(job: BufferJob, tensors: object) -> bool:
        served.append(own(job, tensors))  # type: ignore[arg-type]
        return served[-1]

    def told(folder: str) -> tuple[object, ...]:
        head, *steps = line.format(o=folder).split(" ! ", 1)
        done = poolnorm(" ! ".join([f"{head} -j {jobs}", *steps]))
        text = re.sub(r"\d[\d.]*e-\d+|\d\.\d+", "", (done.out + done.err).replace(folder, ""))
        return done.code, text, tree(folder) if Path(folder).exists() else None

    monkeypatch.setattr(BufferJob, "serves", serves)
    plain = told("first-output")
    monkeypatch.setattr(BufferJob, "serves", lambda *_: False)

    assert told("other-output") == plain
    assert any(served) == ("random" not in line and "1M" not in line and "none" not in line)
