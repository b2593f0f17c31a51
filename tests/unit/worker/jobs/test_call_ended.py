"""What each verdict means for the recipients of a call: marks, doubts, letters, and whether the chunk goes on."""

from __future__ import annotations

import json

import pytest

from tests.unit.worker.jobs.build import a_chunk, a_delivery, a_started_call, shared
from wooshq_worker.api.deliver import Withheld
from wooshq_worker.api.verdict import Hold, Retry, Sent, Unknown, Verdict
from wooshq_worker.jobs.call_ended import call_ended
from wooshq_worker.jobs.chunk import ActiveChunk
from wooshq_worker.jobs.plan import Call

AGAIN, WAITING, SENT, DEAD, EXPIRED, UNKNOWN = "r", ".", "S", "D", "E", "U"


def ended(chunk: ActiveChunk, verdict: Verdict | Withheld, *, at: float = 0) -> ActiveChunk:
    """The chunk after its first call ended with this verdict."""
    call_ended(a_started_call(chunk), a_delivery(verdict), at=at)
    return chunk


@pytest.mark.parametrize(
    ("verdict", "marks", "held", "accepted"),
    [
        (Sent("M-1"), [(SENT, 0, 2)], "", 1),
        (Sent("M-1", ("u1",)), [(SENT, 0, 0), (SENT, 2, 2), (UNKNOWN, 1, 1)], "", 1),
        (Retry("UNAVAILABLE", "away"), [(AGAIN, 0, 2)], "", 0),
        (Retry("RESOURCE_EXHAUSTED", "too many", 5.0, application_waits=True), [(AGAIN, 0, 2)], "gate not_before", 0),
        (Hold("circuit", "UNAVAILABLE", "away"), [(AGAIN, 0, 2)], "gate circuit", 0),
        (Unknown("RESET", "no answer"), [(AGAIN, 0, 2)], "", 0),
        (Withheld("gate hand"), [(WAITING, 0, 2)], "gate hand", 0),
        (Withheld("expired"), [(EXPIRED, 0, 2)], "", 0),
    ],
)
def test_each_verdict_marks_the_recipients_and_may_hold_the_chunk(
    verdict: Verdict | Withheld, marks: list[tuple[str, int, int]], held: str, accepted: int
) -> None:
    chunk = ended(a_chunk(shared(3)), verdict)
    assert (chunk.record.marks, chunk.held, chunk.record.accepted) == (marks, held, accepted)


class WhenARequestIsWithheld:
    def test_a_recipient_that_was_called_before_keeps_its_mark(self) -> None:
        chunk = ended(a_chunk(shared(3), marks=".r."), Withheld("stopping"))
        assert sorted(chunk.record.marks) == [(WAITING, 0, 0), (WAITING, 2, 2), (AGAIN, 1, 1)]

    def test_no_call_is_counted(self) -> None:
        assert ended(a_chunk(shared(3)), Withheld("stopping")).record.calls == 0


class WhenNoAnswerCame:
    def test_all_recipients_are_in_doubt_and_called_again(self) -> None:
        chunk = ended(a_chunk(shared(3)), Unknown("RESET", "no answer"))
        (doubt,) = chunk.record.doubts
        assert list(doubt.identifiers) == ["u0", "u1", "u2"]
        assert (chunk.record.letters, chunk.failed) == ([], {0, 1, 2})

    def test_they_become_dead_letters_if_the_job_says_so(self) -> None:
        chunk = ended(a_chunk(shared(3), unknown_resends=0), Unknown("RESET", "no answer"))
        assert (chunk.record.marks, chunk.record.dead_in_doubt) == ([(DEAD, 0, 2)], 3)
        assert {letter.reason for letter in chunk.record.letters} == {"unknown"}
        assert len(chunk.record.doubts) == 1


class WhenNoAnswerCameAgain:
    def test_only_recipients_that_were_sent_to_again_as_often_as_they_may_be_are_dead(self) -> None:
        chunk = a_chunk(shared(3), marks="rrr", doubted="1*0-1", has_rollout=True)
        ended(chunk, Unknown("NO_MESSAGE_CODE", "not understood", understood=False))
        assert chunk.record.marks == [(DEAD, 0, 1), (AGAIN, 2, 2)]
        assert (chunk.record.dead_in_doubt, len(chunk.record.doubts[0].identifiers)) == (2, 3)
        assert [(letter.reason, json.loads(letter.body)["to"]["users"]) for letter in chunk.record.letters] == [
            ("unknown", ["u0"]),
            ("unknown", ["u1"]),
        ]
        assert chunk.failed == {2}
        (record,) = chunk.take_records()
        assert record.doubted == "2*0-1 1*2-2"

    def test_the_setting_says_how_often_that_may_be(self) -> None:
        chunk = ended(a_chunk(shared(2), marks="rr", unknown_resends=3, doubted="2*0-0 3*1-1"), Unknown("SILENT", "no answer"))
        assert chunk.record.marks == [(DEAD, 1, 1), (AGAIN, 0, 0)]

    def test_a_retry_does_not_count(self) -> None:
        chunk = ended(a_chunk(shared(2), marks="rr", doubted="1*0-1"), Retry("UNAVAILABLE", "away"))
        assert (chunk.record.marks, chunk.doubts) == ([(AGAIN, 0, 1)], {0: 1, 1: 1})


class WhenTheJobIsTooOldForARetry:
    def test_the_recipients_are_dead_and_their_letters_list_the_failed_calls(self) -> None:
        chunk = a_chunk(shared(2), marks="rr", max_age_s=100, rounds=1, age_s=50, taken_at=1000)
        ended(chunk, Retry("UNAVAILABLE", "away"), at=1049)
        chunk.take_records()
        chunk.plan.put_first([Call(0, ((0, 1),))])
        chunk.failed.clear()
        ended(chunk, Retry("INTERNAL", "failed"), at=1050)
        assert (chunk.record.marks, chunk.record.dead_in_doubt, chunk.failed) == ([(DEAD, 0, 1)], 0, set())
        assert [letter.reason for letter in chunk.record.letters] == ["exhausted"] * 2
        assert [[attempt["code"] for attempt in letter.attempts] for letter in chunk.record.letters] == [["UNAVAILABLE", "INTERNAL"]] * 2

    def test_a_recipient_that_was_not_retried_yet_is_retried_however_old_the_job_is(self) -> None:
        """A job of three million recipients at ten calls a second takes longer than the age; its last ones are retried, too."""
        chunk = ended(a_chunk(shared(2), max_age_s=100), Retry("UNAVAILABLE", "away"), at=1_000_000)
        assert (chunk.record.marks, chunk.failed) == ([(AGAIN, 0, 1)], {0, 1})

    def test_they_count_as_in_doubt_if_no_answer_came(self) -> None:
        chunk = ended(a_chunk(shared(2), marks="rr", max_age_s=100, rounds=1, age_s=100), Unknown("RESET", "no answer"))
        assert (chunk.record.marks, chunk.record.dead_in_doubt) == ([(DEAD, 0, 1)], 2)


class WhenThereAreManyLetters:
    def test_each_record_has_a_bounded_number_and_the_marks_come_last(self) -> None:
        chunk = ended(a_chunk(shared(120), unknown_resends=0), Unknown("RESET", "no answer"))
        records = chunk.take_records()
        assert [len(record.letters) for record in records] == [50, 50, 20, 0]
        assert [bool(record.marks) for record in records] == [False, False, False, True]
        recipients = [json.loads(letter.body)["to"]["users"][0] for record in records for letter in record.letters]
        assert recipients == [f"u{i}" for i in range(120)]
        assert chunk.take_records() == []
