"""Large samples of an array that are reduced in strips by loops give what NumPy's way gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from poolnorm_cli.engine import in_memory
from poolnorm_cli.engine.array_loops import fill_by_strips
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.kernels.native import compiled
from poolnorm_cli.layers.global_pooling import GlobalAveragePooling, GlobalMaxPooling
from poolnorm_cli.layers.min_pooling import GlobalMinPooling


LAYERS: dict[str, Any] = {
    "mean": GlobalAveragePooling,
    "max": GlobalMaxPooling,
    "min": GlobalMinPooling,
}


@pytest.mark.skipif(not compiled(), reason="there are no loops")
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("odd", [1.0, np.nan, np.inf, 3e38])
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_strips_by_loops_are_those_of_arrays(
    name: str, dtype: str, odd: float, layout: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if dtype == "int32" and (odd != 1.0 or name == "mean"):
        pytest.skip("integers have maxima and minima, and nothing odd")
    shape = (1, 3000, 1500, 1) if dtype != "float64" else (2, 1700, 650, 2)
    if layout == "channels_first":
        shape = (shape[0], shape[3], *shape[1:3])
    x: Any = np.random.default_rng(1).standard_normal(shape) * 100
    x.reshape(-1)[shape[1] * 100 : shape[1] * 100 + 9] = odd
    x = x.astype(dtype)
    layer = LAYERS[name](data_format=layout)
    filled = []

    def noting(*given: Any) -> bool:
        filled.append(fill_by_strips(*given))
        return filled[-1]

    monkeypatch.setattr(in_memory, "fill_by_strips", noting)
    found = [run_array(layer, x, threads=threads)[0].tobytes() for threads in (1, 2, 3)]
    monkeypatch.setattr(in_memory, "fill_by_strips", lambda *_: False)

    expected = run_array(layer, x)[0].tobytes()

    assert found == [expected] * 3
    assert any(filled) or dtype == "int32" or layout == "channels_first"
