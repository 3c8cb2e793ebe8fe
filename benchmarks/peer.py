"""One job of a peer: `peer.py FRAMEWORK SPEC INPUT OUTPUT`, or with ROUNDS for time in process.

With ROUNDS, SPEC may be a list of several, of which each is timed. INPUT and OUTPUT may be folders:
then it is a loop over all files, in one process.

It needs nothing of poolnorm, and runs with the interpreter that has the framework. The script for
onnxruntime builds its graph, as somebody does who has a layer and no model.
"""
# ruff: noqa: ANN001, ANN201, ANN202, FBT003 - typed values of four frameworks, none of which is installed here
# ruff: noqa: PTH112, PTH118, PTH208 - as a script does that has many files

import json
import os
import sys
import time


def torch_layer(spec, x):
    import torch
    from torch.nn import functional as f

    channels = x.shape[-1]
    size, stride, same = spec["pool"], spec["stride"], spec["padding"] == "same"
    device = spec.get("device", "cpu")
    ones, zeros = torch.ones(channels, device=device), torch.zeros(channels, device=device)
    held = torch.from_numpy(x).to(device) if spec.get("resident") else None
    low = max((-(-x.shape[1] // stride) - 1) * stride + size - x.shape[1], 0) // 2 if same else 0
    pads = {"padding": low, "ceil_mode": same}
    jobs = {
        "pool max": lambda t: f.max_pool2d(t, size, stride, **pads),
        "pool average": lambda t: f.avg_pool2d(t, size, stride, count_include_pad=False, **pads),
        "gpool max": lambda t: t.amax((2, 3)),
        "gpool average": lambda t: t.mean((2, 3)),
        "bn": lambda t: f.batch_norm(t, zeros, ones, ones, zeros, eps=1e-3),
        "bn training": lambda t: f.batch_norm(t, zeros, ones, ones, zeros, True, 0.01, 1e-3),
    }

    def layer(t):
        if spec["op"] == "ln":
            return f.layer_norm(t, (channels,), ones, zeros, 1e-3)
        y = jobs[spec["op"]](t.permute(0, 3, 1, 2))
        return y.permute(0, 2, 3, 1) if y.ndim == 4 else y

    def run(array):
        with torch.inference_mode():
            if held is None:
                return layer(torch.from_numpy(array).to(device)).cpu().numpy()
            y = layer(held)
            if device == "cuda":
                torch.cuda.synchronize()
            return y

    return run


def keras_layer(spec, x):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    kinds = {
        "pool max": keras.layers.MaxPooling2D,
        "pool average": keras.layers.AveragePooling2D,
        "gpool max": keras.layers.GlobalMaxPooling2D,
        "gpool average": keras.layers.GlobalAveragePooling2D,
        "bn": keras.layers.BatchNormalization,
        "bn training": keras.layers.BatchNormalization,
        "ln": keras.layers.LayerNormalization,
    }
    sizes = (spec["pool"], spec["stride"], spec["padding"]) if spec["pool"] else ()
    layer = kinds[spec["op"]](*sizes, dtype=str(x.dtype))
    more = {"training": True} if spec["op"] == "bn training" else {}
    return lambda array: layer(array, **more).numpy()


def onnxruntime_layer(spec, x):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(graph_of(spec, x), options, ["CPUExecutionProvider"])
    return lambda array: session.run(None, {"x": array})[0]


def skimage_layer(spec, x):
    import numpy as np
    from skimage.measure import block_reduce

    size = spec["pool"]
    function = {"pool max": np.max, "pool average": np.mean}[spec["op"]]
    return lambda array: block_reduce(array, (1, size, size, 1), function).astype(x.dtype)


def graph_of(spec, x):
    import numpy as np
    from onnx import helper as h, numpy_helper

    channels = x.shape[-1]
    kinds = {
        "pool max": "MaxPool",
        "pool average": "AveragePool",
        "gpool max": "GlobalMaxPool",
        "gpool average": "GlobalAveragePool",
        "bn": "BatchNormalization",
    }
    one, zero = np.ones(channels, x.dtype), np.zeros(channels, x.dtype)
    weights = {"gamma": one, "beta": zero, "mean": zero, "var": one}
    if spec["op"] == "ln":
        nodes = [h.make_node("LayerNormalization", ["x", "gamma", "beta"], ["y"], epsilon=1e-3)]
    else:
        more, names = {}, ["t"]
        if spec["pool"]:
            size, stride = spec["pool"], spec["stride"]
            more = {"kernel_shape": [size] * 2, "strides": [stride] * 2}
            total = max((-(-x.shape[1] // stride) - 1) * stride + size - x.shape[1], 0)
            if spec["padding"] == "same":
                more["pads"] = [total // 2] * 2 + [total - total // 2] * 2
        elif spec["op"] == "bn":
            more, names = {"epsilon": 1e-3}, ["t", "gamma", "beta", "mean", "var"]
        nodes = [
            h.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
            h.make_node(kinds[spec["op"]], names, ["u"], **more),
            h.make_node("Transpose", ["u"], ["y"], perm=[0, 2, 3, 1]),
        ]
    kind = h.np_dtype_to_tensor_dtype(x.dtype)
    ends = [h.make_tensor_value_info(name, kind, [None] * 4) for name in "xy"]
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = h.make_graph(nodes, "job", ends[:1], ends[1:], stored)
    opset = [h.make_opsetid("", 18)]
    return h.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def each(layer, source, target):
    """Do all files of a folder, which are of one shape, in a loop."""
    import numpy as np

    job = None
    for name in sorted(os.listdir(source)):
        x = np.load(os.path.join(source, name))
        job = job or layer(x)
        np.save(os.path.join(target, name), job(x))


def best_of(job, rounds):
    """Return the fewest seconds of a job after the first time, of about a second of them."""
    job()
    times = []
    while len(times) < rounds and sum(times) < 1.0:
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def main(framework, spec, source, target, rounds="0"):
    import numpy as np

    spec, layer = json.loads(spec), globals()[f"{framework}_layer"]
    if os.path.isdir(source):
        each(lambda x: layer(spec, x), source, target)
        return
    x = np.load(source)
    if not int(rounds):
        np.save(target, layer(spec, x)(x))
        return
    for each_spec in spec if isinstance(spec, list) else [spec]:
        job = layer(each_spec, x)
        print(best_of(lambda job=job: job(x), int(rounds)))


if __name__ == "__main__":
    main(*sys.argv[1:])
