"""An exchange in a box: sends bid requests, checks the answers, holds the auctions, and sends the notices."""

from simulation.exchange.report import ReplayFigures, table
from simulation.exchange.session import ReplayOptions, Unreachable, run
from simulation.exchange.sources import RequestSourceError

__all__ = ["ReplayFigures", "ReplayOptions", "RequestSourceError", "Unreachable", "run", "table"]
