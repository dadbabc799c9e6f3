"""Portfolios: strategy, pause, create."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from dashboards.console import view
from dashboards.console.scene import Scene
from dashboards.console.sources.api import ConsoleApi
from dashboards.console.tabs.acting import Unreadable, act, parsed, refuse

STRATEGIES = ("proportional", "performance", "bandit", "dual")
_NONE = "There is no portfolio yet: create one below."


def portfolio(scene: Scene) -> None:
    """Show one portfolio and its strategy."""
    st.markdown("#### Portfolio")
    found = {one["id"]: one for one in scene.portfolios()}
    if not found:
        view.empty(_NONE)
        return
    name = st.selectbox("Portfolio", list(found), key="steered", label_visibility="collapsed", width=360)
    one = found[name]
    strategies = list(dict.fromkeys([*STRATEGIES, one["strategy"]]))
    with st.form("strategy"):
        st.selectbox(
            "Strategy",
            strategies,
            strategies.index(one["strategy"]),
            key=f"strategy-{name}-{one['version']}",
            width=240,
        )
        is_active = one["status"] == "active"
        st.toggle("Move money", is_active, key=f"moves-{name}-{one['version']}")
        st.form_submit_button("Change portfolio", on_click=_change, args=(scene.api, one))


def create(scene: Scene) -> None:
    """Show the form for a new portfolio."""
    with st.expander("Create a portfolio", icon=":material/add_circle:"):
        members = [{"campaign": name} for name in scene.campaigns["id"].head(2)]
        new = {"id": "season", "strategy": "dual", "interval_seconds": 60, "members": members}
        with st.form("new-portfolio", border=False):
            st.text_area("Portfolio, JSON", json.dumps(new, indent=2), height=220, key="new-portfolio-text")
            st.form_submit_button("Create", on_click=_create, args=(scene.api,), type="primary")


def _change(api: ConsoleApi, one: dict[str, Any]) -> None:
    name, version = one["id"], one["version"]
    strategy = st.session_state[f"strategy-{name}-{version}"]
    status = "active" if st.session_state[f"moves-{name}-{version}"] else "paused"
    patch = {"strategy": strategy, "status": status}
    act(api, f"Portfolio {name}: {strategy}, {status}.", "PATCH", f"/portfolio/{name}", patch, version=version)


def _create(api: ConsoleApi) -> None:
    try:
        body = parsed(st.session_state["new-portfolio-text"])
    except Unreadable as error:
        refuse(str(error))
        return
    act(api, "The portfolio was created; it decides first after two intervals.", "POST", "/portfolio/create", body)


PARTS = (portfolio, create)
