"""Layers called from Python."""
