"""The weights of a layer: read from files, checked against what the layer needs, and saved."""
