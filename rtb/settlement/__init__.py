"""Tokens of notices, and what a notice charges."""
