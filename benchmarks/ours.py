"""Time in process: `ours.py WORDS PARAMETERS INPUT ROUNDS`, or `ours.py copy {} INPUT ROUNDS`."""
# ruff: noqa: ANN001, ANN201, ANN202 - a script of a page

import json
import sys
import time

import numpy as np

import poolnorm_cli
from poolnorm_cli.engine.layer_pass import LayerPass, initial_weights
from poolnorm_cli.engine.threads import default_threads, pool_for
from poolnorm_cli.layers import find


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


def half_job(words, parameters, x, given=None):
    """Do the same on bfloat16, for which NumPy has no type: its bits come in and go out."""
    from poolnorm_cli.kernels.halves import narrow_bfloat16, widen_bfloat16

    training = parameters.pop("training", False)
    layer, kind = find(*words.split())(**parameters), "bfloat16"
    threads = pool_for(given or default_threads(), x.nbytes // 2)
    run = LayerPass(layer, x.shape, kind, kind, training, pool=threads)
    weights, bits = initial_weights(layer, x.shape, kind), narrow_bfloat16(x)
    y = np.empty(run.output_shape, np.uint16).reshape(-1)

    def blocks():
        return (widen_bfloat16(block) for block in run.array_blocks(bits))

    def once():
        moments = run.moments(blocks())
        start = 0
        for block in run.outputs(blocks(), weights, moments):
            narrow = narrow_bfloat16(block) if block.dtype != np.uint16 else block
            y[start : start + block.size] = narrow.reshape(-1)
            start += block.size

    return once


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
