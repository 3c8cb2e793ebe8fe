"""Batch normalization: its arithmetic by hand, its state on disk, what it says of itself."""
