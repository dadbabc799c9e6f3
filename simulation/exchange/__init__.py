"""An exchange in a box: sends bid requests, checks the answers, holds the auctions, and sends the notices."""

from simulation.exchange.report import Figures, table
from simulation.exchange.session import ReplayOptions, Unreachable, run
from simulation.exchange.sources import SourceError

__all__ = ["Figures", "ReplayOptions", "SourceError", "Unreachable", "run", "table"]
