"""Business metrics for Prometheus, from the ledger, the catalog and counters that all replicas share."""

from deployments.metrics.collected import Collected
from deployments.metrics.report import Report, ReportParts, report_of
from deployments.metrics.timings import Timings

__all__ = ["Collected", "Report", "ReportParts", "Timings", "report_of"]
