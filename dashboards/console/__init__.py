"""The operator's console: what a running platform earns and knows, and what an operator can change.

Start it with `python -m dashboards.console`. It reads the platform's API, the events' files, and a Prometheus if there
is one; it changes things only through the API, with the operator's key.
"""
