"""Arithmetic on blocks: window reductions, reductions over axes, moments, scale and shift."""
