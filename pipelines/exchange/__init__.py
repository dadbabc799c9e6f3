"""An exchange in a box: sends bid requests, checks the answers, holds the auctions, and sends the notices."""

from pipelines.exchange.report import Figures, table
from pipelines.exchange.session import ReplayOptions, Unreachable, run
from pipelines.exchange.sources import SourceError

__all__ = ["Figures", "ReplayOptions", "SourceError", "Unreachable", "run", "table"]
