"""Until when Pushwoosh holds a message, for every form of schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from wooshq.intents.schedule import Held, held_by_pushwoosh, schedule_in

AT = "2026-05-01T09:00:00Z"
AT_MS = int(datetime(2026, 5, 1, 9, tzinfo=UTC).timestamp() * 1000)
HOUR_MS = 3_600_000


class WhenAScheduleIsRead:
    @pytest.mark.parametrize(
        "schedule, held",
        [
            ({"at": AT}, Held(AT_MS)),
            ({"at": "2026-05-01T11:00:00+02:00"}, Held(AT_MS)),
            ({"at": AT, "follow_user_timezone": False}, Held(AT_MS)),
            ({"at": AT, "follow_user_timezone": True}, Held(AT_MS, follows_user_timezone=True)),
            ({"after": "90s"}, Held(1000 + 90_000)),
            ({"after": "1.5s"}, Held(1000 + 1_500)),
        ],
    )
    def test_it_says_until_when(self, schedule: dict[str, Any], held: Held) -> None:
        assert held_by_pushwoosh(schedule, 1000) == held

    @pytest.mark.parametrize("schedule", [None, {}, "x", [], {"at": "soon"}, {"at": 5}, {"after": "5m"}, {"after": "999999999999s"}])
    def test_one_that_cannot_be_read_says_nothing(self, schedule: Any) -> None:
        assert held_by_pushwoosh(schedule, 1000) is None

    def test_the_last_user_receives_it_half_a_day_later_if_it_follows_time_zones(self) -> None:
        assert Held(AT_MS).until_ms == AT_MS
        assert Held(AT_MS, follows_user_timezone=True).until_ms == AT_MS + 12 * HOUR_MS

    def test_it_is_said_in_words(self) -> None:
        assert str(Held(AT_MS)) == AT
        assert str(Held(AT_MS, follows_user_timezone=True)) == f"{AT}, in each user's own time zone"


class WhenAnIntentIsRead:
    @pytest.mark.parametrize(
        "intent, schedule",
        [
            ({"to": {}, "schedule": {"at": AT}}, {"at": AT}),
            ({"to": {}}, None),
            ({"request": {"segment": {"schedule": {"at": AT}}}}, {"at": AT}),
            ({"request": {"transactional": {"schedule": {"after": "1s"}}}}, {"after": "1s"}),
            ({"request": {}}, None),
            ({"request": None}, None),
            (None, None),
            ("not an intent", None),
        ],
    )
    def test_its_schedule_is_found_in_either_form(self, intent: Any, schedule: Any) -> None:
        assert schedule_in(intent) == schedule
