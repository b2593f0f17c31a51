"""Feeding a job: interrupted, resumed, refused, and once for each key."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fan_outs import PERSONAL, TEMPLATE, people, personal
from tests.rig import GENEROUS_S, Rig
from tests.stand_in import StandIn
from wooshq import Conflict, FeedInterrupted, IntentInvalid, RecipientsChanged
from wooshq.ledger.steps import Ask, Steps

pytestmark = pytest.mark.stand_in(latency_s=0.02)


def _forget_a_chunk(rig: Rig, job_id: str) -> Steps[Any]:
    yield Ask([("HINCRBY", rig.wooshq.ledger.keys.job(job_id), "chunks", -1)])


class WhenTheRecipientsAreNotAStream:
    @pytest.mark.parametrize("wrong", ["alice", b"alice", {"user": "alice"}, None, 5])
    def test_they_are_refused_before_a_job_begins(self, rig: Rig, wrong: Any) -> None:
        with pytest.raises(TypeError, match="recipients: "):
            rig.wooshq.fan_out(TEMPLATE, wrong)
        assert rig.wooshq.bulk.list() == []

    def test_a_number_that_python_cannot_write_is_one_bad_recipient(self, rig: Rig) -> None:
        made = rig.wooshq.fan_out(PERSONAL, [{"user": "u1", "name": 10**5000}, {"user": "u2", "name": 1}])
        assert (list(made.errors), made.show().total) == ([0], 1)

    def test_a_locale_that_the_api_does_not_have_is_noted_and_costs_nobody(self, rig: Rig) -> None:
        made = rig.wooshq.fan_out(TEMPLATE, [{"user": "u1", "locale": "fil-PH"}, {"user": "u2", "locale": 7}, {"user": "u3"}])
        assert (made.errors, made.notes.counts, made.show().total) == ({}, {"locale": 2}, 3)

    def test_what_repeats_among_the_first_is_said_before_a_job_begins(self, rig: Rig) -> None:
        said: list[str] = []
        begun: list[str] = []

        def noted(sentence: str) -> None:
            assert begun == []
            said.append(sentence)

        bad = [{"user": "None"}] * 40 + ["guest"] * 30
        made = rig.wooshq.fan_out(TEMPLATE, itertools.chain(bad, people(100)), noted=noted, opened=begun.append, max_rejects=40)
        assert said == [
            "40 of the first 170 rows are rejected for the same reason: user: is None, which programs write if there is no value. "
            "Give the identifier or remove the row.",
            "30 of the first 170 rows have the same identifier. wooshq sends to it once. Make sure that it is a recipient, and not what a "
            "program writes if there is none.",
        ]
        assert (made.refused, made.duplicates, made.show().total) == (40, 29, 101)

    def test_a_few_that_repeat_are_not_worth_a_word(self, rig: Rig) -> None:
        said: list[str] = []
        rig.wooshq.fan_out(TEMPLATE, [*["u1"] * 19, *[""] * 19], noted=said.append, max_rejects=19)
        assert said == []

    def test_a_placeholder_in_doubled_braces_is_noted_before_anyone_is_sent_to(self, rig: Rig) -> None:
        said: list[str] = []
        rig.wooshq.fan_out({"message": {"push": {"title": "Hi {{name}}"}}}, [{"user": "u1", "name": "Ann"}], noted=said.append)
        assert ["Write {name}" in sentence for sentence in said] == [True]

    @pytest.mark.parametrize("wrong", [{"rate": "5"}, {"rate": True}, {"step_wait_s": float("inf"), "steps": [1]}])
    def test_a_rule_that_is_not_a_number_is_refused_in_words(self, rig: Rig, wrong: Any) -> None:
        with pytest.raises(ValueError, match="must be a number"):
            rig.wooshq.fan_out(TEMPLATE, people(3), **wrong)


class WhenFeedingIsInterrupted:
    def test_the_same_stream_goes_on_where_it_stopped(self, rig: Rig, api: StandIn) -> None:
        def breaks() -> Iterator[dict[str, str]]:
            yield from itertools.islice(personal(5000), 3000)
            raise OSError("the disk is gone")

        ids: list[str] = []
        with pytest.raises(OSError, match="the disk is gone") as error:
            rig.wooshq.fan_out(PERSONAL, breaks(), opened=ids.append)
        assert ids[0] in error.value.__notes__[0]
        assert rig.wooshq.bulk.show(ids[0]).state == "feeding"
        rig.start_worker()
        made = rig.wooshq.fan_out(None, personal(5000), resume=ids[0])
        job = made.wait(GENEROUS_S)
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

    def test_a_job_that_has_all_its_recipients_takes_no_others(self, rig: Rig) -> None:
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

    def test_it_fails_if_the_ledger_lost_recipients_that_it_had_taken(self, rig: Rig) -> None:
        def forgets() -> Iterator[str]:
            for i in range(40_000):
                if i == 30_000:  # as after a Redis that lost its last second
                    rig.wooshq.do(_forget_a_chunk(rig, ids[0]))
                yield f"u{i}"

        ids: list[str] = []
        with pytest.raises(FeedInterrupted, match="lost recipients"):
            rig.wooshq.fan_out(TEMPLATE, forgets(), opened=ids.append)

    def test_rules_cannot_be_given_again(self, rig: Rig) -> None:
        job = rig.wooshq.fan_out(TEMPLATE, people(3))
        with pytest.raises(ValueError, match="leave out rate"):
            rig.wooshq.fan_out(None, people(3), resume=job.id, rate=5)

    def test_a_producer_waits_while_too_many_chunks_are_open_and_ends_when_the_job_is_cancelled(self, rig: Rig) -> None:
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
    def test_the_same_template_is_the_same_job_and_another_template_is_a_conflict(self, rig: Rig) -> None:
        first = rig.wooshq.fan_out({**TEMPLATE, "idempotency_key": "spring"}, people(100))
        again = rig.wooshq.fan_out({**TEMPLATE, "idempotency_key": "spring"}, people(100))
        assert again.id == first.id
        assert again.show().total == 100
        with pytest.raises(Conflict) as error:
            rig.wooshq.fan_out({"message": {"push": {"title": "Other"}}, "idempotency_key": "spring"}, people(100))
        assert error.value.accepted_id == first.id

    def test_an_invalid_template_is_refused_before_any_recipient_is_read(self, rig: Rig) -> None:
        def never() -> Iterator[str]:
            raise AssertionError("recipients must not be read for an invalid template")
            yield ""

        with pytest.raises(IntentInvalid, match="titel"):
            rig.wooshq.fan_out({"message": {"push": {"titel": "x"}}}, never())
