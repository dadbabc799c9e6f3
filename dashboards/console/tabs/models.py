"""The models: versions, quality, and the effect of the policy."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from dashboards.console import view
from dashboards.console.charts import bars, lines, spreads
from dashboards.console.charts.base import BLUE, PINK, PURPLE
from dashboards.console.scene import Scene, percent
from dashboards.console.shaping import market, models
from dashboards.console.sources.api import ApiError

_NOT_FOUND = 404
_NOTHING_COMPARED = (
    "Nothing to compare yet: `python -m pipelines.experiment start --challenger FOLDER` serves a challenger beside the "
    "champion, and `python -m pipelines.publish` judges a candidate."
)


def figures(scene: Scene) -> None:
    """Show figures of what was served in this window."""
    auc, ratio = models.auc(scene.auctions), models.calibration_ratio(scene.auctions)
    seen = models.shown(scene.auctions)
    view.metrics(
        [
            ("AUC", f"{auc:.3f}" if math.isfinite(auc) else "-", "Probability that a clicked impression ranks higher"),
            ("Predicted", f"{seen['pctr'].sum():,.1f}", "Sum of pCTR over charged impressions of this window"),
            ("Clicks", f"{int(seen['clicks'].clip(upper=1).sum()):,}", "On the same impressions"),
            (
                "Ratio",
                f"{ratio:.2f}" if math.isfinite(ratio) else "-",
                "Predicted clicks by observed ones: 1 is well calibrated",
            ),
            ("Mean pCTR", percent(float(seen["pctr"].mean()), 3), "Over charged impressions"),
        ]
    )


def versions(scene: Scene) -> None:
    """Show the serving versions."""
    table = models.versions(scene.api.get("/models"), scene.api.get("/admin/artefacts"))
    view.listed(
        "Versions",
        "Published versions, and those served by the replicas.",
        table,
        "No replica has reported its model yet.",
        placeholder="-",
    )


def quality(scene: Scene) -> None:
    """Show calibration, and the policy's multipliers."""
    left, right = st.columns(2)
    with left:
        table = models.calibration(scene.auctions)
        about = "Charged impressions in groups of equal size by pCTR; few clicks make wide intervals."
        nothing = "No impression was charged in this window."
        drawn = spreads.calibration(table) if len(table) else None
        view.chart("Calibration", about, drawn, table, nothing)
    with right:
        bids = scene.auctions
        by_time = bids.groupby(bids["at"].dt.floor(pd.Timedelta(seconds=scene.step)))["multiplier"]
        table = pd.DataFrame({"highest": by_time.max(), "mean": by_time.mean(), "lowest": by_time.min()})
        drawn = lines.lines(table, "multiplier", colours={"mean": BLUE, "highest": PURPLE, "lowest": PINK})
        about = "Factor of closed loop and policy on an impression's value; 1 bids all of it."
        view.chart("Policy multipliers over time", about, drawn, table)


def spread(scene: Scene) -> None:
    """Show the distributions of multipliers and predictions."""
    left, right = st.columns(2)
    bids = scene.auctions
    with left:
        table = bids[["campaign", "multiplier"]]
        drawn = spreads.spread({"multiplier": table["multiplier"].to_numpy()}, "multiplier") if len(table) else None
        view.chart("Policy multipliers", "Over the bids in this window.", drawn, table)
    with right:
        table = bids.loc[bids["pctr"].notna(), ["result", "pctr"]]
        groups = {str(name): part["pctr"].to_numpy() for name, part in table.groupby("result")}
        drawn = spreads.spread(groups, "predicted click rate", share=True) if groups else None
        view.chart("Predicted click rate", "For bids that won, lost, or are still open.", drawn, table)


def against(scene: Scene) -> None:
    """Compare champion and challenger: an experiment's arms, else the last comparison at the gate."""
    _experiment_line(scene)
    arms = market.summed(scene.auctions, scene.auctions["arm"])
    if len(arms) > 1:
        arms = arms.loc[["champion", "challenger"]]
        shown = arms[["win_rate", "ctr"]].rename(columns={"win_rate": "win rate", "ctr": "CTR"}).T
        drawn = bars.beside(shown, "rate", (BLUE, PINK), shown=".2%").update_yaxes(tickformat=".0%")
        about = "The arms of the experiment in this window; `python -m pipelines.experiment report` judges them."
        view.chart("Champion against challenger", about, drawn, arms)
        return
    history = [line for kind in ("ctr", "policy") for line in scene.api.get(f"/models/{kind}")["history"]]
    table = models.compared(sorted(history, key=lambda line: str(line["at"]))).set_index("measure")
    about = "The last comparison at the gate, on held-out data."
    drawn = bars.beside(table[["champion", "candidate"]], "", (BLUE, PINK)) if len(table) else None
    view.chart("Champion against challenger", about, drawn, table, _NOTHING_COMPARED)


def record(scene: Scene) -> None:
    """Show what was published, refused and rolled back."""
    for kind, title in (("ctr", "Decisions about CTR models"), ("policy", "Decisions about policies")):
        table = models.decisions(scene.api.get(f"/models/{kind}"))
        nothing = f"No {kind} model is published yet: use `python -m pipelines.publish --kind {kind} FOLDER`."
        view.listed(title, "Newest first, including refusals.", table, nothing, placeholder="-")


def _experiment_line(scene: Scene) -> None:
    try:
        told = scene.api.get("/admin/experiment")
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        return
    state = "runs" if told["running"] else "has ended"
    challenger = view.quoted(told["challenger"])
    st.caption(
        f":material/science: Experiment {told['number']} {state}: challenger {challenger} ({told['kind']}) "
        f"with {told['share']:.0%} of money and traffic, since {told['started_at'][:19]} UTC."
    )


PARTS = (figures, versions, quality, spread, against, record)
