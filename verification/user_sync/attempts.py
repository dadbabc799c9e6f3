"""Attempts to make a user sync redirect a browser to somewhere else than the hosts of the exchange."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote


class Attempt(NamedTuple):
    """One attempt.

    Attributes:
        path: path of the request.
        query: its query, as sent.
    """

    path: str
    query: str


_TARGETS = (
    "https://{evil}/setuid?uid=$UID",  # another host, in all the ways that one can be written
    "http://{evil}/?uid=$UID",
    "http://{good}/?uid=$UID",
    "HTTPS://{evil}/?uid=$UID",
    "//{evil}/?uid=$UID",
    "///{evil}/?uid=$UID",
    "////{evil}/?uid=$UID",
    "/\\{evil}/?uid=$UID",
    "\\\\{evil}/?uid=$UID",
    "\\/\\/{evil}/?uid=$UID",
    "https:{evil}/?uid=$UID",
    "https:/{evil}/?uid=$UID",
    "https:///{evil}/?uid=$UID",
    "https:\\\\{evil}/?uid=$UID",
    "https:/\\{evil}/?uid=$UID",
    "ftp://{evil}/?uid=$UID",
    "wss://{evil}/?uid=$UID",
    "https://{good}@{evil}/?uid=$UID",  # the good one as userinfo
    "https://{good}:x@{evil}/?uid=$UID",
    "https://{host}:443@{evil}/?uid=$UID",
    "https://{good}%40{evil}/?uid=$UID",
    "https://{good}%2540{evil}/?uid=$UID",
    "https://{good}\\@{evil}/?uid=$UID",
    "https://{good}%5c@{evil}/?uid=$UID",
    "https://{good}%2f@{evil}/?uid=$UID",
    "https://@{evil}/?uid=$UID",
    "https://{evil}\\@{good}/?uid=$UID",  # the good one behind what ends the host
    "https://{evil}#@{good}/?uid=$UID",
    "https://{evil}?@{good}/?uid=$UID",
    "https://{evil}/@{good}/?uid=$UID",
    "https://{evil}\t@{good}/?uid=$UID",
    "https://{host}.{evil}/?uid=$UID",  # the good one as a part
    "https://{host}{evil}/?uid=$UID",
    "https://not{good}/?uid=$UID",
    "https://sub.{good}/?uid=$UID",
    "https://{host}.:{port}/?uid=$UID",
    "https://{evil}/{good}/?uid=$UID",
    "https://{host}:1/?uid=$UID",  # another port
    "https://{host}:{port}:443/?uid=$UID",
    "https://{host}:{port}0/?uid=$UID",
    "https://{host}/?uid=$UID",
    "https://{host}\u3002evil.example:{port}/?uid=$UID",  # dots and letters of Unicode
    "https://{host}\uff0eevil.example:{port}/?uid=$UID",
    "https://{host}\uff61evil.example:{port}/?uid=$UID",
    "https://\uff45vil.example:{port}/?uid=$UID",
    "https://evil\u3002example:{port}/?uid=$UID",
    "https://{host}\u2044.{evil}/?uid=$UID",
    "https://{host}\uff0f.{evil}/?uid=$UID",
    "https://%65vil.example:{port}/?uid=$UID",  # encoded once more
    "https://{host}%2eevil.example:{port}/?uid=$UID",
    "https://{host}%00.{evil}/?uid=$UID",
    "https://{good}\x00.{evil}/?uid=$UID",
    "\x01https://{evil}/?uid=$UID",  # what browsers strip
    " https://{evil}/?uid=$UID",
    "ht\ttps://{evil}/?uid=$UID",
    "https://{good}\r\n.{evil}/?uid=$UID",
    "https://{good}/\r\nLocation: https://{evil}/?uid=$UID",  # lines of a header
    "https://{good}/\nSet-Cookie: a=b\n?uid=$UID",
    "https://{good}/?uid=$UID\r\n\r\n<meta http-equiv=refresh content='0;url=https://{evil}/'>",
    "https://{good}/%0d%0aLocation:%20https://{evil}/?uid=$UID",
    "https://{good}/\u560a\u560dLocation:https://{evil}/?uid=$UID",
    "https://$UID{evil}/",  # the macro in the host
    "https://{good}$UID@{evil}/",
    "https://{good}$UID.{evil}/",
    "https://{host}$UID:{port}/",
    "$UID//{evil}/",
    "https://{evil}/",
    "javascript:location='https://{evil}/?uid=$UID'",  # no address of a host
    "data:text/html,<script>location='https://{evil}/?uid=$UID'</script>",
    "https://[::1]:{port}/?uid=$UID",
    "https://2130706433:{port}/?uid=$UID",
    "https://0x7f.1:{port}/?uid=$UID",
)
"""Values of `r`, decoded: `{good}` is the exchange's host with its port, `{evil}` the one that must not be reached."""

_QUERIES = (
    "r={ok}&r={bad}",
    "r={bad}&r={ok}",
    "r={ok};r={bad}",
    "r[]={bad}",
    "R={bad}",
    "f=b&redirect={bad}&url={bad}&next={bad}",
    "f=i&return={bad}",
    "r={ok}%26r%3D{bad}",
    "r={twice}",
)
_PATHS = ("/sync//{evil}/", "/sync/https://{evil}/", "/sync/{name}//{evil}/", "/sync/{name}/..//{evil}/")


def attempts(name: str, good: str, evil: str) -> list[Attempt]:
    """Return all attempts.

    Args:
        name: name of the exchange.
        good: a host of the exchange, with its port.
        evil: another one.
    """
    host, _, port = good.partition(":")
    words = {"good": good, "evil": evil, "host": host, "port": port, "name": name}
    ok, bad = quote(f"https://{good}/setuid?uid=$UID", safe=""), quote(f"https://{evil}/?uid=$UID", safe="")
    path, coded = f"/sync/{name}", {"ok": ok, "bad": bad, "twice": quote(bad, safe="")}
    found = [Attempt(path, f"r={quote(target.format_map(words), safe='')}") for target in _TARGETS]
    found += [Attempt(path, query.format_map(coded)) for query in _QUERIES]
    return found + [Attempt(one.format_map(words), f"r={ok}") for one in _PATHS]
