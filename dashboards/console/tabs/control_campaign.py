"""Campaigns: create, edit, pause, resume, budgets."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.console import view
from dashboards.console.scene import Scene, money
from dashboards.console.shaping.campaigns import MICRO
from dashboards.console.sources.api import ConsoleApi
from dashboards.console.tabs.acting import Unreadable, act, parsed, refuse

_NONE = "There is no campaign yet: create one below."
_HISTORY = 50
_NEW = {
    "id": "spring",
    "name": "Spring sale",
    "adomain": ["shop.example"],
    "budget": {"total_micros": 50_000_000, "flight_seconds": 86_400},
    "goal": {"kind": "click", "value_micros": 250_000},
    "targeting": {"countries": ["USA"], "device_types": [4, 5]},
    "creatives": [
        {
            "id": "a",
            "w": 300,
            "h": 250,
            "image_url": "https://cdn.example/a.png",
            "landing_url": "https://shop.example/spring",
        }
    ],
}
"""Initial text for a new campaign; nothing is sent until the button is pressed."""


def campaign(scene: Scene) -> None:
    """Show one campaign's state, and its actions."""
    st.markdown("#### Campaign")
    names = scene.campaigns["id"].tolist()
    if not names:
        view.empty(_NONE)
        return
    name = st.selectbox("Campaign", names, key="campaign", bind="query-params", label_visibility="collapsed", width=360)
    one = scene.api.get(f"/campaign/{name}")
    _state(scene, one)
    _switches(scene.api, one)
    left, right = st.columns(2)
    with left:
        _budget(scene, one)
    with right:
        _edit(scene.api, one)
    _history(scene, one["id"])


def create(scene: Scene) -> None:
    """Show the form for a new campaign."""
    with st.expander("Create a campaign", icon=":material/add_circle:"):
        st.caption("Money is in micro-units: 1,000,000 are one unit of currency. The API checks every field.")
        with st.form("create", border=False):
            st.text_area("Campaign, JSON", json.dumps(_NEW, indent=2), height=360, key="new")
            st.form_submit_button("Create", on_click=_create, args=(scene.api,), type="primary")


def _state(scene: Scene, one: dict[str, Any]) -> None:
    figures, unit = one["figures"], scene.sources.configuration.currency
    if figures is None:
        st.warning("The ledger is unavailable: there are no figures now. Changes are stored and applied later.")
        return
    view.metrics(
        [
            ("Status", one["status"], "An active campaign bids during its flight while it has money"),
            ("Version", f"{one['version']}", "Each change names the version it applies to"),
            (f"Budget, {unit}", money(figures["budget_micros"]), "Including what portfolios moved to it"),
            (f"Spent, {unit}", money(figures["spent_micros"]), "Charged, by the ledger"),
            ("Bids", f"{figures['bids']:,}", "Since it was created"),
            ("Wins", f"{figures['wins']:,}", "Since it was created"),
        ]
    )


def _switches(api: ConsoleApi, one: dict[str, Any]) -> None:
    name, is_active = one["id"], one["status"] == "active"
    with st.container(horizontal=True):
        done = f"{name} is paused: it stops bidding within a pacing interval."
        told: dict[str, Any] = {"on_click": _switch, "args": (api, one, "pause", done)}
        st.button("Pause", key="pause", icon=":material/pause:", disabled=not is_active, **told)
        done = f"{name} resumes bidding within a pacing interval."
        told = {"on_click": _switch, "args": (api, one, "resume", done)}
        st.button("Resume", key="resume", icon=":material/play_arrow:", disabled=is_active, **told)


def _budget(scene: Scene, one: dict[str, Any]) -> None:
    unit, budget = one.get("currency") or scene.sources.configuration.currency, one["budget"]
    with st.form("budgets"):
        st.markdown("**Budgets**")
        st.number_input(f"Top up by, {unit}", 0.0, 1e9, 0.0, 1.0, key="top-up", format="%.4f")
        st.number_input(
            f"Daily limit, {unit} (0: none)",
            0.0,
            1e9,
            budget["daily_micros"] / MICRO,
            key=f"day-{one['id']}-{one['version']}",
            format="%.4f",
        )
        st.form_submit_button("Change budgets", on_click=_change_budgets, args=(scene.api, one))


def _edit(api: ConsoleApi, one: dict[str, Any]) -> None:
    with st.form("edit"):
        st.markdown("**Edit**")
        st.caption("A JSON merge patch: objects merge, null takes the default, everything else replaces.")
        start = json.dumps({"name": one["name"], "goal": one["goal"]}, indent=2)
        st.text_area(
            "Patch", start, height=150, key=f"patch-{one['id']}-{one['version']}", label_visibility="collapsed"
        )
        st.form_submit_button("Apply", on_click=_apply, args=(api, one))


def _history(scene: Scene, name: str) -> None:
    lines = scene.api.get(f"/campaign/{name}/history?limit={_HISTORY}")
    table = pd.DataFrame(lines, columns=["at", "actor", "action", "version"]).iloc[::-1]
    view.listed("History", "Who changed what, newest first.", table, "No changes yet.", height="auto")


def _switch(api: ConsoleApi, one: dict[str, Any], way: str, done: str) -> None:
    act(api, done, "POST", f"/campaign/{one['id']}/{way}", version=one["version"])


def _create(api: ConsoleApi) -> None:
    try:
        body = parsed(st.session_state["new"])
    except Unreadable as error:
        refuse(str(error))
        return
    named = body.get("id", "") if isinstance(body, dict) else ""
    act(api, f"Campaign {named} was created: it bids within a pacing interval.", "POST", "/campaign/create", body)


def _apply(api: ConsoleApi, one: dict[str, Any]) -> None:
    try:
        patch = parsed(st.session_state[f"patch-{one['id']}-{one['version']}"])
    except Unreadable as error:
        refuse(str(error))
        return
    act(api, f"{one['id']} was changed.", "PATCH", f"/campaign/{one['id']}", patch, version=one["version"])


def _change_budgets(api: ConsoleApi, one: dict[str, Any]) -> None:
    """Change the daily limit first: a top-up makes a new version."""
    path, version = f"/campaign/{one['id']}", one["version"]
    daily = round(st.session_state[f"day-{one['id']}-{version}"] * MICRO)
    if daily != one["budget"]["daily_micros"]:
        patch = {"budget": {"daily_micros": daily}}
        if not act(api, f"The daily limit of {one['id']} was changed.", "PATCH", path, patch, version=version):
            return
        version += 1
    micros = round(st.session_state["top-up"] * MICRO)
    if micros > 0:
        act(
            api,
            f"{one['id']} received {micros:,} micros.",
            "POST",
            f"{path}/top-up",
            {"micros": micros},
            version=version,
        )
    elif daily == one["budget"]["daily_micros"]:
        refuse("Nothing changed: give an amount, or another limit.")


PARTS = (campaign, create)
