"""The platform on one machine: checks before, processes during, everything stopped after."""

from raybid.local.checks import LaunchError, preflight
from raybid.local.cluster import Platform

__all__ = ["LaunchError", "Platform", "preflight"]
