"""Prebid Servers, Go and Java, simulated as they were found to behave: what they send, take, show and fire."""
