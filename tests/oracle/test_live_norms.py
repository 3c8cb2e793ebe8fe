"""The later layers and Keras' objects against the frameworks themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from poolnorm_cli.layers import find
from poolnorm_cli.layers.keras.initializers import Initializer
from poolnorm_cli.layers.keras.penalties import Constraint, Regularizer
from tests.oracle import configurations, more_configurations
from tests.oracle.live import check, needs


if TYPE_CHECKING:
    from tests.oracle.jobs import Job


pytestmark = [pytest.mark.oracle, pytest.mark.slow]

FAMILIES = {
    "group_norm": (more_configurations.group_norm, 500),
    "instance_norm": (more_configurations.instance_norm, 200),
    "rms_norm": (more_configurations.rms_norm, 300),
    "unit_norm": (more_configurations.unit_norm, 300),
    "masked_average": (more_configurations.masked_average, 200),
    "loose_average": (more_configurations.loose_average, 200),
    "loose_batch_norm": (more_configurations.loose_batch_norm, 200),
}


@needs("keras", "tensorflow")
@pytest.mark.parametrize("name", FAMILIES)
def test_random_layers_give_what_keras_gives(name: str) -> None:
    family, count = FAMILIES[name]
    jobs = configurations.jobs(family, count, seed=20260201)
    check([job for job in jobs if not has_lone_cells(job)], "keras")


@needs("tf_keras", "tensorflow")
def test_group_normalization_heeds_a_mask_as_keras_2_does() -> None:
    jobs = configurations.jobs(more_configurations.masked_group_norm, 300, seed=20260204)
    check(
        [job for job in jobs if not has_lone_cells(job)],
        "tf_keras",
        {"float32": 1e-3} | {"float64": 1e-9},
    )


def has_lone_cells(job: Job) -> bool:
    """Whether groups have one cell each: it minus itself is 0, of which Keras' terms miss a bit."""
    if "groups" not in job.params:
        return False
    x = job.inputs[0]
    groups = job.params["groups"] if job.params["groups"] > 0 else x.shape[job.params["axis"]]
    return bool(x.size == len(x) * groups)


@needs("torch")
def test_random_adaptive_pools_give_what_torch_gives() -> None:
    family = more_configurations.adaptive_pooling
    check(list(configurations.jobs(family, 1000, seed=20260202)), "torch")


@needs("tf_keras", "tensorflow")
def test_layer_normalization_gives_what_keras_2_gives_where_axes_are_sorted() -> None:
    jobs = []
    for job in configurations.jobs(configurations.layer_norm, 500, seed=20260203):
        x, axis = job.inputs[0], job.params["axis"]
        axes = sorted(a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,)))
        if x.dtype != np.float16:  # Keras 2 computes in it
            jobs.append(replace(job, params={**job.params, "axis": axes}))
    check(jobs, "tf_keras")


def keras_says(script: str, given: Any) -> Any:
    """Run a few lines of Keras in a process of its own: `given` to `results`."""
    text = f"import json, sys, keras, numpy as np\ngiven = json.load(sys.stdin)\n{script}\n"
    text += "sys.stdout.write('\\n' + json.dumps(results))"
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", text],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@needs("keras", "tensorflow")
def test_keras_builds_each_layer_from_our_config() -> None:
    chosen: dict[str, Any] = {
        "gamma_initializer": "random_normal(1, 0.5, seed=3)",
        "beta_initializer": "variance_scaling(2, seed=1)",
        "gamma_regularizer": "l1l2(0.1, 0.2)",
        "beta_regularizer": "l2",
        "gamma_constraint": "min_max_norm(0.5, 2)",
        "beta_constraint": "non_neg",
        "trainable": False,
    }
    layers: dict[str, Any] = {
        "ln": {"axis": (1, 2), **chosen},
        "gn": {"groups": 4, **chosen},
        "in": chosen,
        "bn": {k: v for k, v in chosen.items() if k != "trainable"},
        "rms": {"axis": (1, 2)},
        "unit": {"axis": (-1,)},
        "apool max": {"output_size": 3},
    }
    configs = {}
    for words, parameters in layers.items():
        layer: Any = find(*words.split())
        made = layer(**parameters)
        shape = (2, 5, 6, 8)
        configs[words] = [made.keras_class(shape), made.config(shape)]
    script = """
results = {}
for words, (name, config) in given.items():
    made = getattr(keras.layers, name).from_config(config).get_config()
    results[words] = {key: made[key] for key in config if key != "name"}
"""
    for words, config in keras_says(script, configs).items():
        ours = {key: value for key, value in configs[words][1].items() if key != "name"}
        assert config == json.loads(json.dumps(ours)), words


