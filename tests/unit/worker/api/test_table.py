"""The verdict table: every row is reached, and what it says about the code is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from tests.unit.worker.api.answers import SUCCESS, an_answer, an_envelope, the_verdict, then_of
from wooshq.letters.acts import TABLE as ACTS
from wooshq_worker.api.answer.origin import FORMS_503
from wooshq_worker.api.outcome import NOT_SENT, Answer, Break, Broke, Cut, Outcome
from wooshq_worker.api.signs import HTTP_OF, Code, Http, Says, described
from wooshq_worker.api.table import PAGE, RULES, TABLE, Row, Then, row_of_status, table_markdown, what_follows
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown, Verdict

REPOSITORY = Path(__file__).parents[4]
APPLICATION_MISSING = an_envelope(5, details=[{"@type": "x/google.rpc.BadRequest", "fieldViolations": [{"field": "segment.application"}]}])

SHOWN: dict[Says, Answer] = {
    Says.MESSAGE_CODE: an_answer(200, SUCCESS),
    Says.MESSAGE_CODE_IN_ERROR: an_answer(500, SUCCESS),
    Says.APPLICATION_GONE: an_answer(404, APPLICATION_MISSING),
    Says.ROUTER: an_answer(404, an_envelope(5, "Not Found")),
    Says.PROXY_LOST_IT: an_answer(503, b"upstream connect error or disconnect/reset before headers. reset reason: connection termination"),
    Says.PROXY_HAD_NO_CONNECTION: an_answer(503, b"no healthy upstream"),
    Says.STATUS_210: an_answer(200, {"status_code": 210, "status_message": "bad content"}),
    Says.OTHER_ERROR: an_answer(200, an_envelope(99)),
    Says.NO_MESSAGE_CODE: an_answer(200, {"result": {}}),
    Says.NOT_JSON: an_answer(200, b"OK"),
    Says.HTML: an_answer(200, b"<html><title>Please log in</title></html>"),
    Says.EMPTY: an_answer(200, b""),
    Says.CUT_LIMIT: an_answer(200, b'{"a": "', cut=Cut.LIMIT),
    Says.CUT_BROKEN: an_answer(200, b'{"result": {"mess', cut=Cut.BROKEN),
    Says.CUT_STALLED: an_answer(200, b'{"result": {"mess', cut=Cut.STALLED),
    Says.CUT_DEADLINE: an_answer(200, b'{"result": {"mess', cut=Cut.DEADLINE),
    Says.CUT_ENCODING: an_answer(200, b"", cut=Cut.ENCODING),
}


def outcome_that_shows(row: Row) -> Outcome:
    match row.sign:
        case Broke():
            return Break(row.sign, "the transport's words")
        case Says():
            return SHOWN[row.sign]
        case Code():
            return an_answer(HTTP_OF[row.sign], an_envelope(row.sign))
        case Http(first, last):
            own = next(status for status in range(first, last + 1) if row_of_status(status) is row)
            return an_answer(own, b"no envelope")


class TestTheTable:
    @pytest.mark.parametrize("row", TABLE, ids=lambda row: described(row.sign))
    def test_each_row_is_reached_and_gives_its_verdict(self, row: Row) -> None:
        verdict = the_verdict(outcome_that_shows(row))
        assert then_of(verdict) is row.then
        if isinstance(verdict, Retry | Hold | Unknown):
            assert verdict.detail.startswith(row.why)

    def test_every_sign_has_exactly_one_row(self) -> None:
        signs = [row.sign for row in TABLE]
        assert len(signs) == len(set(signs))
        assert set(Broke) | set(Says) | set(Code) <= set(signs)
        assert {row_of_status(status).then for status in range(-5, 2000)} <= set(Then)

    def test_every_row_says_why(self) -> None:
        assert all(len(row.why.split()) >= 3 for row in TABLE)
        assert len({row.why for row in TABLE}) >= len(TABLE) - 6  # an HTTP status may repeat the reason of its gRPC code

    def test_a_break_is_unknown_exactly_if_the_request_may_have_been_sent(self) -> None:
        for kind in Broke:
            assert isinstance(the_verdict(Break(kind)), Unknown) == Break(kind).may_have_been_sent == (kind not in NOT_SENT)

    def test_the_verdicts_are_those_of_the_union(self) -> None:
        assert set(get_args(Verdict)) == {Sent, Retry, Dead, Hold, Unknown}


class TestWhatFollows:
    def test_every_verdict_has_a_docstring(self) -> None:
        assert set(what_follows()) == set(Then)

    @pytest.mark.parametrize("then", Then, ids=lambda then: then.name)
    def test_every_file_that_it_names_exists(self, then: Then) -> None:
        text = what_follows()[then]
        files = re.findall(r"`([\w/]+\.(?:py|lua))`", text)
        assert files or "The same as" in text
        missing = [
            name for name in files if not any((REPOSITORY / layer / name).is_file() for layer in ("worker/wooshq_worker", "tasks/wooshq"))
        ]
        assert missing == []

    def test_a_429_names_every_place_that_a_change_must_look_at(self) -> None:
        text = what_follows()[Then.RETRY_ALL]
        for place in (
            "api/deliver.py",
            "api/gates.py",
            "scripts/gates/report.lua",
            "shared/learned_rate.lua",
            "shared/pace.lua",
            "intents/settlement.py",
            "jobs/call_ended.py",
        ):
            assert place in text


class TestThePage:
    def test_it_has_every_row_every_rule_and_what_follows(self) -> None:
        text = table_markdown()
        assert text.count("\n| ") == len(TABLE) + len(FORMS_503) + len(ACTS) + 6
        assert all(row.why in text for row in TABLE)
        assert all(rule in text for rule in RULES)
        assert all(follows in text for follows in what_follows().values())

    def test_the_file_is_current(self) -> None:
        written = (REPOSITORY / PAGE).read_text(encoding="utf-8")
        assert written == table_markdown(), "run: python -m wooshq_worker.api.table"


# A second, independent list of what the API's reference and known-faults.md ask for: a change of the table must be made here, too.
BY_STATUS = {
    "100 101 199 200 201 202 203 204 206 299 600 999 0 12345 -1": Then.NOT_UNDERSTOOD,
    "300 301 302 303 304 307 308": Then.HOLD_CIRCUIT,
    "400 406 411 412 414 415 418 422 424 451 498": Then.REJECTED,
    "401 402 403": Then.HOLD_TOKEN,
    "404 405 407 410 421 426 431 463 464 494 495 497 501 525 526": Then.HOLD_CIRCUIT,
    "408 409 499 500 503 505 507 511 521 523 529 530": Then.RETRY,
    "413": Then.TOO_LARGE,
    "425 429": Then.RETRY_ALL,
    "502 504 520 522 524 527 598 599": Then.UNKNOWN,
}


class WhenThereIsOnlyAStatus:
    @pytest.mark.parametrize("body", [b"", b"<html><title>502 Bad Gateway</title>", b"plain words", b"[]", b"null", b'{"code": '])
    @pytest.mark.parametrize(("status", "then"), [(int(s), then) for line, then in BY_STATUS.items() for s in line.split()])
    def test_the_status_decides_if_the_body_cannot_be_read(self, status: int, then: Then, body: bytes) -> None:
        if status == 400 and b"<html>" in body:
            then = Then.HOLD_CIRCUIT  # a web server's page: the API's service never saw the message
        assert then_of(the_verdict(an_answer(status, body))) is then

    @pytest.mark.parametrize("cut", list(Cut))
    def test_a_cut_body_of_an_error_changes_nothing(self, cut: Cut) -> None:
        assert then_of(the_verdict(an_answer(503, b'{"code": 1', cut=cut))) is Then.RETRY
        assert then_of(the_verdict(an_answer(400, b'{"code": 1', cut=cut))) is Then.REJECTED
