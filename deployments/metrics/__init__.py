"""Business metrics for Prometheus, from the ledger, the catalog and counters that all replicas share."""

from deployments.metrics.collected import Collected
from deployments.metrics.report import PlatformReport, ReportParts, report_of
from deployments.metrics.timings import Timings

__all__ = ["Collected", "PlatformReport", "ReportParts", "Timings", "report_of"]
