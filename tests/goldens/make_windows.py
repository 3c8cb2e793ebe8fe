"""Makes the goldens of PyTorch's windows: `python -m tests.goldens.make_windows`, with torch.

Each is an input, the parameters of a layer, and what torch makes of it with channels first.
"""

from __future__ import annotations

import json
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np


torch: Any = import_module("torch")  # mypy has none
functional = torch.nn.functional

HERE = Path(__file__).parent
LENGTHS = (11, 8, 7)
SHAPES = (  # window, stride, pads, dilation
    (2, 2, 1, 1),
    (3, 2, 1, 1),
    (3, 1, 1, 2),
    (2, 3, 0, 3),
    (4, 3, 2, 1),
    (3, 5, 1, 2),
)


def pooled(x: Any, kind: str, ceil: bool, window: tuple[int, ...], own: dict[str, Any]) -> Any:
    """Call torch's function of the rank of the input."""
    size, stride, pads, dilation = window
    rank = x.ndim - 2
    if kind == "max":
        function = getattr(functional, f"max_pool{rank}d")
        return function(x, size, stride, pads, dilation, ceil)
    function = getattr(functional, f"avg_pool{rank}d")
    return function(x, size, stride, pads, ceil, **own)


def main() -> None:
    """Write parameters and arrays."""
    random = np.random.default_rng(11)
    cases: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}
    for rank in (1, 2, 3):
        x = random.standard_normal((2, 3, *LENGTHS[:rank])).astype(np.float32)
        arrays[f"x{rank}"] = x
        owns: list[tuple[str, dict[str, Any]]] = [("max", {})]
        owns += [("average", {"count_include_pad": counts}) for counts in (True, False)]
        owns += [("average", {"divisor_override": number}) for number in (5, -2) if rank > 1]
        for window, ceil, (kind, own) in product(SHAPES, (False, True), owns):
            if kind == "average" and window[3] > 1:
                continue
            number = len(cases)
            arrays[f"y{number}"] = pooled(torch.from_numpy(x), kind, ceil, window, own).numpy()
            # torch's own default is to count the padding
            counts = {} if kind == "max" else {"count_include_pad": True}
            given = {"pool_size": window[0], "strides": window[1], "pads": str(window[2])}
            given |= {"dilation_rate": window[3], "ceil_mode": ceil, **counts, **own}
            cases.append({"words": f"pool {kind}", "x": f"x{rank}", "y": f"y{number}", "of": given})
    np.savez_compressed(HERE / "windows.npz", **arrays)
    document = {"torch": torch.__version__, "cases": cases}
    (HERE / "windows.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
