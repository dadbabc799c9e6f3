"""Limits on the cost of attacks."""

from __future__ import annotations

MOST_STALL_MS = 100.0
"""Maximum increase of honest callers' 99th percentile over a quiet run during an attack."""

MOST_GROWTH_MB = 30.0
"""Maximum growth of the platform's memory over all attacks together."""

LEAST_ATTACKS = 60
"""Minimum number of attacks for a meaningful result."""
