"""Ids of users that we make ourselves: random, with a seal that shows that they are ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

_RANDOM_BYTES = 12
_SEAL_BYTES = 8
_ID = re.compile(r"[a-z2-7]{32}", re.ASCII)
"""20 bytes in base32. Short, as an exchange keeps the ids of all bidders in one cookie, and the same in URLs."""


class SyncIds:
    """Maker of ids.

    An id is random, so it says nothing of anybody. Its seal keeps made-up ids out without a store of those that exist.

    Args:
        secret: secret shared by all replicas, at least 16 characters; ids of another secret are not ours.

    Raises:
        ValueError: the secret is too short.
    """

    def __init__(self, secret: str) -> None:
        if len(secret) < 16:
            raise ValueError("the user secret is shorter than 16 characters: set a longer RAYBID_USER_SECRET")
        self._key = hashlib.blake2b(secret.encode(), digest_size=32, person=b"user sync").digest()

    def make(self) -> str:
        """Return a new id."""
        random = secrets.token_bytes(_RANDOM_BYTES)
        return base64.b32encode(random + self._seal(random)).decode().lower()

    def is_ours(self, text: str) -> bool:
        """Return whether a text is an id that we made."""
        if not is_id(text):
            return False
        blob = base64.b32decode(text.upper())
        return hmac.compare_digest(blob[_RANDOM_BYTES:], self._seal(blob[:_RANDOM_BYTES]))

    def _seal(self, random: bytes) -> bytes:
        return hashlib.blake2b(random, key=self._key, digest_size=_SEAL_BYTES).digest()


def is_id(text: str) -> bool:
    """Return whether a text has the form of an id, whoever made it."""
    return _ID.fullmatch(text) is not None
