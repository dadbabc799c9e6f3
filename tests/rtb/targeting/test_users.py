"""Numbers that stand for users."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.targeting.users import UserKeys

KEYS, OTHER = UserKeys("sixteen letters!"), UserKeys("another secret of ours")


@given(users=st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_a_users_key_is_a_number_of_its_own_and_of_the_secret(users: list[str]):
    keys = [KEYS.key(user) for user in users]
    assert keys[0] != keys[1]
    assert keys == [UserKeys("sixteen letters!").key(user) for user in users]
    assert all(0 < key < 2**64 for key in keys)
    assert OTHER.key(users[0]) != keys[0]


def test_nobody_has_no_number():
    assert KEYS.key("") == 0


@pytest.mark.parametrize("secret", ["", "short", "fifteen letters"])
def test_a_short_secret_is_refused(secret: str):
    with pytest.raises(ValueError, match="RAYBID_USER_SECRET"):
        UserKeys(secret)
