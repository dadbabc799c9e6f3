"""Changes, and the messages about their outcome."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from dashboards.console import view
from dashboards.console.scene import Scene
from dashboards.console.sources.api import ApiError, ConsoleApi

_SAID = "_said"


class Unreadable(ValueError):
    """An error for typed text that is not JSON; the message says where."""


def act(api: ConsoleApi, done: str, method: str, path: str, body: Any = None, *, version: int | None = None) -> bool:
    """Change something, keep the outcome for the next drawing, and return whether it worked.

    Args:
        api: API to use.
        done: message on success.
        method: HTTP method.
        path: path of the change.
        body: sent as JSON.
        version: version to change.
    """
    try:
        api.send(method, path, body, version)
    except ApiError as error:
        st.session_state[_SAID] = (False, str(error))
        return False
    st.session_state[_SAID] = (True, done)
    return True


def refuse(message: str) -> None:
    """Show why nothing was sent."""
    st.session_state[_SAID] = (False, message)


def said(scene: Scene) -> None:
    """Show the outcome of the last change, once."""
    told = st.session_state.pop(_SAID, None)
    if told is None:
        return
    is_done, text = told
    if is_done:
        st.success(view.quoted(text), icon=":material/check_circle:")
    else:
        st.error(view.quoted(text), icon=":material/error:")


def parsed(text: str) -> Any:
    """Parse typed JSON.

    Raises:
        Unreadable: it is not JSON.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unreadable(f"this is not JSON ({error}): nothing was sent") from error
