"""Make Sequential models of Keras 3 and tf_keras, and what they make of a tensor.

    python tests/weights/make_sequential.py FRAMEWORK [DIRECTORY]

FRAMEWORK is keras or tf_keras. Each model is left as `FRAMEWORK_NAME.json`, and where it has
weights as `.keras` and `.h5`; what it predicts is in `FRAMEWORK.predicted.npz`. Without a directory
the fixtures beside this file are made anew.
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


Array = NDArray[Any]
FIXTURES = Path(__file__).parent / "fixtures"
IMAGE, SERIES = (12, 10, 6), (9, 4)


def models(keras: Any) -> dict[str, Any]:
    """Make the models, by what they are called."""
    layers = keras.layers
    inner = keras.Sequential(
        [layers.BatchNormalization(name="bn"), layers.LayerNormalization(name="ln", axis=[2, 3])],
        name="inner",
    )
    keras_3 = [] if keras.__name__ == "tf_keras" else [layers.RMSNormalization(name="rms")]
    return {
        "image": keras.Sequential(
            [
                keras.Input(IMAGE),
                layers.MaxPooling2D(2, padding="same", name="pool"),
                layers.BatchNormalization(name="bn", epsilon=0.02, momentum=0.9),
                layers.Dropout(0.5, name="drop"),
                layers.AveragePooling2D((3, 2), strides=1, padding="same", name="smooth"),
                inner,
                layers.GroupNormalization(3, name="gn", epsilon=0.01),
                layers.Activation("linear", name="nothing"),
                *keras_3,
                layers.GlobalAveragePooling2D(name="whole"),
                layers.BatchNormalization(name="last", center=False, scale=False),
                layers.UnitNormalization(name="unit"),
            ],
            name="image",
        ),
        "series": keras.Sequential(
            [
                layers.MaxPooling1D(3, strides=2, data_format="channels_first", name="pool"),
                layers.AveragePooling1D(2, padding="same", name="smooth"),
                layers.GlobalMaxPooling1D(keepdims=True, name="whole"),
            ],
            name="series",
        ),
    }


def inputs() -> dict[str, Array]:
    """Return an input for each model."""
    random = np.random.default_rng(11)
    shapes = {"image": (3, *IMAGE), "series": (2, *SERIES)}
    return {n: random.normal(0.5, 2.0, s).astype(np.float32) for n, s in shapes.items()}


def make(framework: str, directory: Path) -> None:
    """Save all models, and what they predict."""
    keras = import_module(framework)
    random = np.random.default_rng(3)
    kept: dict[str, Array] = {}
    for name, model in models(keras).items():
        x = inputs()[name]
        model(x)
        weights = [random.uniform(0.5, 1.5, w.shape).astype("f4") for w in model.get_weights()]
        model.set_weights(weights)
        kept[name] = model.predict(x, verbose=0)
        stem = directory / f"{framework}_{name}"
        stem.with_suffix(".json").write_text(model.to_json(indent=1) + "\n")
        if weights:
            model.save(stem.with_suffix(".keras"))
            model.save(stem.with_suffix(".h5"))
    arrays: dict[str, Any] = dict(kept)
    np.savez(directory / f"{framework}.predicted.npz", **arrays)


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    make(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else FIXTURES)
