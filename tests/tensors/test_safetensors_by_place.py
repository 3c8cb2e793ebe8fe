"""Safetensors files that several threads read and write, each its own blocks."""

import json
from pathlib import Path

import numpy as np
import pytest

from poolnorm_cli.engine import threads
from poolnorm_cli.tensors import array_writer
from tests.conftest import Command
from tests.test_any_order import CASES, run


pytestmark = pytest.mark.usefixtures("threads_of_loops")


@pytest.fixture(autouse=True)
def _many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have several threads for small tensors."""
    monkeypatch.setattr(threads, "THREADED_BYTES", 0)


@pytest.mark.parametrize(("verb", "flags"), CASES)
@pytest.mark.parametrize("target", ["y.safetensors", "y.npy"])
def test_safetensors_are_read_and_written_in_any_order(
    poolnorm: Command,
    tmp_path: Path,
    verb: str,
    flags: str,
    target: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ["a", "b"] if target.endswith(".safetensors") else ["a"]
    x = np.random.default_rng(1).standard_normal((37, 64, 63, 12)).astype(np.float32)
    with (tmp_path / "x.safetensors").open("wb") as file:
        entries = {
            name: {
                "dtype": "F32",
                "shape": x.shape,
                "data_offsets": [n * x.nbytes, (n + 1) * x.nbytes],
            }
            for n, name in enumerate(names)
        }
        header = json.dumps(entries).encode()  # whose length aligns the data to nothing
        file.write(len(header).to_bytes(8, "little") + header)
        for n in range(len(names)):
            file.write((x + n).tobytes())

    places: list[int] = []
    write_at = array_writer.ArrayWriter.write_at

    def writing(self: array_writer.ArrayWriter, data: memoryview, start: int) -> None:
        places.append(start)
        write_at(self, data, start)

    monkeypatch.setattr(array_writer.ArrayWriter, "write_at", writing)
    found = {
        run(
            poolnorm,
            verb,
            Path(file.name),
            tmp_path / target,
            *["--threads", count, *flags.split()],
        )
        for count in ("1", "3")
    }

    assert len(found) == 1
    assert len(set(places)) > 1 or verb == "pipe"  # of which not all steps go on in one thread
