"""What each answer to a request to cancel means: every row of the table is reached, and no answer makes the judge raise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.api.answers import NOW, an_answer, an_envelope
from wooshq.ledger.intents import CancelOutcome, TakenCancel
from wooshq_worker.api.backoff import Backoff
from wooshq_worker.api.outcome import NOT_SENT, Answer, Break, Broke, Cut, Outcome
from wooshq_worker.api.signs import HTTP_OF, Code, Http
from wooshq_worker.intents.cancel.judge import Judged, judge_cancel, outcome_of
from wooshq_worker.intents.cancel.table import PAGE, TABLE, Row, Seen, Then, row_of_status, table_markdown

TOKEN = "a-secret-token"
BACKOFF = Backoff(base_s=2.0, ceiling_s=60.0)
SHOWN: dict[Seen, Answer] = {
    Seen.OBJECT: an_answer(200, {}),
    Seen.NOT_UNDERSTOOD: an_answer(200, b"OK"),
    Seen.NO_ROUTE: an_answer(404, {"code": 5, "message": "Not Found", "details": []}),
}


def judged(outcome: Outcome) -> Judged:
    return judge_cancel(outcome, now=NOW, retry_after_ceiling_s=3600.0, token=TOKEN)


def outcome_that_shows(row: Row) -> Outcome:
    match row.sign:
        case Broke():
            return Break(row.sign, "the transport's words")
        case Seen():
            return SHOWN[row.sign]
        case Code():
            return an_answer(HTTP_OF[row.sign], an_envelope(row.sign, "words of the API"))
        case Http(first, last):
            own = next(status for status in range(first, last + 1) if row_of_status(status) is row)
            return an_answer(own, b"no envelope")


def a_cancel(**fields: Any) -> TakenCancel:
    given = {"application": "AAAAA-BBBBB", "message_code": "M-1", "lost": 0, "tries": 1, "until_ms": 1_000_000, **fields}
    return TakenCancel("i", "token", **given)


def recorded(outcome: Outcome, now_ms: int = 0, **fields: Any) -> CancelOutcome:
    return outcome_of(judged(outcome), a_cancel(**fields), now_ms=now_ms, backoff=BACKOFF, jitter=0.5)


class WhenTheTableIsRead:
    @pytest.mark.parametrize("row", [row for row in TABLE if row.sign is not Seen.NO_TOKEN], ids=lambda row: str(row.sign))
    def test_each_row_is_reached(self, row: Row) -> None:
        assert judged(outcome_that_shows(row)).row is row

    def test_every_sign_has_one_row(self) -> None:
        signs = [row.sign for row in TABLE]
        assert len(signs) == len(set(signs))
        assert set(Broke) | set(Code) | set(Seen) <= set(signs)

    def test_a_break_is_in_doubt_exactly_if_the_request_may_have_been_sent(self) -> None:
        for kind in Broke:
            assert (judged(Break(kind)).row.then is Then.AGAIN) == (kind in NOT_SENT)

    def test_the_page_is_current_and_has_every_row(self) -> None:
        text = table_markdown()
        assert all(row.why in text for row in TABLE)
        assert (Path(__file__).parents[5] / PAGE).read_text(encoding="utf-8") == text, "run: make docs"


class WhenTheReferenceSaysIt:
    """The answers that the reference lists."""

    @pytest.mark.parametrize("body", [{}, {"result": {}}, {"new": 1}])
    def test_200_with_an_object_is_cancelled(self, body: Any) -> None:
        assert recorded(an_answer(200, body)).outcome == "cancelled"

    @pytest.mark.parametrize(
        "status, code, message",
        [
            (400, 3, "message_code is required"),
            (400, 9, "message can not be cancelled"),
            (403, 7, "forbidden"),
            (404, 5, "message not found"),
        ],
    )
    def test_a_refusal_is_recorded_with_the_words_of_the_api(self, status: int, code: int, message: str) -> None:
        told = recorded(an_answer(status, {"code": code, "message": message, "details": []}))
        assert told.outcome == "refused"
        assert message in told.detail

    @pytest.mark.parametrize(
        "answer, words",
        [
            (an_answer(422, {"errors": [{"field": "message_code", "message": "is gone"}]}), "message_code: is gone"),
            (an_answer(418, b"too late to cancel"), "too late to cancel"),
            (an_answer(403, b"<title>Blocked</title><p>Incident 4711</p>"), "a page titled 'Blocked': Incident 4711"),
            (an_answer(200, ["cancelled"]), "cancelled"),
        ],
    )
    def test_so_are_the_words_of_any_other_answer(self, answer: Outcome, words: str) -> None:
        assert words in recorded(answer).detail

    def test_500_is_asked_again(self) -> None:
        told = recorded(an_answer(500, an_envelope(13)))
        assert (told.outcome, told.was_answered, told.wait_ms) == ("again", False, 1001)

    def test_a_router_that_does_not_know_the_call_is_no_refusal(self) -> None:
        """Otherwise a wrong base URL would end every request to cancel."""
        assert recorded(SHOWN[Seen.NO_ROUTE]).outcome == "again"
        assert recorded(an_answer(404, b"<html>not found</html>")).outcome == "again"


class WhenAnAnswerIsLost:
    def test_a_later_refusal_is_in_doubt(self) -> None:
        refusal = an_answer(400, an_envelope(9, "cannot be cancelled any more"))
        assert recorded(refusal, lost=0).outcome == "refused"
        told = recorded(refusal, lost=1)
        assert told.outcome == "unknown"
        assert "may have cancelled" in told.detail

    @pytest.mark.parametrize(
        "outcome", [Break(Broke.RESET), Break(Broke.SILENT), an_answer(502, b""), an_answer(200, b"{", cut=Cut.BROKEN)]
    )
    def test_it_is_asked_again_and_counts_as_lost(self, outcome: Outcome) -> None:
        told = recorded(outcome)
        assert (told.outcome, told.was_answered) == ("again", False)

    def test_a_call_that_was_not_sent_does_not_count(self) -> None:
        assert recorded(Break(Broke.REFUSED)).was_answered


class WhenItIsAskedAgain:
    def test_the_wait_grows_and_follows_retry_after(self) -> None:
        waits = [recorded(Break(Broke.REFUSED), tries=n).wait_ms for n in (1, 2, 3, 20)]
        assert waits == [1001, 2001, 4001, 30001]
        limited = Answer(429, {"retry-after": ["120"]}, b"")
        assert recorded(limited).wait_ms == 120_001

    @pytest.mark.parametrize("lost, outcome", [(0, "refused"), (1, "unknown")])
    def test_it_ends_when_the_schedule_has_passed(self, lost: int, outcome: str) -> None:
        assert recorded(Break(Broke.REFUSED), now_ms=1_050_000).outcome == "again", "a message that is in progress can be cancelled"
        told = recorded(Break(Broke.REFUSED), now_ms=1_060_001, lost=lost)
        assert told.outcome == outcome
        assert "its schedule has passed" in told.detail


class WhenAnAnswerIsOdd:
    def test_no_detail_quotes_the_token(self) -> None:
        told = recorded(an_answer(400, an_envelope(3, f"bad token {TOKEN}")))
        assert TOKEN not in told.detail

    @pytest.mark.parametrize("status, code", [(503, 3), (429, 9), (500, 5)])
    def test_the_more_careful_sign_counts(self, status: int, code: int) -> None:
        assert recorded(an_answer(status, an_envelope(code))).outcome == "again"

    @given(st.integers(0, 999), st.binary(max_size=60), st.sampled_from([None, *Cut]))
    def test_it_never_raises(self, status: int, body: bytes, cut: Cut | None) -> None:
        assert recorded(Answer(status, {}, body, cut)).detail
