"""Runs: a layer over the blocks of a tensor in memory, in a file, or of many files."""
