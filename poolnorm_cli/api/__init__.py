"""Layers that are called from Python: arrays of any library in, NumPy's out."""
