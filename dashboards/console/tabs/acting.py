"""How a change is made, and how its outcome is told."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from dashboards.console import view
from dashboards.console.scene import Scene
from dashboards.console.sources.api import Api, ApiError

_SAID = "_said"


class Unreadable(ValueError):
    """What was typed is no JSON; the message says where."""


def act(api: Api, done: str, method: str, path: str, body: Any = None, *, version: int | None = None) -> bool:
    """Change something, keep what came of it for the next drawing, and say whether it was done.

    Args:
        api: to change it through.
        done: what to say when it is done.
        method: of HTTP.
        path: what to change.
        body: sent as JSON.
        version: that is changed.
    """
    try:
        api.send(method, path, body, version)
    except ApiError as error:
        st.session_state[_SAID] = (False, str(error))
        return False
    st.session_state[_SAID] = (True, done)
    return True


def refuse(message: str) -> None:
    """Say why nothing was sent."""
    st.session_state[_SAID] = (False, message)


def said(scene: Scene) -> None:
    """What the last change came to; once."""
    told = st.session_state.pop(_SAID, None)
    if told is None:
        return
    is_done, text = told
    if is_done:
        st.success(view.quoted(text), icon=":material/check_circle:")
    else:
        st.error(view.quoted(text), icon=":material/error:")


def parsed(text: str) -> Any:
    """JSON that was typed.

    Raises:
        Unreadable: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unreadable(f"this is no JSON ({error}): nothing was sent") from error
