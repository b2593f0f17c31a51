"""A call for many letters was refused: in which calls they are tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wooshq.letters.replays.run import apart

PLACES = [str(place) for place in range(10, 30)]


class WhenACallForManyIsRefused:
    def test_the_recipients_that_the_api_names_are_alone_and_the_others_stay_together(self) -> None:
        calls = apart(PLACES, "transactional.users.list[2]: is not valid; transactional.users.list[5]: is not valid")
        assert calls == ["12", "15", ",".join(place for place in PLACES if place not in ("12", "15"))]

    @pytest.mark.parametrize(
        "detail", ["payload.preset: the preset is not known", "transactional.payload.content: is too rude", "campaign: is not known"]
    )
    def test_a_refusal_of_the_message_is_everybodys(self, detail: str) -> None:
        assert apart(PLACES, detail) is None

    def test_otherwise_it_is_halved_and_a_handful_is_tried_one_by_one(self) -> None:
        assert apart(PLACES, "a recipient is not valid") == [",".join(PLACES[:10]), ",".join(PLACES[10:])]
        assert apart(PLACES[:3], "no") == PLACES[:3]

    @given(st.lists(st.integers(0, 5000), min_size=2, unique=True).map(lambda places: [*map(str, places)]), st.text())
    def test_nobody_is_left_out_or_tried_twice(self, places: list[str], detail: str) -> None:
        calls = apart(places, detail)
        if calls is not None:
            assert sorted(place for call in calls for place in call.split(",")) == sorted(places)
            assert len(calls) > 1
