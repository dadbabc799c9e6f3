"""Whether a secret can be guessed."""

from __future__ import annotations

SHORTEST = 16
"""Fewest characters of a secret."""

_LEAST_DIFFERENT = 6
_USUAL = ("changeme", "replaceme", "password", "default", "example", "yourkey", "yoursecret", "12345678", "qwerty")
"""Placeholders of documentation that end up as secrets."""


def weakness(secret: str) -> str | None:
    """Return why a secret is weak; `None` where it is not. The reason never repeats the secret."""
    if len(secret) < SHORTEST:
        return f"it has {len(secret)} characters, and needs {SHORTEST}"
    if not (secret.isascii() and secret.isprintable()):
        return "it has characters that no HTTP header may carry: use printable ASCII"
    if len(set(secret)) < _LEAST_DIFFERENT:
        return "it repeats a few characters"
    plain = "".join(filter(str.isalnum, secret.lower()))
    if any(word in plain for word in _USUAL):
        return "it contains a placeholder or a common password"
    return None
