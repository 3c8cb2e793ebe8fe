"""The files that the command lines of `program_lines` name."""

from __future__ import annotations

from typing import Any

import numpy as np


SHAPES = {2: (6, 4), 3: (3, 7, 4), 4: (2, 7, 6, 4), 5: (2, 5, 6, 4, 4), 6: (2, 3, 2, 3, 4, 4)}
WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")
TORCH = ("weight", "bias", "running_mean", "running_var")
RENORM = ("moving_stddev", "renorm_mean", "renorm_stddev")


def write_files() -> None:
    """Write inputs, weights and masks into the current directory."""
    random = np.random.default_rng(20261126)
    for rank, shape in SHAPES.items():
        _inputs(random, rank, shape)
    x3, x4, mask3, mask4 = (np.load(f"{name}.npy") for name in ("x3", "x4", "mask3", "mask4"))
    save("x", {"first": x4, "scope/second:0": x3})
    save("masks", {"first": mask4, "scope/second:0": mask3})
    np.save("x1.npy", np.arange(5, dtype="float32"))
    np.save("alone.npy", x3[..., :1])
    np.save("lone.npy", random.standard_normal((1, 4)).astype("float32"))
    np.save("huge.npy", np.array([[[2**62 + 1, 5], [2**62, -(2**62) - 1], [3, 4]]]))
    np.save("last.npy", random.standard_normal((2, 4, 5, 6)).astype("float32"))
    np.save("first.npy", random.standard_normal((2, 6, 4, 4)).astype("float32"))
    np.save("row.npy", (random.random((1, 7)) > 0.4).astype("float32"))
    np.save("column.npy", np.array([[1], [0], [2.5]]))
    np.save("step.npy", np.ones((3, 1)))
    for name, sizes in (("four", (4,)), ("seven", (7,)), ("both", (7, 4)), ("two", (6, 4))):
        _weights(random, name, sizes)
    four = dict(np.load("bn_four.npz"))
    save("wide", {name: weight.astype("float64") for name, weight in four.items()})
    save("named", {f"block/bn/{name}:0": weight for name, weight in four.items()})
    names = dict(zip(WEIGHTS, TORCH, strict=True))
    save("torch", {f"bn.{names[name]}": weight for name, weight in four.items()})
    save("laid", {name: weight.reshape(1, 1, 4) for name, weight in four.items()})
    vectors = {"scale": np.array([1.5, 1, 0.5, 2]), "bias": np.array([0.0, 1, 2, 3])}
    save("adjustment", {name: values.astype("float32") for name, values in vectors.items()})
    save("scale", {"scale": random.uniform(0.5, 2, (2, 1, 1, 4)).astype("float32")})


def save(name: str, arrays: dict[str, Any]) -> None:
    """Write an `.npz`, whatever the names in it."""
    np.savez(f"{name}.npz", **arrays)


def _inputs(random: np.random.Generator, rank: int, shape: tuple[int, ...]) -> None:
    x = random.standard_normal(shape)
    kinds = {"x": "float32", "wide": "float64", "half": "float16", "big": ">f4"}
    for name, kind in kinds.items():
        np.save(f"{name}{rank}.npy", x.astype(kind))
    np.save(f"turned{rank}.npy", np.asfortranarray(x.astype("float32")))
    upper = (x.astype("<f4").view("<u4") >> 16).astype("<u2")
    np.save(f"brain{rank}.npy", upper.view("V2"))
    for kind in ("int8", "uint8", "int32", "int64", "uint16", "bool"):
        most = 2 if kind == "bool" else 100
        np.save(f"{kind}{rank}.npy", random.integers(0, most, shape).astype(kind))
    np.save(f"mask{rank}.npy", random.random(shape[:-1]) < 0.7)
    np.save(f"cells{rank}.npy", random.random(shape) < 0.7)


def _weights(random: np.random.Generator, name: str, sizes: tuple[int, ...]) -> None:
    names = (*WEIGHTS, *RENORM)
    held = {each: random.uniform(0.5, 2, sizes).astype("float32") for each in names}
    save(f"bn_{name}", {each: held[each] for each in WEIGHTS})
    save(f"renorm_{name}", held)
    save(f"ln_{name}", {each: held[each] for each in WEIGHTS[:2]})
    save(f"rms_{name}", {"scale": held["gamma"]})
