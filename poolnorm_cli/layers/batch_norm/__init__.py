"""Batch normalization with every parameter that Keras has had."""
