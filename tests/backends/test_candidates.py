"""Graphs that are timed beside those of runs, on the processor."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from benchmarks import candidates, device
from poolnorm_cli.backends.providers import choose
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.layers import find


def test_graphs_are_timed_beside_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(candidates, "TURNS", 1)
    words = "--only candidates --provider cpu --shape 2,32,32,16 --results found.json"
    monkeypatch.setattr(sys, "argv", ["device", *words.split(), "--work", str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    device.main()

    found = json.loads(Path("found.json").read_text())["times"]
    assert [*found] == [f"cpu 2x32x32x16 {name} candidates" for name in candidates.WAYS]
    lines = capsys.readouterr().out.splitlines()
    for times in found.values():
        labels = [label for label in times if label != "torch"]
        assert labels[0] == "poolnorm"
        assert len(labels) > 2
        for label in labels:
            assert times[label][0] > 0
            assert any(line.startswith(f"  {label} ") for line in lines)
    # The operator that gathers for itself does so in old operator sets on a device alone.
    wrong = [line.split("  ")[1] for line in lines if line.endswith("WRONG")]
    assert wrong in (["the operator's own statistics"], [])


@pytest.mark.parametrize("words", ["bn", "ln", "gn", "gpool max"])
def test_the_graph_of_a_run_is_what_is_timed_without_copies(words: str) -> None:
    """With its weights in the dtypes that it declares."""
    more: Any = {"groups": 4} if words == "gn" else {}
    made = find(*words.split())(**more)
    x = np.random.default_rng(1).standard_normal((2, 8, 8, 16), np.float32)
    held = onnxruntime.OrtValue.ortvalue_from_numpy(x, "cpu", 0)
    way = candidates.tried_first(made, x.shape)
    once, binding = candidates.resident(way, choose("cpu", print), held)
    once()
    y = binding.get_outputs()[0].numpy()
    np.testing.assert_allclose(y, run_array(made, x)[0], rtol=1e-5, atol=1e-5)
