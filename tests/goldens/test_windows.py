"""Windows as PyTorch has them: pads, ceil mode, dilation and divisors, against its own answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.kernels import native
from poolnorm_cli.layers import find


HERE = Path(__file__).parent
CASES = json.loads((HERE / "windows.json").read_text())["cases"]
ARRAYS = np.load(HERE / "windows.npz")


def name(case: dict[str, Any]) -> str:
    return "-".join([case["x"], case["words"].split()[1], *map(str, case["of"].values())])


@pytest.mark.parametrize("loops", ["compiled", "numpy"])
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("case", CASES, ids=name)
def test_windows_are_those_of_torch(
    case: dict[str, Any], layout: str, loops: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if loops == "numpy":
        monkeypatch.setattr(native, "_LOOPS", None)
    last = layout == "channels_last"
    x, theirs = ARRAYS[case["x"]], ARRAYS[case["y"]]
    given: dict[str, Any] = {**case["of"], "data_format": layout}
    layer = find(*case["words"].split())(**given)
    x = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if last else x

    ours = layer.apply(x, {})

    assert ours.shape == layer.output_shape(x.shape)
    found = np.moveaxis(ours, -1, 1) if last else ours
    if layer.words == "pool max":
        np.testing.assert_array_equal(found, theirs)
    else:
        np.testing.assert_allclose(found, theirs, rtol=1e-5, atol=1e-6)
