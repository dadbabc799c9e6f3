"""The platform on one machine: checks before, processes during, everything stopped after."""

from pipelines.local.checks import LaunchError, preflight
from pipelines.local.cluster import Platform

__all__ = ["LaunchError", "Platform", "preflight"]
