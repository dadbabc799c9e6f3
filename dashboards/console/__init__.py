"""The operator's console: what a running platform earns and knows, and what an operator may do about it.

`python -m dashboards.console` starts it. It reads the platform's API, the events' files, and, where there is one, a
Prometheus; it changes things through the API only, with the operator's key.
"""
