"""Who a request is from, behind HAProxy."""

from __future__ import annotations

import pytest

from deployments.ingress import name_caller


@pytest.mark.parametrize(
    ("forwarded", "caller"),
    [
        ([], "127.0.0.1"),
        (["192.0.2.1"], "192.0.2.1"),
        (["8.8.8.8", "127.0.0.1"], "127.0.0.1"),  # what a caller on this machine made up is not believed
        (["8.8.8.8, 9.9.9.9, 192.0.2.1"], "192.0.2.1"),
        (["2001:db8::1"], "2001:db8::1"),
    ],
)
def test_a_request_is_from_whoever_called_the_proxy(forwarded: list[str], caller: str) -> None:
    headers = [(b"host", b"x"), *((b"x-forwarded-for", one.encode()) for one in forwarded), (b"accept", b"*/*")]
    scope = {"type": "http", "client": ("127.0.0.1", 1), "headers": headers}
    name_caller(scope)
    assert scope["client"][0] == caller