@needs("keras", "tensorflow")
def test_penalties_and_projections_are_those_of_keras() -> None:
    random = np.random.default_rng(7)
    regularizers = ["l1", "l2(0.3)", "l1l2(0.1, 0.7)", "orthogonal_regularizer"]
    regularizers.append("orthogonal_regularizer(2, 'columns')")
    constraints = ["max_norm(0.7)", "max_norm(1, axis=1)", "unit_norm(axis=[0, 1])", "non_neg"]
    constraints += ["min_max_norm(0.5, 0.8, 0.3, axis=-1)", "min_max_norm"]
    weights = [random.standard_normal((3, 4)).astype("float32").tolist() for _ in range(5)]
    given = {
        "weights": weights,
        "regularizers": [Regularizer.of(word).config() for word in regularizers],
        "constraints": [Constraint.of(word).config() for word in constraints],
    }
    script = """
made = [keras.regularizers.get(config) for config in given["regularizers"]]
bound = [keras.constraints.get(config) for config in given["constraints"]]
numpy = keras.ops.convert_to_numpy
tensors = [keras.ops.convert_to_tensor(np.array(w, "float32")) for w in given["weights"]]
results = {
    "penalties": [[float(numpy(m(w))) for w in tensors] for m in made],
    "projected": [[numpy(b(w)).tolist() for w in tensors] for b in bound],
}
"""
    results = keras_says(script, given)
    arrays = [np.array(weight) for weight in weights]
    penalties = [[Regularizer.of(word).penalty(w) for w in arrays] for word in regularizers]
    projected = [[Constraint.of(word).project(w) for w in arrays] for word in constraints]
    np.testing.assert_allclose(penalties, results["penalties"], rtol=1e-5)
    np.testing.assert_allclose(projected, results["projected"], rtol=1e-5, atol=1e-6)


@needs("keras", "tensorflow")
def test_keras_takes_the_words_that_we_take_and_draws_as_wide() -> None:
    kinds = ("initializer", "regularizer", "constraint")
    words = dict(zip(kinds, map(_words, (Initializer, Regularizer, Constraint)), strict=True))
    script = """
results = {}
keras.utils.set_random_seed(20260203)
for kind, words in given.items():
    get = getattr(keras, kind + "s").get
    results[kind] = {}
    for word in words:
        config = {"value": 1.0} if word.lower() == "constant" else {}
        made = get({"class_name": word, "config": config})
        spread = None
        if kind == "initializer" and not any(w in word.lower() for w in ("ortho", "ident", "stft")):
            drawn = np.array(keras.ops.convert_to_numpy(made((30000,))))
            far = np.quantile(abs(drawn), 0.995)  # the widest of all draws tells too little
            spread = [float(drawn.mean()), float(drawn.std()), float(far)]
        results[kind][word] = spread
"""
    results = keras_says(script, words)
    for word, spread in results["initializer"].items():
        if spread is None or word.lower() == "constant":
            continue
        ours: Any = Initializer.of(word)
        if hasattr(ours, "seed"):
            ours = replace(ours, seed=20260203)
        drawn = ours.values((30000,))
        mean, width, far = spread
        np.testing.assert_allclose(drawn.std(), width, rtol=0.03, err_msg=word)
        np.testing.assert_allclose(drawn.mean(), mean, atol=0.03 * width, err_msg=word)
        np.testing.assert_allclose(np.quantile(abs(drawn), 0.995), far, rtol=0.05, err_msg=word)


def _words(kind: Any) -> list[str]:
    """List the words of Keras 3; the others are those of Keras 2."""
    keras_2 = {"l1_l2", "maxnorm", "nonneg", "unitnorm", "radial_constraint", "RadialConstraint"}
    return sorted(set(kind.known()) - keras_2)
