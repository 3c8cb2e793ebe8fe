"""Keras pooling and normalization layers on `.npy` and `.npz` tensors, from the command line."""

__version__ = "0.1.0"
