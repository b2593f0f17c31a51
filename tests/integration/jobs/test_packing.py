"""A job makes as few calls as it can, and sends to each recipient once."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from typing import Any

import pytest

from tests.fan_outs import PERSONAL, TEMPLATE, adds_up, people, personal
from tests.rig import APPLICATION, GENEROUS_S, Rig
from tests.stand_in import Call, StandIn
from wooshq.aio import AsyncWooshq
from wooshq.jobs.show import Job

pytestmark = pytest.mark.stand_in(latency_s=0.02)


def placeholders(call: Call) -> dict[str, str]:
    return call.body["transactional"].get("dynamic_content_placeholders", {})  # type: ignore[no-any-return]


class WhenEverybodyGetsTheSame:
    def test_calls_are_as_full_as_the_api_takes_them(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(5500)).wait(GENEROUS_S)
        assert (job.state, job.sent, job.total, job.calls, job.calls_needed) == ("done", 5500, 5500, 6, 6)
        assert sorted(len(call.recipients) for call in api.calls) == [500] + [1000] * 5
        assert api.accepted == Counter(people(5500))
        assert adds_up(rig, job)

    def test_a_recipient_that_is_given_twice_gets_it_once(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        made = rig.wooshq.fan_out(TEMPLATE, itertools.chain(people(300), people(100), personal(50)))
        assert (made.wait(GENEROUS_S).sent, made.duplicates) == (300, 150)
        assert set(api.accepted.values()) == {1}

    def test_a_bad_recipient_is_reported_with_its_place_and_does_not_stop_the_others(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        bad: list[Any] = [{"usr": "x"}, {"user": ""}, 7, {"user": "a", "email": "b@c.de"}]
        told = []
        made = rig.wooshq.fan_out(TEMPLATE, [*people(3), *bad, "last"], refused=told.append)
        assert made.wait(GENEROUS_S).sent == 4
        assert (made.refused, sorted(made.errors)) == (4, [3, 4, 5, 6])
        assert [one.place for one in told] == [3, 4, 5, 6]
        assert "Did you mean user?" in str(made.errors[3][0])

    def test_a_job_without_recipients_ends_at_once(self, rig: Rig) -> None:
        job = rig.wooshq.fan_out(TEMPLATE, []).show()
        assert (job.state, job.total, job.left) == ("done", 0, 0)


class WhenSomeRecipientsShareTheirRequest:
    def test_recipients_of_one_city_and_locale_share_full_calls_in_whatever_order_they_come(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        cities = ["Bonn", "Köln", "Ulm"]
        some = [{"user": f"u{i}", "city": cities[i % 3], "locale": ["en", "de", "fr"][i // 3 % 3]} for i in range(9000)]
        template = {"message": {"push": {"title": {"en": "Sale", "de": "Rabatt"}}}}
        job = rig.wooshq.fan_out(template, some, also=["city"]).wait(GENEROUS_S)
        assert (job.sent, job.calls) == (9000, 9)
        for call in api.calls:
            asked = {(row["city"], row["locale"]) for row in some if row["user"] in set(call.recipients)}
            assert len(asked) == 1
            ((city, locale),) = asked
            assert placeholders(call) == {"city": city}
            title = call.body["transactional"]["payload"]["content"]["localized_content"]["default"]["ios"]["title"]
            assert title == ("Rabatt" if locale == "de" else "Sale")

    def test_each_recipient_gets_their_own_call_if_nobody_shares(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        job = rig.wooshq.fan_out(PERSONAL, personal(1500)).wait(GENEROUS_S)
        assert (job.sent, job.calls) == (1500, 1500)
        assert all(placeholders(call) == {"name": call.recipients[0].replace("u", "N")} for call in api.calls)
        assert set(api.accepted.values()) == {1}
        assert adds_up(rig, job)


class WhenAJobIsStartedFromAsyncio:
    def test_it_works_the_same(self, rig: Rig, api: StandIn) -> None:
        async def stream() -> Any:
            for i in range(3000):
                yield {"user": f"u{i}"} if i != 7 else {"user": ""}

        async def all_of_it() -> tuple[Job, int]:
            async with AsyncWooshq(rig.wooshq.settings) as aio:
                made = await aio.fan_out(TEMPLATE, stream())
                job = await made.wait(GENEROUS_S)
                assert [one.id for one in await aio.bulk.list()] == [job.id]
                assert [one async for one in aio.bulk.unknown_identifiers(job.id)] == []
                return job, made.refused

        rig.start_worker()
        job, refused = asyncio.run(all_of_it())
        assert (job.sent, refused, job.calls) == (2999, 1, 3)


def test_the_json_of_a_job_has_the_fields_of_the_design(rig: Rig) -> None:
    job = rig.wooshq.fan_out(TEMPLATE, people(3)).show()
    ended = rig.wooshq.bulk.cancel(rig.wooshq.fan_out(TEMPLATE, people(3)).id, "wrong text", by="ana").to_json()
    assert {"cancelled": 3, "left": 0, "why": "wrong text"}.items() <= json.loads(ended).items()
    design = [
        "id", "state", "total", "sent", "dead", "retrying", "unknown", "unknown_identifiers", "expired", "calls", "rate", "accepted_at", "ended_at",
    ]  # fmt: skip
    assert list(json.loads(job.to_json())) == [*design, "cancelled", "left", "why"]
    assert job.application == APPLICATION
