"""OpenRTB in binary form: IAB Tech Lab's protocol buffers, read into the structs of JSON, and written from them."""

from rtb.openrtb.protobuf.reader import decode_protobuf
from rtb.openrtb.protobuf.writer import encode_protobuf

__all__ = ["decode_protobuf", "encode_protobuf"]
