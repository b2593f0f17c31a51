"""Webhooks over HTTP, and the stream of events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.integration.worker.console.served import served
from tests.rig import GENEROUS_S, wait_until
from wooshq import Wooshq
from wooshq.events.event import EventType, WebhookTest
from wooshq.events.ledger import SubscriberLedger
from wooshq.events.stored import Stored, to_store
from wooshq.ledger.steps import Ask, Steps
from wooshq_worker.console.calls.events import streams

URL = "https://shop.example/hooks/wooshq?token=hidden"


@pytest.fixture
def http(wooshq: Wooshq) -> Iterator[httpx.Client]:
    with served(wooshq.settings) as client:
        yield client


def told(wooshq: Wooshq, *kinds: EventType) -> list[str]:
    """Events are made. Returns their ids."""
    ledger = SubscriberLedger(wooshq.settings)
    made = [to_store(kind, WebhookTest(webhook="x"), "2026-11-28T00:00:00.000Z") for kind in kinds]
    places = wooshq.do(ledger.pass_on("", (), made, "webhook/nobody"))
    _, tag = wooshq.do(ledger.want())
    return [Stored(place, tag, *one).id for place, one in zip(places or (), made, strict=True)]


class Listening:
    """What comes on a stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def next(self) -> dict[str, str]:
        """The next event, or comment."""
        found: dict[str, str] = {}
        for line in self._lines:
            if not line:
                return found
            name, _, value = line.partition(": ")
            found[name] = value
        raise EOFError

    def events(self, n: int) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        while len(found) < n:
            if "event" in (one := self.next()):
                found.append(one)
        return found


@contextmanager
def listening(http: httpx.Client, *types: str, after: str | None = None) -> Iterator[Listening]:
    headers = {"Last-Event-ID": after} if after else {}
    with http.stream("GET", "/v1/events", params={"types": ",".join(types)}, headers=headers, timeout=GENEROUS_S) as answer:
        assert answer.status_code == 200, answer.read()
        found = Listening(answer)
        assert "retry" in found.next()
        yield found


class WhenWebhooksAreOperatedOverHttp:
    def test_one_is_added_shown_paused_rotated_and_removed(self, http: httpx.Client, wooshq: Wooshq) -> None:
        made = http.post("/v1/webhooks", json={"name": "shop", "url": URL, "types": ["job.ended"], "why": "the shop"})
        assert (made.status_code, made.headers["location"]) == (201, "/v1/webhooks/shop")
        assert made.json()["secret"].startswith("whsec_")
        assert made.json()["url"] == "https://shop.example/hooks/wooshq?token=***"
        shown = http.get("/v1/webhooks/shop").json()
        assert shown == dict(wooshq.webhooks.show("shop"))
        assert (shown["url"], shown["types"], shown["by"]) == ("https://shop.example/hooks/wooshq?token=***", ["job.ended"], "ana")
        assert http.get("/v1/webhooks").json()["data"] == [shown]
        assert http.post("/v1/webhooks/shop/pause", json={"why": "noon"}).json()["why_paused"] == "noon"
        assert http.post("/v1/webhooks/shop/test").status_code == 422, "it is paused"
        assert http.post("/v1/webhooks/shop/resume").json()["state"] == "active"
        event = http.post("/v1/webhooks/shop/test")
        assert (event.status_code, event.json()["event"][:4]) == (202, "evt_")
        assert http.post("/v1/webhooks/shop/resend", json=event.json()).json() == {"queued": True}
        rotated = http.post("/v1/webhooks/shop/rotate", json={"old_for_s": 60}).json()
        assert rotated["secret"] != made.json()["secret"]
        assert http.get("/v1/webhooks/shop/deliveries").json() == {"data": [], "next": None}
        assert http.post("/v1/webhooks/shop/remove").json() == {"removed": True}
        assert http.get("/v1/webhooks/shop").status_code == 404
        assert {act.by for act in wooshq.audit().found} == {"ana"}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"url": "http://shop.example/hook"},
            {"url": "https://10.0.0.1/hook"},
            {"url": "https://[::ffff:127.0.0.1]/hook"},
            {"url": "https://ana:secret@shop.example/hook"},
            {"url": "https://localhost/hook"},
            {"url": "ftp://shop.example"},
            {"types": ["message.sent"]},
            {"name": "a b"},
        ],
    )
    def test_what_cannot_be_one_is_refused(self, http: httpx.Client, wooshq: Wooshq, wrong: dict[str, Any]) -> None:
        answer = http.post("/v1/webhooks", json={"name": "shop", "url": URL, **wrong})
        assert answer.status_code == 422
        assert "secret" not in answer.text.replace("user or a password", "")
        assert wooshq.webhooks.list() == []


