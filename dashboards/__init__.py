"""Dashboards: Grafana's, and the operator's console."""
