"""Grafana's dashboards, made from one definition."""
