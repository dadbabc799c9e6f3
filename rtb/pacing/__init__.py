"""Pacing: how fast each campaign spends, and the table that tells replicas."""
