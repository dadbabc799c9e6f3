"""The page: filters, tabs, and their refresh. Streamlit runs this file for each viewer, from top to bottom."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboards.console import configuration, view
from dashboards.console.scene import Filters, Scene, Sources, sources_of
from dashboards.console.sources.api import ApiError
from dashboards.console.tabs import TABS, Tab

WINDOWS = {"1 min": 60, "5 min": 300, "15 min": 900, "1 h": 3_600, "6 h": 21_600, "24 h": 86_400}
_STYLE = """<style>
[data-testid="stMainBlockContainer"] {padding: 2.6rem 2.6rem 2rem; max-width: 1600px}
[data-testid="stMetricValue"] {font-size: 1.4rem}
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] {padding-left: .8rem; padding-right: .8rem}
  [data-testid="stMetric"] {min-width: 44vw}
}
</style>"""


def _identity(told: configuration.Configuration) -> tuple[str, ...]:
    return told.url, told.key, told.events.url, told.prometheus, told.currency


@st.cache_resource(show_spinner=False, hash_funcs={configuration.Configuration: _identity})
def _sources(told: configuration.Configuration) -> Sources:
    return sources_of(told)


def _filters(sources: Sources) -> Filters:
    with st.sidebar:
        st.header("Show", anchor=False)
        chosen = st.selectbox(
            "Window", list(WINDOWS), index=1, key="window", bind="query-params", help="age of the events"
        )
        names = [one["id"] for one in sources.api.all_campaigns()]
        picked = st.multiselect(
            "Campaigns", names, key="campaigns", bind="query-params", placeholder="all", help="empty: all"
        )
        refresh = st.slider("Refresh, seconds", 1, 60, 5, key="refresh", bind="query-params")
        limit = st.number_input("SLA, ms", 1, 10_000, 100, key="sla", bind="query-params", help="limit per answer")
        st.caption(f"Platform: {view.quoted(sources.configuration.url)}")
        st.caption("Times are UTC. Charts can be downloaded as PNG (camera button) and CSV (button next to the title).")
    return Filters(float(WINDOWS[chosen or "5 min"]), tuple(picked), int(refresh), float(limit))


def _drawn(tab: Tab, sources: Sources, filters: Filters) -> None:
    view.begin(tab.name)
    scene = Scene(sources, filters)
    for part in tab.parts:
        view.guarded(part, scene)


def main() -> None:
    """Draw the page."""
    st.set_page_config("Raybid", page_icon=":material/monitoring:", layout="wide")
    st.html(_STYLE)
    st.markdown("### Raybid")
    sources = _sources(configuration.from_environment())
    try:
        filters = _filters(sources)
    except ApiError as error:
        st.error(view.quoted(error), icon=":material/cloud_off:")
        st.button("Try again", icon=":material/refresh:")
        return
    tabs = st.tabs([tab.name for tab in TABS], key="tab", bind="query-params")
    for shown, tab in zip(tabs, TABS, strict=True):
        if shown.open:
            with shown:
                every = filters.refresh if tab.refreshes else None
                st.fragment(partial(_drawn, tab, sources, filters), run_every=every)()


if __name__ == "__main__":  # Streamlit runs it under this name
    main()
