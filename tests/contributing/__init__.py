"""Toys that are added to a copy of the package as CONTRIBUTING.md says."""
