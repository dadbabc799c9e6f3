"""Who is to bid no more: all who told each other agree, whatever came first."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtb.campaigns.stops import EVERYONE, Stop, Stops

_WORDS = st.builds(Stop, st.integers(0, 3), st.integers(0, 1_000).map(float), st.booleans())


@given(st.lists(_WORDS, unique_by=lambda one: (one.number, one.at)), st.randoms())
def test_the_later_word_holds_in_whatever_order_it_came(words: list[Stop], draw: object) -> None:
    mixed = list(words)
    draw.shuffle(mixed)  # type: ignore[attr-defined]
    one, other, third = Stops(), Stops(), Stops()
    one.hear(words)
    for word in mixed:
        other.hear([word])
    third.hear(one.all())
    last = {
        number: max((w for w in words if w.number == number), key=lambda w: w.at)
        for number in {w.number for w in words}
    }
    campaigns = np.array([1, 2, 3, 9], np.int32)
    is_all = EVERYONE in last and last[EVERYONE].is_on
    wanted = [is_all or (number in last and last[number].is_on) for number in campaigns.tolist()]
    for heard in (one, other, third):
        assert heard.mask(campaigns).tolist() == wanted
        assert not heard.hear(words)
