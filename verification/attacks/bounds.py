"""What an attack may cost at most."""

from __future__ import annotations

MOST_STALL_MS = 100.0
"""Most that the 99th percentile of honest callers may be above that of a quiet run while an attack goes on."""

MOST_GROWTH_MB = 30.0
"""Most that all attacks together may leave in the memory of the platform's processes."""

LEAST_ATTACKS = 60
"""Fewer say little."""
