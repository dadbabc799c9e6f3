"""Generators of the site of `docs/`: references from the code."""