class WhenSomebodyListens:
    def test_events_come_as_they_happen_by_type(self, http: httpx.Client, wooshq: Wooshq) -> None:
        told(wooshq, EventType.JOB_ENDED)
        with listening(http, "job.ended") as found:
            ids = told(wooshq, EventType.GATE_SHUT, EventType.JOB_ENDED)
            (one,) = found.events(1)
        assert (one["id"], one["event"]) == (ids[1], "job.ended")
        assert json.loads(one["data"])["id"] == ids[1]

    def test_a_client_goes_on_after_the_last_event_that_it_has(self, http: httpx.Client, wooshq: Wooshq) -> None:
        first, *rest = told(wooshq, *[EventType.JOB_ENDED] * 150)
        with listening(http, after=first) as found:
            assert [one["id"] for one in found.events(149)] == rest

    def test_it_is_told_that_events_in_between_are_not_kept_any_more(self, http: httpx.Client, wooshq: Wooshq) -> None:
        with listening(http):
            ids = told(wooshq, *[EventType.JOB_ENDED] * 2)
        wooshq.do(their_time_is_over(SubscriberLedger(wooshq.settings)))
        (last,) = told(wooshq, EventType.GATE_SHUT)
        with listening(http, after=ids[0]) as found:
            missed, one = found.events(2)
        assert (missed["event"], one["id"]) == ("events.missed", last)

    def test_an_id_of_another_installation_or_type_is_an_error(self, http: httpx.Client) -> None:
        assert http.get("/v1/events", headers={"Last-Event-ID": "evt_1-1_zzzzzz"}).status_code == 422
        assert http.get("/v1/events", params={"types": "job.done"}).status_code == 422

    @pytest.mark.settings(console_streams=1)
    def test_the_number_of_streams_is_bounded_and_one_that_is_left_makes_room(self, http: httpx.Client) -> None:
        with listening(http):
            refused = http.get("/v1/events")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
        wait_until(lambda: _status(http) == 200)

    def test_a_quiet_stream_beats(self, wooshq: Wooshq, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(streams.Streams.__init__, "__kwdefaults__", {"beat_s": 0.05})
        with served(wooshq.settings) as http, listening(http) as found:
            assert found.next() == {"": "beat"}

    def test_it_ends_when_the_server_stops(self, wooshq: Wooshq) -> None:
        with httpx.Client(timeout=GENEROUS_S) as client:
            with served(wooshq.settings) as http:
                request = client.build_request("GET", http.base_url.join("/v1/events"), headers=http.headers)
                lines = client.send(request, stream=True).iter_lines()
                assert next(lines).startswith("retry")
            assert [line for line in lines if line and not line.startswith(":")] == []

    def test_while_somebody_listens_ends_are_told_and_it_costs_nothing_before(self, http: httpx.Client, wooshq: Wooshq) -> None:
        ledger = SubscriberLedger(wooshq.settings)
        assert wooshq.do(ledger.want())[0] is False
        with listening(http):
            assert wooshq.do(ledger.want())[0] is True


def _status(http: httpx.Client) -> int:
    with http.stream("GET", "/v1/events") as answer:
        return answer.status_code


def their_time_is_over(ledger: SubscriberLedger) -> Steps[None]:
    """Events are kept for a minute at least; this is what pass_on.lua does after it."""
    outward, state = (ledger.keys.fixed(name) for name in ("outward", "outward_state"))
    found = (yield Ask([("XRANGE", outward, "-", "+")]))[0]
    yield Ask([("XTRIM", outward, "MAXLEN", 0), ("HSET", state, "begins", found[-1][0])])
