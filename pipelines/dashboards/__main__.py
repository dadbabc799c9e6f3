"""Generate the dashboard files.

How to run: `python -m pipelines.dashboards`. A test checks that `dashboards/grafana` is up to date.
"""

from __future__ import annotations

import typer

from pipelines.dashboards.definition import DASHBOARDS
from pipelines.dashboards.grafana import rendered
from raybid.local.environment import ROOT

FOLDER = ROOT / "dashboards" / "grafana"


def main() -> None:
    """Write the files."""
    for dashboard in DASHBOARDS:
        path = FOLDER / f"{dashboard.name}.json"
        path.write_text(rendered(dashboard))
        typer.echo(f"{path.relative_to(ROOT)}: {len(dashboard.panels)} panels")


if __name__ == "__main__":
    typer.run(main)
