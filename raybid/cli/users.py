"""`raybid forget`: remove what is kept of a person."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from raybid.cli.client import Api
from raybid.cli.common import AsJson, Key, Url, page, show_json


def forget(
    user: Annotated[str, typer.Argument(help="id of the user as bid requests name it: `user.buyeruid` or `user.id`")],
    *,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Remove what is kept of a person: see docs/privacy.md for what that is."""
    told = Api(url, key).call("DELETE", f"/users/{quote(user, safe='')}").json()
    if as_json:
        show_json(told)
        return
    page().print(f"{told['frequency_counters']} frequency counters removed; nothing else is kept by user")
