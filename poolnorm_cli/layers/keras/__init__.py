"""Keras' own objects and words: identifiers, initializers, penalties, constraints and configs."""
