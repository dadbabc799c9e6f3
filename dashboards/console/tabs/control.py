"""Actions of an operator, all through the API, with the operator's key."""

from __future__ import annotations

from dashboards.console.tabs import control_campaign, control_models, control_portfolio
from dashboards.console.tabs.acting import said

PARTS = (said, *control_campaign.PARTS, *control_portfolio.PARTS, *control_models.PARTS)
