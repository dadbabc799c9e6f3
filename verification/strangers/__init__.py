"""Strangers' dates, files and machines: what people were reported to do, and its neighbours, tried on this platform."""
