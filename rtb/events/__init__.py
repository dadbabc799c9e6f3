"""What happened, for learning and for the books: a durable stream, and the Parquet files it is kept in.

A notice's event is appended by the ledger's script together with its money, so the two cannot disagree. A bid's event
is appended by the Router in the background: losing one loses a training row, never money. One writer moves the stream
into Parquet and trims it only by what is durable there.

`schema`, `parquet`, `spend` and `writer` are imported by name: replicas that only append do without pyarrow.
"""

from rtb.events.sink import Backlog, BidEvent, EventSink
from rtb.events.stream import STREAM, EventStream, StreamError

__all__ = ["STREAM", "Backlog", "BidEvent", "EventSink", "EventStream", "StreamError"]
