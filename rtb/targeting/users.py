"""Pseudonymous numbers of users, for frequency caps and notice tokens."""

from __future__ import annotations

import hashlib


class UserKeys:
    """A keyed hash of user ids, with a secret of its own, so that caps survive a change of the notice secret.

    Args:
        secret: secret shared by all replicas, at least 16 characters. A new one makes every user a new one.

    Raises:
        ValueError: the secret is too short.
    """

    def __init__(self, secret: str) -> None:
        if len(secret) < 16:
            raise ValueError("the user secret is shorter than 16 characters: set a longer RAYBID_USER_SECRET")
        self._begun = hashlib.blake2b(
            key=hashlib.blake2b(secret.encode(), digest_size=32).digest(), digest_size=8, person=b"user"
        )

    def key(self, user: str) -> int:
        """Return the number of a user, which reveals no id without the secret; 0 for the empty id."""
        if not user:
            return 0
        digest = self._begun.copy()
        digest.update(user.encode())
        return int.from_bytes(digest.digest(), "big") or 1
