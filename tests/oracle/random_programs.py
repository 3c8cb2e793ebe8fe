"""Random layers, inputs, weights and masks as command lines, with the files that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np


if TYPE_CHECKING:
    from collections.abc import Iterator

Random = np.random.Generator
KINDS = ("pool", "gpool", "apool", "bn", "bn", "ln", "gn", "in", "rms", "unit")
DTYPES = ("float32", "float32", "float32", "float64", "float16", "int32", "uint8")
RENORM = ("moving_stddev", "renorm_mean", "renorm_stddev")


def random_lines(count: int, seed: int) -> Iterator[str]:
    """Write the files of so many command lines into the current directory, and list these."""
    random = np.random.default_rng(seed)
    for number in range(count):
        kind = KINDS[random.integers(len(KINDS))]
        rank = int(random.integers(3, 6) if kind.endswith("pool") else random.integers(2, 6))
        shape = tuple(int(size) for size in random.choice([1, 2, 3, 4, 5, 7], rank))
        dtype = DTYPES[random.integers(len(DTYPES))]
        x = random.standard_normal(shape) * random.choice([1, 10])
        np.save(f"x{number}.npy", (x if dtype.startswith("f") else abs(x)).astype(dtype))
        if kind.endswith("pool"):
            yield _pool(random, kind, f"x{number}.npy", rank)
        else:
            yield _norm(random, kind, number, shape)


def _chosen(random: Random, *choices: object) -> object:
    return choices[random.integers(len(choices))]


def _pool(random: Random, kind: str, x: str, rank: int) -> str:
    layout = _chosen(random, "channels_last", "channels_first")
    line = f"{kind} {_chosen(random, 'max', 'average')} {x} --data-format {layout}"
    if kind == "gpool":
        return line + str(_chosen(random, "", " --keepdims"))
    sizes = ",".join(map(str, random.integers(1, 5, rank - 2)))
    if kind == "apool":
        return f"{line} --output-size {sizes}"
    padding = _chosen(random, "same", "same", "valid")
    return f"{line} --pool-size {sizes} --strides {random.integers(1, 4)} --padding {padding}"


def _norm(random: Random, kind: str, number: int, shape: tuple[int, ...]) -> str:
    rank = len(shape)
    many = 2 if rank > 2 and kind in ("ln", "rms", "unit", "bn") and random.random() < 0.3 else 1
    axes = [int(a) for a in random.choice(np.arange(1, rank), many, replace=False)]
    signed = ",".join(str(int(a - _chosen(random, 0, rank))) for a in axes)  # type: ignore[operator]
    line = f"{kind} x{number}.npy --axis {signed}"
    if kind == "unit":
        return line
    line += str(_chosen(random, "", " --epsilon 1e-5", " --epsilon 0.1"))
    names = ["scale"] if kind == "rms" else ["gamma", "beta"]
    for flag, name in (("--no-scale", "gamma"), ("--no-center", "beta")):
        if name in names and random.random() < 0.2:
            names.remove(name)
            line += f" {flag}"
    if kind == "gn":
        fitting = [g for g in (1, 2, 3, 5, 7) if not shape[axes[0]] % g]
        line += f" --groups {_chosen(random, -1, *fitting)}"
    training = kind == "bn" and random.random() < 0.5
    if kind == "bn":
        names += ["moving_mean", "moving_variance"]
        line += " --training" if training else ""
        if random.random() < 0.2:
            names += RENORM
            line += " --renorm"
    if names and random.random() < 0.6:
        sizes = tuple(shape[axis] for axis in sorted(axes))
        held = {n: random.uniform(0.5, 2, sizes).astype(random.choice(["f4", "f8"])) for n in names}
        np.savez(f"w{number}.npz", **held)  # type: ignore[arg-type]
        line += f" --weights w{number}.npz"
    if (training or kind in ("gn", "in")) and random.random() < 0.4:
        cells = shape if kind in ("gn", "in") else shape[:-1]
        narrowed = tuple(int(_chosen(random, size, size, 1)) for size in cells)  # type: ignore[call-overload]
        np.save(
            f"m{number}.npy", (random.random(narrowed) < 0.8).astype(random.choice(["?", "f4"]))
        )
        line += f" --mask m{number}.npy"
    return line
