"""Small outputs of Keras itself, for machines without it."""
