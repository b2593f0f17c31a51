"""One message to many: with the fewest calls, each person once, watched and held by whoever started it."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fan_outs import TEMPLATE, adds_up, people, personal
from tests.rig import APPLICATION, Rig, an_intent, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq import Conflict, FeedInterrupted, IntentInvalid, JobUnknown, RecipientsChanged
from wooshq.aio import AsyncWooshq
from wooshq.jobs.show import Job
from wooshq.ledger.steps import Ask, Steps

BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


def events(rig: Rig, name: str) -> list[dict[str, Any]]:
    """What workers logged under a name."""
    return [event for event in map(json.loads, rig.logs().splitlines()) if event["event"] == name]


def _forget_a_chunk(rig: Rig, job_id: str) -> Steps[Any]:
    yield Ask([("HINCRBY", rig.wooshq.ledger.keys.job(job_id), "chunks", -1)])


def placeholders(call: Call) -> dict[str, str]:
    return call.body["transactional"].get("dynamic_content_placeholders", {})  # type: ignore[no-any-return]


class WhenEverybodyGetsTheSame:
    def test_calls_are_as_full_as_the_api_takes_them(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(5500)).wait(60)
        assert (job.state, job.sent, job.total, job.calls, job.calls_needed) == ("done", 5500, 5500, 6, 6)
        assert sorted(len(call.recipients) for call in api.calls) == [500] + [1000] * 5
        assert api.accepted == Counter(people(5500))
        assert adds_up(rig, job)

    def test_a_recipient_who_comes_twice_is_sent_to_once(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        made = rig.wooshq.fan_out(TEMPLATE, itertools.chain(people(300), people(100), personal(50)))
        assert (made.wait(60).sent, made.duplicates) == (300, 150)
        assert set(api.accepted.values()) == {1}

    def test_a_bad_one_is_told_with_its_place_and_stops_no_other(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        bad: list[Any] = [{"usr": "x"}, {"user": ""}, 7, {"user": "a", "email": "b@c.de"}]
        told = []
        made = rig.wooshq.fan_out(TEMPLATE, [*people(3), *bad, "last"], refused=told.append)
        assert made.wait(60).sent == 4
        assert (made.refused, sorted(made.errors)) == (4, [3, 4, 5, 6])
        assert [one.place for one in told] == [3, 4, 5, 6]
        assert "Did you mean user?" in str(made.errors[3][0])

    def test_nobody_is_a_job_that_ends_at_once(self, rig: Rig) -> None:
        job = rig.wooshq.fan_out(TEMPLATE, []).show()
        assert (job.state, job.total, job.left) == ("done", 0, 0)


class WhenSomeShareTheirRequest:
    def test_a_city_and_a_locale_pack_full_in_whatever_order_they_come(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        cities = ["Bonn", "Köln", "Ulm"]
        some = [{"user": f"u{i}", "city": cities[i % 3], "locale": ["en", "de", "fr"][i // 3 % 3]} for i in range(9000)]
        template = {"message": {"push": {"title": {"en": "Sale", "de": "Rabatt"}}}}
        job = rig.wooshq.fan_out(template, some).wait(60)
        assert (job.sent, job.calls) == (9000, 9)
        for call in api.calls:
            asked = {(row["city"], row["locale"]) for row in some if row["user"] in set(call.recipients)}
            assert len(asked) == 1
            ((city, locale),) = asked
            assert placeholders(call) == {"city": city}
            title = call.body["transactional"]["payload"]["content"]["localized_content"]["default"]["ios"]["title"]
            assert title == ("Rabatt" if locale == "de" else "Sale")

    def test_where_nobody_shares_each_gets_their_own_call(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, personal(1500)).wait(60)
        assert (job.sent, job.calls) == (1500, 1500)
        assert all(placeholders(call) == {"name": call.recipients[0].replace("u", "N")} for call in api.calls)
        assert set(api.accepted.values()) == {1}
        assert adds_up(rig, job)


class WhenTheApiRefusesSome:
    @staticmethod
    def refuse(api: StandIn, bad: set[str]) -> None:
        api.answer = lambda call, n: refusal(400, 3, "a recipient is not valid") if bad & set(call.recipients) else None

    def test_the_bad_ones_are_dead_letters_and_everyone_else_is_reached(self, rig: Rig, api: StandIn) -> None:
        bad = {f"u{i}" for i in range(0, 3000, 700)}
        self.refuse(api, bad)
        rig.start_worker()
        made = rig.wooshq.fan_out(TEMPLATE, people(3000))
        job = made.wait(60)
        assert (job.state, job.sent, job.dead) == ("done", 3000 - len(bad), len(bad))
        assert set(api.accepted.values()) == {1}
        assert job.calls <= 3 + 6 + 2 * len(bad) * 10
        letters = rig.wooshq.dead_letters.list(bulk=job.id)
        assert {rig.wooshq.dead_letters.show(letter.id).intent["to"]["users"][0] for letter in letters} == bad
        whole = rig.wooshq.dead_letters.show(letters[0].id)
        assert (whole.reason, whole.bulk_id, whole.lane) == ("rejected", job.id, "bulk")
        assert whole.payload["transactional"]["users"]["list"] == whole.intent["to"]["users"]
        assert len(whole.attempts) >= 2, "the shared calls that it was in, and the one of its own"
        assert adds_up(rig, job)

        def told(name: str) -> int:
            return sum(event.get(name, 0) for event in events(rig, "fanned_out"))

        wait_until(lambda: (told("sent"), told("dead"), told("calls")) == (job.sent, job.dead, job.calls), saw=rig.logs)
        assert not any(f'"{person}"' in rig.logs() for person in bad)

        # mended, they are sent, and nobody who was reached gets it again
        self.refuse(api, set())
        done = rig.wooshq.bulk.retry_failed(job.id)
        assert done.replayed == len(bad)
        rig.ended(done.ids.values())
        assert api.accepted == Counter(people(3000))
        assert rig.wooshq.bulk.retry_failed(job.id).selected == 0

    def test_a_template_that_the_api_refuses_stops_the_job_after_a_handful_of_calls(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, "title too rude")
        rig.start_worker()
        rig.start_worker()
        for stream in (people(20_000), personal(3000)):
            called = len(api.calls)
            job = rig.wooshq.fan_out(TEMPLATE, stream).wait(60)
            assert (job.state, job.sent) == ("stopped", 0)
            assert "title too rude" in job.why
            assert len(api.calls) - called <= 12
            assert job.dead <= 8
            assert adds_up(rig, job)
            wait_until(lambda job=job: any(e["job_id"] == job.id for e in events(rig, "job_stopped")), saw=rig.logs)

    @pytest.mark.parametrize("words", ["title too rude", "title too rude, request id {n}"])
    def test_one_that_refuses_it_later_stops_it_too_before_all_is_halved(self, rig: Rig, api: StandIn, words: str) -> None:
        api.answer = lambda call, n: refusal(400, 3, words.format(n=n)) if n > 1 else None
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(20_000)).wait(60)
        assert (job.state, job.sent) == ("stopped", 1000)
        assert job.calls <= 20 + 2 * 30, "the shared calls, and in each chunk one after the other"
        assert job.dead <= 25
        assert adds_up(rig, job)

    def test_who_dies_again_in_a_replay_stays_the_job_s(self, rig: Rig, api: StandIn) -> None:
        self.refuse(api, {"u3"})
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(10)).wait(60)
        for _ in range(2):
            done = rig.wooshq.bulk.retry_failed(job.id)
            assert done.replayed == 1
            rig.ended(done.ids.values())
            (letter,) = rig.wooshq.dead_letters.list(bulk=job.id)
            assert (letter.state, letter.bulk_id) == ("open", job.id)

    def test_letters_of_one_cause_are_one_group_that_its_detail_finds(self, rig: Rig, api: StandIn) -> None:
        def named(call: Call, n: int) -> Reply | None:
            bad = [at for at, person in enumerate(call.recipients) if person in ("u3", "u700")]
            fields = [{"field": f"transactional.users.list[{at}]", "description": "is not valid"} for at in bad]
            details = [{"@type": BAD_REQUEST, "fieldViolations": fields}]
            return Reply(400, {"code": 3, "message": "no", "details": details}) if bad else None

        api.answer = named
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(1000)).wait(60)
        (group,) = rig.wooshq.dead_letters.groups(bulk=job.id)
        assert (group.count, group.detail) == (2, "transactional.users.list[n]: is not valid")
        assert len(rig.wooshq.dead_letters.list(bulk=job.id, detail=group.detail)) == 2

    def test_one_that_names_what_is_wrong_stops_at_the_first_call_and_goes_on_when_it_is_mended(self, rig: Rig, api: StandIn) -> None:
        broken = [True]
        details = [{"@type": "x/google.rpc.BadRequest", "fieldViolations": [{"field": "segment.preset", "description": "unknown preset"}]}]
        api.answer = lambda call, n: Reply(400, {"code": 3, "message": "no", "details": details}) if broken[0] else None
        rig.start_worker()
        made = rig.wooshq.fan_out({"message": {"preset": "AAAAA-BBBBB"}}, people(2000))
        job = made.wait(60)
        assert (job.state, job.dead, len(api.calls)) == ("stopped", 0, 1)
        broken[0] = False
        made.resume()
        job = made.wait(60)
        assert (job.state, job.sent) == ("done", 2000)
        assert set(api.accepted.values()) == {1}

    def test_who_is_not_known_is_collected_and_is_no_failure(self, rig: Rig, api: StandIn) -> None:
        def some_unknown(call: Call, n: int) -> Reply:
            unknown = [person for person in call.recipients if int(person[1:]) % 250 == 0]
            return Reply(200, {"result": {"message_code": f"M-{n}", "unknown_identifiers": {"users": unknown}}})

        api.answer = some_unknown
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(2000)).wait(60)
        assert (job.sent, job.unknown_identifiers, job.dead) == (1992, 8, 0)
        assert set(rig.wooshq.bulk.unknown_identifiers(job.id)) == {f"u{i}" for i in range(0, 2000, 250)}
        assert adds_up(rig, job)


class WhenTheApiHasTrouble:
    def test_everybody_is_reached_in_the_end_and_nobody_twice(self, rig: Rig, api: StandIn) -> None:
        dice = itertools.cycle([None, refusal(503, 14, "unavailable"), None, refusal(500, 13, "internal"), None])
        api.answer = lambda call, n: next(dice)
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, personal(800)).wait(120)
        assert (job.state, job.sent, job.retrying) == ("done", 800, 0)
        assert set(api.accepted.values()) == {1}
        assert adds_up(rig, job)

    def test_a_token_that_is_refused_holds_the_job_and_costs_nobody_anything(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(401, 16, "invalid token")
        rig.start_worker()
        made = rig.wooshq.fan_out(TEMPLATE, personal(500))
        wait_until(lambda: rig.wooshq.gates(), saw=made.show)
        wait_until(lambda: "token" in made.show().waiting_for)
        assert len(api.calls) < 10
        api.answer = lambda call, n: None
        job = made.wait(60)
        assert (job.state, job.sent, job.dead) == ("done", 500, 0)

    def test_an_answer_that_is_lost_puts_its_recipients_in_doubt_and_each_is_on_record(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(cut=True) if n == 2 else None
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(3000)).wait(60)
        assert (job.sent, job.unknown) == (3000, 1000)
        doubled = {person for person, times in api.accepted.items() if times > 1}
        doubts = list(rig.wooshq.bulk.in_doubt(job.id))
        assert doubled <= {doubt.identifier for doubt in doubts}
        assert (len(doubts), len(doubled)) == (1000, 1000)
        assert "DISCONNECTED" in doubts[0].cause
        assert rig.wooshq.counts()["unknown"] == 1000

    def test_a_person_decides_about_them_where_the_template_says_so(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(cut=True) if n == 3 else None
        rig.start_worker()
        job = rig.wooshq.fan_out({**TEMPLATE, "on_unknown": "dead_letter"}, personal(200)).wait(60)
        assert (job.sent, job.dead, job.unknown) == (199, 1, 1)
        (letter,) = rig.wooshq.dead_letters.list(bulk=job.id)
        assert letter.reason == "unknown"
        assert set(api.accepted.values()) == {1}
        left_out = rig.wooshq.bulk.retry_failed(job.id)
        assert (left_out.replayed, left_out.skipped) == (0, 1), "they may have been reached"
        done = rig.wooshq.bulk.retry_failed(job.id, in_doubt=True)
        rig.ended(done.ids.values())
        assert api.accepted.total() == 201


class WhenSomebodyHoldsIt:
    def test_a_pause_takes_effect_at_once_in_every_worker_and_says_how_many_had_gone(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        rig.start_worker()
        made = rig.wooshq.fan_out(TEMPLATE, personal(20_000))
        wait_until(lambda: len(api.calls) > 300)
        paused = made.pause("lunch")
        at = time.monotonic()
        wait_until(lambda: made.show().sending == 0, within_s=10, saw=made.show)
        assert time.monotonic() - at < 4
        called = len(api.calls)
        time.sleep(1.0)  # nothing may happen meanwhile
        job = made.show()
        assert len(api.calls) == called
        assert (job.state, job.why, job.left) == ("paused", "lunch", 20_000 - job.sent)
        assert paused.gone_out <= job.sent + 1000
        assert adds_up(rig, job)

        made.resume()
        assert made.wait(90).sent == 20_000
        assert set(api.accepted.values()) == {1}

    def test_a_cancel_ends_it_and_every_recipient_is_accounted_for(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        rig.start_worker()
        made = rig.wooshq.fan_out(TEMPLATE, personal(20_000))
        wait_until(lambda: len(api.calls) > 300)
        at = time.monotonic()
        made.cancel()
        wait_until(lambda: made.show().is_final, within_s=20, saw=made.show)
        assert time.monotonic() - at < 6
        job = made.show()
        assert (job.state, job.left) == ("cancelled", 0)
        assert job.sent == len(api.accepted)
        assert job.cancelled == 20_000 - job.sent
        assert adds_up(rig, job)

    def test_what_is_not_there_is_said(self, rig: Rig) -> None:
        for call in (rig.wooshq.bulk.show, rig.wooshq.bulk.pause, rig.wooshq.bulk.cancel, rig.wooshq.bulk.retry_failed):
            with pytest.raises(JobUnknown):
                call("0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d")

    def test_jobs_are_listed_the_newest_first(self, rig: Rig) -> None:
        ids = []
        for _ in range(3):
            ids.append(rig.wooshq.fan_out(TEMPLATE, people(3)).id)
            time.sleep(0.005)  # jobs of one millisecond have no order
        assert [job.id for job in rig.wooshq.bulk.list()] == ids[::-1]
        assert [job.id for job in rig.wooshq.bulk.list(most=1)] == ids[-1:]


class WhenThereAreCeilings:
    def test_a_job_keeps_its_own_and_all_workers_together_keep_it(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, personal(200), rate=50).wait(60)
        at = sorted(call.at for call in api.calls)
        assert job.sent == 200
        assert max(sum(start <= other < start + 1 for other in at) for start in at) <= 56
        assert 3.0 <= at[-1] - at[0] <= 12

    def test_two_jobs_advance_side_by_side(self, rig: Rig, api: StandIn) -> None:
        api.latency_s = 0.05
        first = rig.wooshq.fan_out(TEMPLATE, personal(12_000))
        second = rig.wooshq.fan_out(TEMPLATE, ({"user": f"v{i}", "name": str(i)} for i in range(12_000)))
        rig.start_worker()
        wait_until(lambda: first.show().sent + second.show().sent > 9000, within_s=60)
        jobs = first.show(), second.show()
        assert min(job.sent for job in jobs) > 1500, [job.sent for job in jobs]

    def test_one_that_is_slow_does_not_hold_up_the_other(self, rig: Rig, api: StandIn) -> None:
        slow = rig.wooshq.fan_out(TEMPLATE, personal(5000), rate=5)
        rig.start_worker()
        wait_until(lambda: slow.show().sent > 3)
        quick = rig.wooshq.fan_out(TEMPLATE, ({"user": f"v{i}", "name": str(i)} for i in range(3000)))
        assert quick.wait(60).sent == 3000
        assert slow.show().sent < 300
        slow.cancel()


class WhenTheTimeIsOver:
    def test_who_was_not_sent_to_expires(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        made = rig.wooshq.fan_out({**TEMPLATE, "ttl_s": 2}, personal(3000), rate=100)
        job = made.wait(60)
        assert job.state == "done"
        assert 0 < job.sent < 400
        assert job.expired == 3000 - job.sent
        accepted_at = min(call.at for call in api.calls)
        assert max(call.at for call in api.calls) - accepted_at < 3.0
        assert adds_up(rig, job)

    @pytest.mark.parametrize("held_by", ["a gate", "a person"])
    def test_who_waits_for_something_else_expires_as_well(self, rig: Rig, held_by: str) -> None:
        rig.start_worker()
        if held_by == "a gate":
            rig.wooshq.shut_gate("hand", why="noon")
        made = rig.wooshq.fan_out({**TEMPLATE, "ttl_s": 2}, people(25_000))
        if held_by == "a person":
            made.pause()
        wait_until(lambda: made.show().is_final, saw=made.show)
        job = made.show()
        assert (job.state, job.expired + job.sent) == ("done", 25_000)
        assert job.expired > 0
        assert adds_up(rig, job)


class WhenAnotherApplicationIsHeld:
    def test_its_jobs_do_not_stand_in_the_way_however_many_they_are(self, rig: Rig) -> None:
        rig.wooshq.shut_gate("hand", "HHHHH-HHHHH", why="noon")
        for _ in range(70):
            rig.wooshq.fan_out({**TEMPLATE, "application": "HHHHH-HHHHH"}, people(2))
        rig.start_worker()
        assert rig.wooshq.fan_out(TEMPLATE, people(100)).wait(60).sent == 100


class WhenSomethingIsNoStreamOfRecipients:
    @pytest.mark.parametrize("wrong", ["alice", b"alice", {"user": "alice"}, None, 5])
    def test_it_is_refused_before_a_job_begins(self, rig: Rig, wrong: Any) -> None:
        with pytest.raises(TypeError, match="recipients: "):
            rig.wooshq.fan_out(TEMPLATE, wrong)
        assert rig.wooshq.bulk.list() == []

    def test_a_number_that_python_does_not_write_is_one_bad_recipient(self, rig: Rig) -> None:
        made = rig.wooshq.fan_out(TEMPLATE, [{"user": "u1", "n": 10**5000}, {"user": "u2", "n": 1}])
        assert (list(made.errors), made.show().total) == ([0], 1)

    @pytest.mark.parametrize("wrong", [{"rate": "5"}, {"rate": True}, {"step_wait_s": float("inf"), "steps": [1]}])
    def test_a_rule_that_is_no_number_is_refused_in_words(self, rig: Rig, wrong: Any) -> None:
        with pytest.raises(ValueError, match="must be a number"):
            rig.wooshq.fan_out(TEMPLATE, people(3), **wrong)


class WhenFeedingIsInterrupted:
    def test_the_same_stream_goes_on_where_it_stopped(self, rig: Rig, api: StandIn) -> None:
        def breaks() -> Iterator[dict[str, str]]:
            yield from itertools.islice(personal(5000), 3000)
            raise OSError("the disk is gone")

        ids: list[str] = []
        with pytest.raises(OSError, match="the disk is gone") as error:
            rig.wooshq.fan_out(TEMPLATE, breaks(), opened=ids.append)
        assert ids[0] in error.value.__notes__[0]
        assert rig.wooshq.bulk.show(ids[0]).state == "feeding"
        rig.start_worker()
        made = rig.wooshq.fan_out(None, personal(5000), resume=ids[0])
        job = made.wait(60)
        assert (job.state, job.total, job.sent) == ("done", 5000, 5000)
        assert set(api.accepted.values()) == {1}

    def test_another_stream_is_refused(self, rig: Rig) -> None:
        ids: list[str] = []

        def breaks() -> Iterator[str]:
            yield from people(25_000)
            raise OSError

        with pytest.raises(OSError):
            rig.wooshq.fan_out(TEMPLATE, breaks(), opened=ids.append)
        with pytest.raises(RecipientsChanged, match="not the recipients"):
            rig.wooshq.fan_out(None, (f"x{i}" for i in range(25_000)), resume=ids[0])

    def test_a_job_that_has_everybody_takes_nobody_else_in_silence(self, rig: Rig) -> None:
        keyed = {**TEMPLATE, "idempotency_key": "spring"}
        job = rig.wooshq.fan_out(keyed, people(10_000))
        with pytest.raises(RecipientsChanged, match="more recipients than"):
            rig.wooshq.fan_out(keyed, people(20_000))
        with pytest.raises(RecipientsChanged, match="more recipients than"):
            rig.wooshq.fan_out(None, people(20_000), resume=job.id)
        assert rig.wooshq.fan_out(keyed, people(10_000)).is_new is False
        assert job.show().total == 10_000

    def test_a_part_of_the_stream_does_not_end_it(self, rig: Rig) -> None:
        def breaks() -> Iterator[str]:
            yield from people(25_000)
            raise OSError

        ids: list[str] = []
        with pytest.raises(OSError):
            rig.wooshq.fan_out(TEMPLATE, breaks(), opened=ids.append)
        with pytest.raises(RecipientsChanged, match="fewer recipients than"):
            rig.wooshq.fan_out(None, people(10_000), resume=ids[0])
        assert rig.wooshq.bulk.show(ids[0]).state == "feeding"

    def test_a_ledger_that_lost_what_it_took_in_is_no_success(self, rig: Rig) -> None:
        def forgets() -> Iterator[str]:
            for i in range(40_000):
                if i == 30_000:  # as after a Redis that lost its last second
                    rig.wooshq.do(_forget_a_chunk(rig, ids[0]))
                yield f"u{i}"

        ids: list[str] = []
        with pytest.raises(FeedInterrupted, match="lost recipients"):
            rig.wooshq.fan_out(TEMPLATE, forgets(), opened=ids.append)

    def test_rules_are_not_given_again(self, rig: Rig) -> None:
        job = rig.wooshq.fan_out(TEMPLATE, people(3))
        with pytest.raises(ValueError, match="leave out rate"):
            rig.wooshq.fan_out(None, people(3), resume=job.id, rate=5)

    def test_a_producer_waits_while_too_much_is_open_and_ends_when_it_is_cancelled(self, rig: Rig) -> None:
        rig.close()
        rig = Rig(rig.folder, "http://127.0.0.1:9", bulk_open_chunks=2)
        made: list[str] = []
        waited = 0

        def cancel() -> None:
            nonlocal waited
            job = rig.wooshq.bulk.show(made[0]) if made else None
            waited += job is not None and job.chunks >= 2
            if waited > 3:
                rig.wooshq.bulk.cancel(made[0])

        seen = 0

        def endless() -> Iterator[str]:
            nonlocal seen
            for i in itertools.count():
                seen += 1
                yield f"u{i}"

        job = rig.wooshq.fan_out(TEMPLATE, endless(), opened=made.append, fed=cancel).show()
        assert job.state == "cancelled"
        assert seen <= 40_000
        rig.close()


class WhenAKeyIsUsedAgain:
    def test_the_same_template_is_the_same_job_and_another_is_a_conflict(self, rig: Rig) -> None:
        first = rig.wooshq.fan_out({**TEMPLATE, "idempotency_key": "spring"}, people(100))
        again = rig.wooshq.fan_out({**TEMPLATE, "idempotency_key": "spring"}, people(100))
        assert again.id == first.id
        assert again.show().total == 100
        with pytest.raises(Conflict) as error:
            rig.wooshq.fan_out({"message": {"push": {"title": "Other"}}, "idempotency_key": "spring"}, people(100))
        assert error.value.accepted_id == first.id

    def test_a_template_that_is_none_is_refused_before_anything_is_read(self, rig: Rig) -> None:
        def never() -> Iterator[str]:
            raise AssertionError("nobody may ask for recipients of what is no template")
            yield ""

        with pytest.raises(IntentInvalid, match="titel"):
            rig.wooshq.fan_out({"message": {"push": {"titel": "x"}}}, never())


class WhenItIsCalledFromAsyncio:
    def test_it_is_the_same(self, rig: Rig, api: StandIn) -> None:
        async def stream() -> Any:
            for i in range(3000):
                yield {"user": f"u{i}"} if i != 7 else {"user": ""}

        async def all_of_it() -> tuple[Job, int]:
            async with AsyncWooshq(rig.wooshq.settings) as aio:
                made = await aio.fan_out(TEMPLATE, stream())
                job = await made.wait(60)
                assert [one.id for one in await aio.bulk.list()] == [job.id]
                assert [one async for one in aio.bulk.unknown_identifiers(job.id)] == []
                return job, made.refused

        rig.start_worker()
        job, refused = asyncio.run(all_of_it())
        assert (job.sent, refused, job.calls) == (2999, 1, 3)


class WhenAWorkerIsToldToEnd:
    def test_its_chunks_go_back_and_the_next_one_goes_on(self, rig: Rig, api: StandIn) -> None:
        worker = rig.start_worker()
        made = rig.wooshq.fan_out(TEMPLATE, personal(6000))
        wait_until(lambda: len(api.calls) > 300)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        job = made.show()
        assert (job.sending, job.unknown) == (0, 0)
        assert job.sent == len(api.accepted)
        rig.start_worker()
        assert made.wait(60).sent == 6000
        assert set(api.accepted.values()) == {1}


class WhenIntentsAndAJobShareTheLane:
    def test_neither_waits_for_the_other_to_end(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        made = rig.wooshq.fan_out(TEMPLATE, personal(8000))
        wait_until(lambda: len(api.calls) > 100)
        bulk, code = rig.wooshq.enqueue(an_intent("in bulk", lane="bulk")), rig.wooshq.enqueue(an_intent("code"))
        statuses = rig.ended([bulk, code], within_s=10)
        assert {status.state for status in statuses} == {"sent"}
        assert not made.show().is_final
        made.cancel()


def test_a_job_s_object_is_what_the_design_says(rig: Rig) -> None:
    job = rig.wooshq.fan_out(TEMPLATE, people(3)).show()
    assert list(json.loads(job.to_json())) == [
        "id", "state", "total", "sent", "dead", "retrying", "unknown", "unknown_identifiers", "expired", "calls", "rate", "accepted_at", "ended_at",
    ]  # fmt: skip
    assert job.application == APPLICATION
