"""Models: publish, roll back."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from dashboards.console import view
from dashboards.console.scene import Scene
from dashboards.console.sources.api import ApiError, ConsoleApi
from dashboards.console.tabs.acting import act, refuse

_LOOK_S = 2.0
_KINDS = ("ctr", "policy")


def rollback(scene: Scene) -> None:
    """Show the forms to roll back and to publish a model."""
    st.markdown("#### Models")
    columns = st.columns(2)
    for column, kind in zip(columns, _KINDS, strict=True):
        with column:
            _one(scene.api, kind, scene.api.get(f"/models/{kind}"))
            _publishing(scene.api, kind)


def _one(api: ConsoleApi, kind: str, record: dict[str, Any]) -> None:
    kept = [line["version"] for line in record["history"] if line["action"] != "refused"]
    others = [version for version in dict.fromkeys(reversed(kept)) if version != record["champion"]]
    with st.form(f"rollback-{kind}"):
        serves = view.quoted(record["champion"]) if record["champion"] else "its initial model; nothing is published"
        st.markdown(f"**{kind}**: serves {serves}")
        st.selectbox(
            "Version to roll back to",
            others,
            others.index(record["former"]) if record["former"] in others else 0,
            key=f"to-{kind}",
            disabled=not others,
            placeholder="no other version is published",
        )
        st.text_input("Reason", key=f"why-{kind}", placeholder="for the history", disabled=not others)
        st.form_submit_button("Roll back", on_click=_roll_back, args=(api, kind), disabled=not others)


def _roll_back(api: ConsoleApi, kind: str) -> None:
    version, reason = st.session_state[f"to-{kind}"], st.session_state[f"why-{kind}"].strip()
    if not reason:
        refuse("Give a reason for the history. Nothing changed.")
        return
    done = f"{kind} {version} will serve within a second."
    act(api, done, "POST", f"/models/{kind}/rollback", {"to": version, "reason": reason})


def _publishing(api: ConsoleApi, kind: str) -> None:
    with st.form(f"publish-{kind}"):
        st.text_input("Publish a candidate", key=f"folder-{kind}", placeholder="its folder on the platform's machine")
        st.text_input(
            "Publish regardless of the gate, because", key=f"force-{kind}", placeholder="empty: the gate decides"
        )
        st.form_submit_button("Publish", key=f"publish-now-{kind}", on_click=_publish, args=(api, kind))
    job = st.session_state.get(f"_job-{kind}")
    if job:
        st.fragment(partial(_progress, api, kind, job), run_every=_LOOK_S)()


def _publish(api: ConsoleApi, kind: str) -> None:
    folder, force = (st.session_state[f"{name}-{kind}"].strip() for name in ("folder", "force"))
    if not folder:
        refuse("Give the candidate's folder. Nothing was sent.")
        return
    try:
        told = api.send("POST", f"/models/{kind}/publish", {"folder": folder, "force": force})
    except ApiError as error:
        refuse(str(error))
        return
    st.session_state[f"_job-{kind}"] = told["job"]


def _progress(api: ConsoleApi, kind: str, job: str) -> None:
    """Show the progress of a publication until it has ended."""
    try:
        told = api.get(f"/models/{kind}/publish/{job}")
    except ApiError as error:
        st.error(view.quoted(error), icon=":material/error:")
        return
    state = view.quoted(told["state"])
    lines = [line for line in told["says"].splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if told["state"] == "succeeded":
        st.success(f"{kind}: published, will serve within a second.", icon=":material/check_circle:")
    elif told["state"] in ("failed", "stopped"):
        st.error(f"{kind}: not published ({state}). {view.quoted(last)}", icon=":material/error:")
    else:
        st.info(f"{kind}: the gate is judging the candidate ({state}).", icon=":material/hourglass_top:")


PARTS = (rollback,)
