"""Time in process: `ours.py WORDS PARAMETERS INPUT ROUNDS`, or `ours.py copy {} INPUT ROUNDS`."""
# ruff: noqa: ANN001, ANN201 - a script of a page

import json
import sys
import time

import numpy as np

import poolnorm_cli


def job(words, parameters, x, threads=None):
    if words == "copy":
        y = np.empty_like(x)
        return lambda: np.copyto(y, x)
    training = parameters.pop("training", False)
    layer = class_of(words)(**parameters)
    weights = layer.weights_for(x.shape, x.dtype.name)
    y = np.empty_like(layer(x, weights))  # used again, as runtimes do with theirs
    return lambda: layer(x, weights, training=training, threads=threads, out=y)


def class_of(words):
    """Return the class that a Python program has for the words of the command line."""
    classes = (getattr(poolnorm_cli, name) for name in poolnorm_cli.__all__)
    return next(kind for kind in classes if getattr(kind, "words", None) == words)


def half_job(words, parameters, x, threads=None):
    """Do the same on bfloat16, as a Python program has it, for which NumPy has no type."""
    from ml_dtypes import bfloat16

    return job(words, parameters, x.astype(bfloat16), threads)


def main(words, parameters, source, rounds):
    once = job(words, json.loads(parameters), np.load(source))
    once()
    times = []
    for _ in range(int(rounds)):
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
    print(min(times))


if __name__ == "__main__":
    main(*sys.argv[1:])
