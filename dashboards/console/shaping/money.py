"""Money over time, and against its plan."""

from __future__ import annotations

import pandas as pd


def pacing_curve(campaigns: pd.DataFrame, over_time: pd.DataFrame) -> pd.DataFrame:
    """Return spend of the campaigns, and spend at an even pace, by UTC time: `spent` and `plan`, micros.

    The curve ends at the ledger's spend; going back, each step subtracts the charges in the events.

    Args:
        campaigns: see `campaigns.table_of`.
        over_time: see `auctions.over_time`.
    """
    if over_time.empty or campaigns.empty:
        return pd.DataFrame(columns=["spent", "plan"])
    charged = over_time["spent_micros"]
    spent = float(campaigns["spent_micros"].sum()) - (charged.sum() - charged.cumsum())
    seconds = over_time.index.astype("datetime64[ns, UTC]").astype("int64") / 1e9
    plan = pd.Series(0.0, index=over_time.index)
    for one in campaigns.itertuples():
        flown = ((pd.Series(seconds, index=over_time.index) - one.starts) / (one.ends - one.starts)).clip(0.0, 1.0)
        plan = plan + one.budget_micros * flown
    return pd.DataFrame({"spent": spent, "plan": plan})
