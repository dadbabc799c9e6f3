"""Throughput of the whole platform, over HTTP and through the real ingress."""
