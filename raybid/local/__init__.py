"""The platform on one machine: checks before the start, processes while it runs, a clean stop."""

from raybid.local.checks import LaunchError, preflight
from raybid.local.cluster import Platform

__all__ = ["LaunchError", "Platform", "preflight"]
