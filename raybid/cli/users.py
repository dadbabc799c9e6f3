"""`raybid forget`: delete what is stored about a person."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from raybid.cli.client import PlatformApi
from raybid.cli.common import AsJson, Key, Url, page, show_json


def forget(
    user: Annotated[str, typer.Argument(help="an id as in bid requests: `user.buyeruid`, `user.id`, `device.ifa`")],
    *,
    source: Annotated[str, typer.Option(help="where the id is from `eids`: its source, such as liveramp.com")] = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Delete what is stored about a person; docs/privacy.md says what that is."""
    query = f"?source={quote(source, safe='')}" if source else ""
    told = PlatformApi(url, key).call("DELETE", f"/users/{quote(user, safe='')}{query}").json()
    if as_json:
        show_json(told)
        return
    page().print(f"{told['frequency_counters']} frequency counters removed; nothing else is stored per user")
