"""The kernels once more, as ONNX operators: a layer's `build` puts its graph together from these.

Nothing here knows the `onnx` package: operators are added to whatever implements `Graph`.
"""
