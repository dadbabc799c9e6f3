"""`raybid forget`: delete what is stored about a person."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from raybid.cli.client import PlatformApi
from raybid.cli.common import AsJson, Key, Url, page, show_json


def forget(
    user: Annotated[str, typer.Argument(help="user id as in bid requests: `user.buyeruid` or `user.id`")],
    *,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Delete what is stored about a person; docs/privacy.md says what that is."""
    told = PlatformApi(url, key).call("DELETE", f"/users/{quote(user, safe='')}").json()
    if as_json:
        show_json(told)
        return
    page().print(f"{told['frequency_counters']} frequency counters removed; nothing else is stored per user")
