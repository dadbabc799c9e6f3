"""Builds what goes to Kubernetes, and checks it as an API server and the operators would.

How to run: `python -m cluster.manifests`, see `__main__`.
"""
