"""Whether a secret that somebody chose can be guessed."""

from __future__ import annotations

SHORTEST = 16
"""Characters of a secret, at least."""

_LEAST_DIFFERENT = 6
_USUAL = ("changeme", "replaceme", "password", "default", "example", "yourkey", "yoursecret", "12345678", "qwerty")
"""What documentation writes where a secret goes, and people type."""


def weakness(secret: str) -> str | None:
    """Return what makes a secret guessable, none where nothing is known of it. The secret itself is never repeated."""
    if len(secret) < SHORTEST:
        return f"it has {len(secret)} characters, and needs {SHORTEST}"
    if not (secret.isascii() and secret.isprintable()):
        return "it has characters that no header carries: printable ASCII does"
    if len(set(secret)) < _LEAST_DIFFERENT:
        return "it repeats a few characters"
    plain = "".join(filter(str.isalnum, secret.lower()))
    if any(word in plain for word in _USUAL):
        return "it is a word that stands for a secret"
    return None
