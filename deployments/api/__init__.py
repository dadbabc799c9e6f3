"""The REST side of the Router, for people and programs: bids without OpenRTB, campaigns, figures, health, keys."""

from deployments.api.app import Rest

__all__ = ["Rest"]
