"""Users by number: what frequency caps count by, and what goes into tokens instead of an id."""

from __future__ import annotations

import hashlib


class UserKeys:
    """Makes numbers of user ids, under a secret of its own: caps go on when the secret of notices is changed.

    Args:
        secret: shared by all replicas, at least 16 characters. With another one every user is a new one.

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
        """Return the number of a user, which nobody can turn back without the secret; 0 for the empty id."""
        if not user:
            return 0
        digest = self._begun.copy()
        digest.update(user.encode())
        return int.from_bytes(digest.digest(), "big") or 1
