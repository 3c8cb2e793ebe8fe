"""Measures poolnorm beside other ways to do the same, on the same files in the same run."""
