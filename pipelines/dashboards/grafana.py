"""Rendering of dashboards as Grafana JSON, schema of version 11."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from pipelines.dashboards.panels import Dashboard, Panel, Query

_SOURCE = {"type": "prometheus", "uid": "${source}"}
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 2
_SCHEMA = 39


def rendered(dashboard: Dashboard) -> str:
    """Render a dashboard's file."""
    ids = count(1)
    found = {
        "uid": f"raybid-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["raybid"],
        "schemaVersion": _SCHEMA,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [_panel(panel, place, next(ids)) for place, panel in enumerate(dashboard.panels)],
    }
    return json.dumps(found, indent=1) + "\n"


def _panel(panel: Panel, place: int, number: int) -> dict[str, Any]:
    row, column = divmod(place, _COLUMNS)
    return {
        "id": number,
        "title": panel.title,
        "description": panel.about,
        "type": "timeseries" if panel.kind == "lines" else "stat",
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "targets": [_target(panel, query, place) for place, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": {"unit": _unit(panel), "min": None}, "overrides": []},
    }


def _target(panel: Panel, query: Query, place: int) -> dict[str, Any]:
    """Render a query; money is counted in micros and shown in whole units."""
    expr = f"({query.expr}) / 1e6" if panel.unit == "micros" else query.expr
    instant = panel.kind == "latest"
    return {
        "refId": chr(ord("A") + place),
        "expr": expr,
        "legendFormat": query.legend,
        "instant": instant,
        "range": not instant,
        "datasource": _SOURCE,
    }


def _unit(panel: Panel) -> str:
    return {"micros": "short"}.get(panel.unit, panel.unit)
