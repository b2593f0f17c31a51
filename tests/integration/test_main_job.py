"""The main job, whole: an intent goes in, the API gets exactly the right call, failures end as dead letters that can be replayed."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.rig import APPLICATION, TOKEN, Rig, an_intent, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq.installation.celery_app import SUBMIT
from wooshq.ledger.steps import Ask

EXAMPLES = sorted((Path(__file__).parent.parent / "data" / "examples").glob("[!a]*.json"))


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def rig(tmp_path: Path, api: StandIn) -> Iterator[Rig]:
    made = Rig(tmp_path, api.url)
    yield made
    made.close()


class WhenIntentsAreSentFromTheCommandLine:
    def test_every_example_arrives_as_it_is_and_every_channel_as_the_reference_says(self, rig: Rig, api: StandIn) -> None:
        exact = [json.loads(path.read_text()) for path in EXAMPLES]
        kinds = {
            "push": {"title": "Hi"}, "sms": {"body": "4711"}, "telegram": {"body": "x"}, "line": {"body": "x"}, "kakao": {"body": "x"},
            "whatsapp": {"template": {"name": "code", "language": "en", "parameters": ["4711"]}}, "email": {"subject": "S", "body": "<p>"},
        }  # fmt: skip
        plain = [{"to": {"users": [kind]}, "message": {kind: fields}} for kind, fields in kinds.items()]
        lines = [json.dumps({"request": body}) for body in exact] + [json.dumps(intent) for intent in plain]
        rig.start_worker()

        done = rig.cli("send", "--wait", "--json", stdin="\n".join(lines))

        assert done.returncode == 0, done.stderr
        statuses = [json.loads(line) for line in done.stdout.splitlines()]
        assert [s["state"] for s in statuses] == ["sent"] * len(lines)
        arrived = [call.body for call in api.calls]
        assert all(body in arrived for body in exact)
        assert {call.authorization for call in api.calls} == {f"Token {TOKEN}"}
        assert {(call.path, call.content_type) for call in api.calls} == {("/messaging/v2/notify", "application/json")}
        for kind in kinds:
            inner = next(body["transactional"] for body in arrived if body.get("transactional", {}).get("users") == {"list": [kind]})
            assert inner["platforms"] == (["IOS", "ANDROID"] if kind == "push" else [kind.upper()])
            assert inner["application"] == APPLICATION
            assert ("email_payload" in inner) is (kind == "email")

    def test_a_bad_line_is_named_and_stops_no_other(self, rig: Rig) -> None:
        lines = [json.dumps(an_intent("good")), '{"to": {"users": []}, "expire_at": 1', "", json.dumps(an_intent(expire_at="x"))]

        done = rig.cli("send", "--json", stdin="\n".join(lines))

        said = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 1
        assert ["id" in line for line in said] == [True, False, False]
        assert [line["line"] for line in said] == [1, 2, 4]
        assert {"field": "expire_at", "problem": "no such field", "hint": "Did you mean expires_at?"} in said[2]["errors"]
        assert b"Traceback" not in done.stderr


class WhenAnIntentIsRefusedByTheApi:
    def test_it_is_a_dead_letter_that_can_be_mended_and_replayed(self, rig: Rig, api: StandIn) -> None:
        def only_the_good(call: Call, n: int) -> Reply | None:
            inner = call.body["transactional"]
            return (
                refusal(400, 3, "title too rude")
                if inner["payload"]["content"]["localized_content"]["default"]["ios"]["title"] == "bad"
                else None
            )

        api.answer = only_the_good
        rig.start_worker()
        intent_id = rig.wooshq.enqueue({"to": {"users": ["u1"]}, "message": {"push": {"title": "bad"}}, "tags": {"team": "a"}})

        assert rig.ended([intent_id])[0].reason == "rejected"
        letter = rig.wooshq.dead_letters.list(tag=("team", "a"), recipient="u1")[0]
        assert rig.wooshq.dead_letters.groups()[0].count == 1
        plan = rig.wooshq.dead_letters.replay(letter.id, dry_run=True)
        assert (plan.selected, plan.replayed) == (1, 1)
        assert rig.wooshq.dead_letters.show(letter.id).state == "open"

        # as it is, it dies again, and the letter keeps its history
        again = rig.wooshq.dead_letters.replay(letter.id)
        rig.ended(again.ids.values())
        shown = rig.wooshq.dead_letters.show(letter.id)
        assert (shown.state, len(shown.attempts), shown.replays) == ("open", 2, list(again.ids.values()))

        # mended, it is sent, and the letter is closed
        rig.wooshq.dead_letters.edit(letter.id, {"message": {"push": {"title": "good"}}})
        third = rig.wooshq.dead_letters.replay(letter.id)
        status = rig.ended(third.ids.values())[0]
        assert status.state == "sent"
        shown = rig.wooshq.dead_letters.show(letter.id)
        assert (shown.state, shown.message_code) == ("closed", status.message_codes[0])
        assert rig.wooshq.dead_letters.replay(letter.id).skipped == 1

    def test_two_replays_at_once_send_once(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, "no") if n == 1 else None
        rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent())
        rig.ended([intent_id])

        done = [rig.wooshq.dead_letters.replay(intent_id) for _ in range(2)]

        assert [d.replayed for d in done] == [1, 0]
        rig.ended(done[0].ids.values())
        assert len(api.calls) == 2

    def test_with_a_rate_they_wait_their_turn_in_the_ledger(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, "no") if n <= 4 else None
        rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(4))
        rig.ended(i for i in report.ids if i)

        plan = rig.wooshq.dead_letters.replay(reason="rejected", rate=2, dry_run=True)
        assert (plan.replayed, plan.takes_s, plan.ids) == (4, 1.5, {})
        done = rig.wooshq.dead_letters.replay(reason="rejected", rate=2)
        started = time.monotonic()

        waiting = [s for s in map(rig.wooshq.status, done.ids.values()) if s is not None and s.state == "retrying"]
        assert waiting, "whoever asked may go away: the ledger holds them back"
        assert all(s.next_attempt_at for s in waiting)
        rig.ended(done.ids.values())
        assert time.monotonic() - started > 1.2

    def test_a_letter_of_a_newer_wooshq_is_left_to_it(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, "no")
        rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent())
        rig.ended([intent_id])
        rig.wooshq.do(_set_version(rig, intent_id, 99))

        done = rig.wooshq.dead_letters.replay(intent_id)

        assert (done.replayed, done.skipped) == (0, 1)
        assert "newer wooshq" in done.why[intent_id]


def _set_version(rig: Rig, intent_id: str, version: int) -> Any:
    yield Ask([("HSET", rig.wooshq.ledger.keys.intent(intent_id), "v", version)])


class WhenTheApiHasTrouble:
    def test_all_is_sent_in_the_end_and_never_before_the_time_named(self, rig: Rig, api: StandIn) -> None:
        started = time.monotonic()
        not_before: list[float] = []

        def trouble(call: Call, n: int) -> Reply | None:
            at = time.monotonic() - started
            if at < 3:
                return refusal(500, 13, "internal")
            if at < 5:
                return Reply(cut=True, status=502)
            if not not_before:
                not_before.append(time.monotonic() + 3)
                return refusal(429, 8, "slow down", Retry_After="3")
            return None

        api.answer = trouble
        rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(60))

        statuses = rig.ended([i for i in report.ids if i], within_s=120)

        assert {s.state for s in statuses} == {"sent"}
        assert rig.wooshq.dead_letters.list() == []
        assert all(s.attempts for s in statuses)
        after = [call.at for call in api.calls if call.at > not_before[0] - 3]
        in_flight_s = 0.5  # what was already on the wire when the API said so
        assert not [at for at in after if not_before[0] - 3 + in_flight_s < at < not_before[0]]

    def test_a_token_that_turns_invalid_holds_the_rest_until_it_is_good_again(self, rig: Rig, api: StandIn) -> None:
        good = [True]
        api.answer = lambda call, n: None if good[0] else refusal(401, 16, f"invalid {TOKEN}")
        rig.start_worker()
        first = rig.wooshq.enqueue(an_intent("before"))
        rig.ended([first])
        good[0] = False
        called = len(api.calls)
        ids = []
        for i in range(100):
            ids.append(rig.wooshq.enqueue(an_intent(f"u{i}")))
            time.sleep(0.01)

        wait_until(lambda: rig.wooshq.status(ids[-1])["state"] == "held", saw=lambda: rig.wooshq.status(ids[-1]))  # type: ignore[index]
        assert len(api.calls) - called < 20
        gate = rig.wooshq.gates()[0]
        assert (gate.gate, gate.application) == ("token", APPLICATION)
        assert "token" in (rig.wooshq.status(ids[-1]) or {"waiting_for": ""})["waiting_for"]
        good[0] = True

        assert {s.state for s in rig.ended(ids)} == {"sent"}
        assert rig.wooshq.dead_letters.list() == []
        assert TOKEN not in rig.logs()

    def test_an_answer_that_is_lost_is_seen_as_unknown_and_sent_again_or_not_as_the_intent_says(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(cut=True) if n <= 2 else None
        rig.start_worker()

        resent, buried = rig.wooshq.enqueue(an_intent("a")), rig.wooshq.enqueue(an_intent("b", on_unknown="dead_letter"))

        statuses = rig.ended([resent, buried])
        assert [a["outcome"] for a in statuses[0].attempts] == ["unknown", "sent"]
        assert (statuses[1].state, statuses[1].reason) == ("dead", "unknown")
        assert rig.wooshq.counts()["unknown"] == 2


class WhenAnIntentMayNotLeave:
    def test_it_expires_and_nothing_is_sent(self, rig: Rig, api: StandIn) -> None:
        past = rig.wooshq.enqueue(an_intent(expires_at="2020-01-01T00:00:00Z"))
        rig.wooshq.shut_gate("hand", why="maintenance")
        soon = rig.wooshq.enqueue(an_intent(ttl_s=2))
        rig.start_worker()

        assert [s.state for s in rig.ended([past, soon])] == ["expired", "expired"]
        assert api.calls == []

    def test_a_gate_shut_by_hand_holds_without_an_attempt_until_it_is_opened(self, rig: Rig, api: StandIn) -> None:
        rig.wooshq.shut_gate("hand", APPLICATION, why="maintenance")
        rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent())
        wait_until(lambda: (rig.wooshq.status(intent_id) or {})["state"] == "held")
        assert "maintenance" in (rig.wooshq.status(intent_id) or {"waiting_for": ""})["waiting_for"]

        rig.wooshq.open_gate("hand", APPLICATION)

        assert len(rig.ended([intent_id])[0].attempts) == 1

    def test_a_gate_that_the_api_shut_lets_go_at_once_when_a_person_opens_it(self, rig: Rig, api: StandIn) -> None:
        """Whatever the worker itself remembers of the answer that shut it."""
        api.answer = lambda call, n: refusal(429, 8, "slow down", Retry_After="60") if n <= 3 else None
        rig.start_worker()
        rig.wooshq.enqueue_many(an_intent(f"u{n}") for n in range(20))
        wait_until(rig.wooshq.gates, saw=rig.wooshq.counts)
        late = rig.wooshq.enqueue(an_intent("late"))
        wait_until(lambda: (rig.wooshq.status(late) or {})["state"] == "held")

        assert rig.wooshq.open_gate("not_before", APPLICATION)

        assert rig.ended([late], within_s=15)[0].state == "sent"

    def test_what_is_cancelled_is_not_sent(self, rig: Rig, api: StandIn) -> None:
        intent_id = rig.wooshq.enqueue(an_intent())
        assert rig.wooshq.cancel(intent_id) == "cancelled"
        rig.start_worker()
        sent = rig.wooshq.enqueue(an_intent("other"))
        rig.ended([sent])
        assert [call.recipients for call in api.calls] == [["other"]]


class WhenProducersOnlySpeakCelery:
    def _producer(self, rig: Rig) -> Celery:
        return Celery("shop", broker=rig.wooshq.installation.places.broker_url, set_as_current=False)

    @pytest.mark.parametrize("queue", ["transactional", "celery"])
    def test_submit_sends_the_intent(self, rig: Rig, api: StandIn, queue: str) -> None:
        rig.start_worker()
        self._producer(rig).send_task(SUBMIT, args=[an_intent("from-celery")], queue=queue)
        wait_until(lambda: api.accepted["from-celery"] == 1)

    def test_a_message_that_is_delivered_again_is_no_second_intent(self, rig: Rig, api: StandIn) -> None:
        with self._producer(rig) as shop:
            for _ in range(3):
                shop.send_task(SUBMIT, args=[an_intent("once")], queue="transactional", task_id="the-same-task")
        rig.start_worker()
        rig.ended([rig.wooshq.enqueue(an_intent("last"))])
        wait_until(lambda: rig.wooshq.counts()["now_queued_transactional"] == 0)
        assert api.accepted == {"once": 1, "last": 1}

    def test_each_refused_message_is_a_letter_and_the_same_message_again_is_none(self, rig: Rig) -> None:
        rig.start_worker()
        with self._producer(rig) as shop:
            for n in (1, 2, 3, 3):
                shop.send_task(SUBMIT, args=[{"to": {}}], queue="transactional", task_id=f"task-{n}")
            shop.send_task(SUBMIT, args=[an_intent()], queue="transactional", countdown=60)
        wait_until(lambda: len(rig.wooshq.dead_letters.list(reason="invalid")) == 4, saw=rig.wooshq.dead_letters.list)

    def test_what_is_no_intent_is_a_dead_letter_that_can_be_mended(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        self._producer(rig).send_task(SUBMIT, args=[{"to": {"users": ["u1"]}, "message": {"push": {"titel": "Hi"}}}], queue="transactional")
        wait_until(lambda: len(rig.wooshq.dead_letters.list(reason="invalid")) == 1)
        letter = rig.wooshq.dead_letters.list()[0]
        assert "message.push.titel" in letter.detail

        rig.wooshq.dead_letters.edit(letter.id, {"message": {"push": {"titel": None, "title": "Hi"}}})
        rig.ended(rig.wooshq.dead_letters.replay(letter.id).ids.values())
        assert api.accepted["u1"] == 1


def _message(body: Any = None, **changes: Any) -> str:
    """A Celery message as the Redis transport stores it."""
    import base64

    properties = {
        "delivery_tag": "1f0b", "delivery_mode": 2, "priority": 0, "body_encoding": "base64", "correlation_id": "x", "reply_to": "",
        "delivery_info": {"exchange": "", "routing_key": "transactional"},
    }  # fmt: skip
    headers = {"lang": "py", "task": SUBMIT, "id": "0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d", "argsrepr": "", "kwargsrepr": ""}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    made = {
        "body": base64.b64encode(raw).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }
    for name, value in changes.items():
        place, _, key = name.partition("__")
        if key:
            made[place] = {**made[place], key: value}  # type: ignore[dict-item]
        else:
            made[name.replace("_", "-")] = value
    return json.dumps(made)


MALFORMED = {
    "no JSON": "garbage", "empty": "", "a number": "5", "null": "null", "a list": "[]", "an empty object": "{}",
    "no properties": json.dumps({"body": "", "headers": {}}),
    "nothing but a body": json.dumps({"body": "x"}),
    "a tag that is null": _message([[{}], {}, {}], properties__delivery_tag=None),
    "a tag that is an object": _message([[{}], {}, {}], properties__delivery_tag={}),
    "no delivery tag": json.dumps({"body": "x", "properties": {}}),
    "a lone surrogate": _message([[{"to": {"users": ["\ud800"]}, "message": {"push": {"title": "x"}}}], {}, {}]),
    "a lone surrogate for an intent": _message([["\ud800"], {}, {}]),
    "headers that are a list": _message([[{}], {}, {}], headers=[1]),
    "a body that is not base64": _message().replace('"body": "', '"body": "§'),
    "body null": _message(None), "body {}": _message({}), "body []": _message([]), "body a text": _message("x"),
    "a body that is no JSON": _message(b"{"), "no arguments": _message([[], {}, {}]), "two arguments": _message([[1, 2], {}, {}]),
    "args that are no list": _message([{}, {}, {}]), "headers null": _message([[{}], {}, {}], headers=None),
    "no id": _message([[{}], {}, {}], headers={"task": SUBMIT}), "junk timelimit": _message([[{}], {}, {}], headers__timelimit="x"),
    "an eta": _message([[{}], {}, {}], headers__eta="9999-01-01T00:00:00"), "an unknown task": _message([[], {}, {}], headers__task="nope"),
    "an unknown encoding": _message([[{}], {}, {}], properties__body_encoding="rot13"),
    "pickle": _message(b"\x80\x04N.", content_type="application/x-python-serialize"),
    "ids that are none": _message([[[1, None]], {}, {}], headers__task="wooshq.send"),
    "ids of half characters": _message([[["\ud800" * 36]], {}, {}], headers__task="wooshq.send"),
    "protocol 1 with an eta": _message({"task": SUBMIT, "id": "x", "args": [{}], "kwargs": {}, "eta": "2030-01-01T00:00:00"}, headers={}),
    "ids that nobody knows": _message([[["0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d"]], {}, {}], headers__task="wooshq.send"),
}  # fmt: skip


class WhenTheBrokerCarriesRubbish:
    def test_no_message_ends_or_blocks_the_worker(self, rig: Rig, api: StandIn, raw_broker: Callable[[Rig], Any]) -> None:
        worker = rig.start_worker()
        rig.ended([rig.wooshq.enqueue(an_intent("first"))])
        broker = raw_broker(rig)
        for n, text in enumerate(MALFORMED.values()):
            broker.lpush("transactional", text)
            rig.wooshq.enqueue(an_intent(f"good-{n}"))

        wait_until(lambda: sum(api.accepted.values()) == len(MALFORMED) + 1, saw=lambda: (api.accepted, rig.logs()[-3000:]))

        assert worker.poll() is None
        assert set(api.accepted.values()) == {1}


@pytest.fixture
def raw_broker() -> Callable[[Rig], Any]:
    import redis

    def connect(rig: Rig) -> Any:
        url = rig.wooshq.installation.places.broker_url
        return redis.Redis.from_url(url.replace("redis+socket://", "unix://").replace("virtual_host=", "db="))

    return connect


class WhenTwoInstallationsShareARedis:
    def test_each_takes_what_is_its_own(self, tmp_path: Path, redis_url: str, broker_url: str) -> None:
        with StandIn() as one, StandIn() as other:
            rigs = [
                Rig(tmp_path / name, api.url, redis_url=redis_url, broker_url=broker_url, namespace=name)
                for name, api in (("shop", one), ("news", other))
            ]
            for rig in rigs:
                rig.start_worker()
                rig.wooshq.enqueue_many(an_intent(f"{rig.wooshq.settings.namespace}-{n}") for n in range(30))
                with Celery("app", broker=broker_url, set_as_current=False) as app:
                    app.send_task(
                        SUBMIT, args=[an_intent(f"{rig.wooshq.settings.namespace}-c")], queue=rig.wooshq.installation.app.lanes["bulk"]
                    )
            wait_until(lambda: one.accepted.total() == other.accepted.total() == 31, saw=lambda: (one.accepted, other.accepted))
            for rig in rigs:
                assert "published_again" not in rig.logs()
                rig.close()
        assert {person.partition("-")[0] for person in one.accepted} == {"shop"}
        assert {person.partition("-")[0] for person in other.accepted} == {"news"}


class WhenAWorkerIsToldToEnd:
    def test_what_it_had_to_break_is_written_down_and_not_taken_for_a_crash(self, rig: Rig, api: StandIn) -> None:
        api.latency_s = 30
        rig.env["WOOSHQ_DRAIN_S"] = "2"
        worker = rig.start_worker()
        ids = [rig.wooshq.enqueue(an_intent(f"u{n}")) for n in range(5)]
        wait_until(lambda: len(api.calls) == 5)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0

        api.latency_s = 0
        assert rig.wooshq.counts()["now_sending"] == 0
        for status in map(rig.wooshq.status, ids):
            assert status is not None
            assert [a["outcome"] for a in status.attempts] == ["unknown"]
            assert "worker was lost" not in status.attempts[0]["error"]

    def test_it_finishes_what_is_under_way_and_leaves_the_rest(self, rig: Rig, api: StandIn) -> None:
        api.latency_s = 0.3
        worker = rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(1000))
        wait_until(lambda: len(api.calls) > 100)

        worker.send_signal(signal.SIGTERM)

        assert worker.wait(30) == 0
        rig.start_worker()
        assert {s.state for s in rig.ended([i for i in report.ids if i])} == {"sent"}
        assert set(api.accepted.values()) == {1}
