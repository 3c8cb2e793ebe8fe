"""Time in process: `ours.py WORDS PARAMETERS INPUT ROUNDS`, or `ours.py copy {} INPUT ROUNDS`."""
# ruff: noqa: ANN001, ANN201, ANN202 - a script of a page

import json
import sys
import time

import numpy as np

from poolnorm_cli.engine.layer_pass import LayerPass, initial_weights
from poolnorm_cli.engine.threads import default_threads, pool_for
from poolnorm_cli.layers import find


def job(words, parameters, x):
    if words == "copy":
        y = np.empty_like(x)
        return lambda: np.copyto(y, x)
    training = parameters.pop("training", False)
    layer = find(*words.split())(**parameters)
    dtype = x.dtype.name
    run = LayerPass(
        layer, x.shape, dtype, dtype, training, pool=pool_for(default_threads(), x.nbytes)
    )
    weights = initial_weights(layer, x.shape, dtype)
    y = np.empty(run.output_shape, dtype).reshape(-1)  # used again, as runtimes do with theirs

    def once():
        moments = run.moments(run.array_blocks(x))
        start = 0
        for block in run.outputs(run.array_blocks(x), weights, moments):
            y[start : start + block.size] = block.reshape(-1)
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
