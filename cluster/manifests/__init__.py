"""Build the Kubernetes manifests, and check them as an API server and the operators would.

How to run: `python -m cluster.manifests`, see `__main__`.
"""
