"""Makes random Sequential models, and keeps what they predict.

    python sequential_worker.py FRAMEWORK COUNT FOLDER

FRAMEWORK is keras or tf_keras. Each model leaves `m<index>.keras`, `m<index>.json`, its input
`x<index>.npy` and what it predicts, `y<index>.npy`.
"""

from __future__ import annotations

import os
import random
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np


def layer(keras: Any, chance: random.Random, rank: int) -> Any:
    """Make a layer that keeps the rank, and fits nearly any size."""
    layers, kind = keras.layers, f"{rank - 2}D"
    axis = chance.choice([-1, 1])
    makers = [
        lambda: getattr(layers, f"MaxPooling{kind}")(2, padding="same"),
        lambda: getattr(layers, f"AveragePooling{kind}")(
            chance.choice([1, 2, 3]), strides=chance.choice([1, 2]), padding="same"
        ),
        lambda: layers.BatchNormalization(axis=axis, epsilon=chance.choice([1e-3, 0.1])),
        lambda: layers.BatchNormalization(scale=False, center=chance.choice([True, False])),
        lambda: layers.LayerNormalization(axis=chance.choice([-1, 1, [1, -1]])),
        lambda: layers.GroupNormalization(chance.choice([1, 2, -1])),
        lambda: layers.UnitNormalization(axis=axis),
        lambda: layers.Dropout(0.3),
        lambda: layers.Activation("linear"),
    ]
    if hasattr(layers, "RMSNormalization"):
        makers.append(layers.RMSNormalization)
    return chance.choice(makers)()


def model_of(keras: Any, chance: random.Random, rank: int, shape: tuple[int, ...]) -> Any:
    """Make a model, at times with another one inside, at times with its input declared."""
    made = [layer(keras, chance, rank) for _ in range(chance.randint(1, 5))]
    if chance.random() < 0.4:
        made.insert(0, keras.Sequential([layer(keras, chance, rank) for _ in range(2)]))
    if chance.random() < 0.5:
        made.append(getattr(keras.layers, f"GlobalAveragePooling{rank - 2}D")())
        made.append(keras.layers.BatchNormalization())
    if chance.random() < 0.5:
        made.insert(0, keras.Input(shape[1:]))
    made.append(keras.layers.UnitNormalization())  # so that there is one of ours in any case
    return keras.Sequential(made)


def main(framework: str, count: int, folder: Path) -> None:
    """Make the models of a folder."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keras = import_module(framework)
    chance, numbers = random.Random(framework), np.random.default_rng(5)  # noqa: S311
    for index in range(count):
        rank = chance.choice([3, 4, 4, 5])
        shape = (3, *(chance.randint(4, 9) for _ in range(rank - 2)), 4)
        x = numbers.normal(0.5, 2.0, shape).astype(np.float32)
        model = model_of(keras, chance, rank, shape)
        model(x)
        weights = [numbers.uniform(0.5, 1.5, w.shape).astype("f4") for w in model.get_weights()]
        model.set_weights(weights)
        np.save(folder / f"x{index}.npy", x)
        np.save(folder / f"y{index}.npy", model.predict(x, verbose=0))
        (folder / f"m{index}.json").write_text(model.to_json())
        model.save(folder / f"m{index}.keras")
        if framework == "tf_keras" or all("GroupNorm" not in layer.name for layer in model.layers):
            model.save(folder / f"m{index}.h5")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
