"""A process that times layers of torch: lines of JSON come in, seconds go out.

It needs nothing of poolnorm, and runs with the interpreter that has torch.
"""
# ruff: noqa: ANN001, ANN201, ANN202, FBT003 - typed values of a framework that is not installed here

import json
import sys
import time

import numpy as np


LARGE = 1 << 25
"""Items of an array that is made of fewer numbers, again and again, and kept for the next rows."""
_KEPT = {}


def array_of(row):
    if np.prod(row["sizes"]) < LARGE:
        return _drawn(row)
    key = str([row["sizes"], row["dtype"]])
    if key not in _KEPT:
        _KEPT.clear()
        some = _drawn(row | {"sizes": [1, *row["sizes"][1:]]})
        _KEPT[key] = np.repeat(some, row["sizes"][0], axis=0)
    return _KEPT[key]


def _drawn(row):
    random = np.random.default_rng(0)
    if "int" in row["dtype"]:
        return random.integers(0, 100, row["sizes"]).astype(row["dtype"])
    kind = "float32" if row["dtype"] == "bfloat16" else row["dtype"]
    return random.standard_normal(row["sizes"], np.float32).astype(kind)


def torch_job(row):
    import torch
    from torch.nn import functional as f

    if row.get("threads"):
        torch.set_num_threads(row["threads"])
    x = torch.from_numpy(array_of(row)).to(getattr(torch, row["dtype"]))
    rank, last = x.ndim - 2, row["layout"] == "channels_last"
    words, given = row["words"], row["parameters"]
    turned = x.movedim(-1, 1) if last else x
    channels = turned.shape[1]
    ones, zeros = (make(channels, dtype=x.dtype) for make in (torch.ones, torch.zeros))
    spatial = tuple(range(2, x.ndim))
    size, stride = given.get("pool_size"), given.get("strides")
    low, same = 0, given.get("padding") == "same"
    if same:
        low = [max((-(-n // stride) - 1) * stride + size - n, 0) // 2 for n in turned.shape[2:]]
    pads = {"padding": low, "ceil_mode": same}
    jobs = {
        "pool max": lambda: getattr(f, f"max_pool{rank}d")(turned, size, stride, **pads),
        "pool average": lambda: getattr(f, f"avg_pool{rank}d")(
            turned, size, stride, count_include_pad=False, **pads
        ),
        "gpool max": lambda: turned.amax(spatial),
        "gpool average": lambda: turned.mean(spatial),
        "apool max": lambda: getattr(f, f"adaptive_max_pool{rank}d")(turned, given["output_size"]),
        "apool average": lambda: getattr(f, f"adaptive_avg_pool{rank}d")(
            turned, given["output_size"]
        ),
        "bn": lambda: f.batch_norm(turned, zeros, ones, ones, zeros, eps=1e-3),
        "bn training": lambda: f.batch_norm(turned, zeros, ones, ones, zeros, True, 0.01, 1e-3),
        "in": lambda: f.instance_norm(turned, weight=ones, bias=zeros, eps=1e-3),
        "gn": lambda: f.group_norm(turned, given["groups"], ones, zeros, 1e-3),
        "ln": lambda: f.layer_norm(x, x.shape[-1:], ones, zeros, 1e-3),
        "rms": lambda: f.rms_norm(x, x.shape[-1:], ones, 1e-6),
        "unit": lambda: f.normalize(x, dim=-1),
    }
    return jobs[words]


def best(job, seconds):
    """Return the least seconds of a call, of 2 or more within so many seconds."""
    least, end, calls = float("inf"), time.perf_counter() + seconds, 0
    while calls < 2 or (time.perf_counter() < end and calls < 50):
        start = time.perf_counter()
        job()
        least = min(least, time.perf_counter() - start)
        calls += 1
    return least


def serve(jobs_of):
    """Answer lines: {"row": ...} makes a row's jobs, {"time": name, "seconds": s} runs one."""
    jobs = {}
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if "row" in asked:
                jobs.clear()
                jobs.update(jobs_of(asked["row"]))
                for job in jobs.values():
                    job()
                answer = {}
            else:
                answer = {"seconds": best(jobs[asked["time"]], asked["seconds"])}
        except Exception as error:  # noqa: BLE001 - what a framework does not do is an answer
            answer = {"error": f"{type(error).__name__}: {error}"[:200]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    import torch

    with torch.inference_mode():
        serve(lambda row: {"torch": torch_job(row)})
