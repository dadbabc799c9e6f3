"""Events, for training and accounting: a durable stream, and the Parquet files it is archived in.

A notice's event is appended by the ledger's script together with its money, so the two cannot disagree. A bid's event
is appended by the Router in the background: losing one loses a training row, never money. One writer moves the stream
into Parquet and trims only what is durable there.

`schema`, `parquet`, `spend` and `writer` are imported by name, so that replicas that only append need no pyarrow.
"""

from rtb.events.sink import Backlog, BidEvent, EventSink
from rtb.events.stream import STREAM, EventStream, StreamError

__all__ = ["STREAM", "Backlog", "BidEvent", "EventSink", "EventStream", "StreamError"]
