"""What became of a call: every row of the table, and every answer that lies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wooshq_worker.api.judge import judge
from wooshq_worker.api.outcome import NOT_LEFT, Answer, Break, Broke, Cut, Outcome
from wooshq_worker.api.table import HTTP_OF, RULES, TABLE, Code, Http, Row, Says, Then, described, row_of_status, table_markdown
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown, Verdict
from wooshq_worker.observe.scrub import scrub

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
EXAMPLES = Path(__file__).parents[3] / "data" / "examples"


def an_answer(
    status: int = 200,
    body: object = b"",
    *,
    headers: Mapping[str, Sequence[str] | str] | None = None,
    cut: Cut | None = None,
) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    listed = {name: [value] if isinstance(value, str) else list(value) for name, value in (headers or {}).items()}
    return Answer(status, listed, raw, cut)


def an_envelope(code: int, message: str = "no", details: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    return {"code": code, "message": message, "details": list(details)}


def the_verdict(outcome: Outcome, *, ceiling_s: float = 3600, secrets: Sequence[str] = ()) -> Verdict:
    return judge(outcome, now=NOW, retry_after_ceiling_s=ceiling_s, secrets=lambda: secrets)


def then_of(verdict: Verdict) -> Then:
    """Which of the table's verdicts it is."""
    match verdict:
        case Sent():
            return Then.SENT
        case Retry(application_waits=True):
            return Then.RETRY_ALL
        case Retry(costs_attempt=False):
            return Then.RETRY_FREE
        case Retry():
            return Then.RETRY
        case Dead(reason="too_large"):
            return Then.TOO_LARGE
        case Dead():
            return Then.REJECTED
        case Hold(gate=gate):
            return Then(f"hold ({gate})")
        case Unknown():
            return Then.UNKNOWN


SUCCESS = {"result": {"message_code": "C3F8-1", "unknown_identifiers": ["user-2"]}}
APPLICATION_MISSING = an_envelope(5, details=[{"@type": "x/google.rpc.BadRequest", "fieldViolations": [{"field": "segment.application"}]}])

SHOWN: dict[Says, Answer] = {
    Says.MESSAGE_CODE: an_answer(200, SUCCESS),
    Says.MESSAGE_CODE_IN_ERROR: an_answer(500, SUCCESS),
    Says.APPLICATION_GONE: an_answer(404, APPLICATION_MISSING),
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
        assert len({row.why for row in TABLE}) >= len(TABLE) - 6  # an HTTP status may repeat its gRPC code's reason

    def test_what_has_not_left_is_never_unknown_and_what_may_have_left_always_is(self) -> None:
        for kind in Broke:
            assert isinstance(the_verdict(Break(kind)), Unknown) == Break(kind).may_have_left == (kind not in NOT_LEFT)

    def test_it_can_be_read_as_markdown(self) -> None:
        text = table_markdown()
        assert text.count("\n| ") == len(TABLE) + 2
        assert all(row.why in text for row in TABLE)
        assert all(rule in text for rule in RULES)

    def test_the_verdicts_are_what_their_union_says(self) -> None:
        assert set(get_args(Verdict)) == {Sent, Retry, Dead, Hold, Unknown}


# A second, independent writing down of what the issue and known-faults.md ask for: the table may not drift from it unseen.
BY_STATUS = {
    "100 101 199": Then.UNKNOWN,
    "200 201 202 203 204 206 299": Then.UNKNOWN,
    "300 301 302 303 304 307 308": Then.HOLD_CIRCUIT,
    "400 406 411 412 414 415 418 422 424 451 498": Then.REJECTED,
    "401 402 403": Then.HOLD_TOKEN,
    "404 405 407 410 421 426 431 501 525 526": Then.HOLD_CIRCUIT,
    "408 409 499 500 502 503 505 507 511 521 523 527 530 598 599": Then.RETRY,
    "413": Then.TOO_LARGE,
    "425 429": Then.RETRY_ALL,
    "504 520 522 524 600 999 0 12345 -1": Then.UNKNOWN,
}


class WhenThereIsOnlyAStatus:
    @pytest.mark.parametrize("body", [b"", b"<html><title>502 Bad Gateway</title>", b"plain words", b"[]", b"null", b'{"code": '])
    @pytest.mark.parametrize(("status", "then"), [(int(s), then) for line, then in BY_STATUS.items() for s in line.split()])
    def test_it_decides_whatever_the_unreadable_body(self, status: int, then: Then, body: bytes) -> None:
        assert then_of(the_verdict(an_answer(status, body))) is then

    @pytest.mark.parametrize("cut", list(Cut))
    def test_a_cut_body_of_an_error_changes_nothing(self, cut: Cut) -> None:
        assert then_of(the_verdict(an_answer(503, b'{"code": 1', cut=cut))) is Then.RETRY
        assert then_of(the_verdict(an_answer(400, b'{"code": 1', cut=cut))) is Then.REJECTED

    def test_a_redirect_names_the_host_it_wanted_to_send_the_token_to_and_nothing_of_the_path(self) -> None:
        verdict = the_verdict(an_answer(307, headers={"location": "http://evil.example/take?token=abc"}))
        assert isinstance(verdict, Hold)
        assert "to http://evil.example)" in verdict.detail
        assert "take" not in verdict.detail

    @pytest.mark.parametrize("location", ["http://[", "//", "", "\x00", "/elsewhere"])
    def test_a_senseless_location_is_no_trouble(self, location: str) -> None:
        assert isinstance(the_verdict(an_answer(302, headers={"location": location})), Hold)

    def test_a_page_of_a_proxy_is_known_by_its_title(self) -> None:
        verdict = the_verdict(an_answer(502, b"<html><head><TITLE>\n502 Bad Gateway </title>"))
        assert isinstance(verdict, Retry)
        assert verdict.code == "HTTP_502"
        assert "502 Bad Gateway" in verdict.detail

    def test_a_404_without_the_apis_words_says_what_to_check(self) -> None:
        verdict = the_verdict(an_answer(404, b"<html>"))
        assert isinstance(verdict, Hold)
        assert verdict.gate == "circuit"
        assert "PUSHWOOSH_BASE_URL" in verdict.detail


class WhenTheApiAccepts:
    @pytest.mark.parametrize("name", ["answer-success.json", "answer-success-bare.json"])
    def test_both_forms_are_sent(self, name: str) -> None:
        verdict = the_verdict(an_answer(200, (EXAMPLES / name).read_bytes()))
        assert verdict == Sent("C3F8-C3863ED4-334AD4F1", ("user-2",))

    @pytest.mark.parametrize("status", [200, 201, 202, 206])
    def test_any_2xx_with_a_code_is_sent(self, status: int) -> None:
        assert isinstance(the_verdict(an_answer(status, SUCCESS)), Sent)

    def test_a_byte_order_mark_and_broken_utf8_beside_the_code_do_not_matter(self) -> None:
        body = b'\xef\xbb\xbf{"message_code": "C-1", "note": "\xff\xfe"}'
        assert the_verdict(an_answer(200, body)) == Sent("C-1")

    @pytest.mark.parametrize("cut", list(Cut))
    def test_whole_json_with_a_code_is_proof_even_where_the_connection_broke_after_it(self, cut: Cut) -> None:
        assert isinstance(the_verdict(an_answer(200, SUCCESS, cut=cut)), Sent)

    def test_identifiers_that_no_utf8_can_carry_do_not_stop_the_settle(self) -> None:
        verdict = the_verdict(an_answer(200, b'{"message_code": "C-1", "unknown_identifiers": ["\\ud800x"]}'))
        assert isinstance(verdict, Sent)
        "".join(verdict.unknown_identifiers).encode()


LIES: dict[str, bytes] = {
    "null": b"null",
    "a list": b"[]",
    "a text": b'"sent"',
    "a number": b"200",
    "an empty object": b"{}",
    "a code that is a number": b'{"message_code": 5}',
    "a code that is null": b'{"message_code": null}',
    "an empty code": b'{"message_code": ""}',
    "a code of blanks": b'{"message_code": "   "}',
    "a code with a control character": b'{"message_code": "C-1\\u0000"}',
    "a code that is half a character": b'{"message_code": "\\ud800"}',
    "an endless code": b'{"message_code": "' + b"C" * 5000 + b'"}',
    "truncated JSON": b'{"result": {"message_code": "C3F8',
    "a deep nest": b"[" * 100_000,
    "a number of 100,000 digits": b'{"message_code": ' + b"9" * 100_000 + b"}",
    "NaN": b"NaN",
    "bytes": bytes(range(256)),
    "status 200 of API 1.3, without a code": b'{"status_code": 200, "status_message": "OK"}',
    "gRPC OK": b'{"code": 0, "message": ""}',
    "true as code": b'{"code": true}',
    "an error nobody knows": b'{"code": 77}',
    "a nanosecond beyond floats": b'{"code": 77, "details": [{"retryDelay": {"seconds": 1, "nanos": 1' + b"0" * 400 + b"}}]}",
}


class WhenA200Lies:
    @pytest.mark.parametrize("body", LIES.values(), ids=LIES.keys())
    def test_it_is_unknown(self, body: bytes) -> None:
        assert isinstance(the_verdict(an_answer(200, body)), Unknown)

    @pytest.mark.parametrize("code", list(Code))
    def test_an_envelope_inside_is_judged_as_the_error_it_is(self, code: Code) -> None:
        assert then_of(the_verdict(an_answer(200, an_envelope(code)))) is then_of(the_verdict(an_answer(HTTP_OF[code], an_envelope(code))))

    @pytest.mark.parametrize(
        ("status_code", "then"),
        [
            *((210, Then.REJECTED), (400, Then.REJECTED), (401, Then.HOLD_TOKEN), (403, Then.HOLD_TOKEN), (404, Then.REJECTED)),
            *((429, Then.RETRY_ALL), (500, Then.RETRY), (503, Then.RETRY), (504, Then.UNKNOWN), (7, Then.UNKNOWN), (-1, Then.UNKNOWN)),
        ],
    )
    def test_a_status_of_api_1_3_inside_is_judged(self, status_code: int, then: Then) -> None:
        assert then_of(the_verdict(an_answer(200, {"status_code": status_code, "status_message": "x"}))) is then

    def test_an_error_beside_a_message_code_is_not_sent(self) -> None:
        assert not isinstance(the_verdict(an_answer(200, {**SUCCESS, "status_code": 210})), Sent)

    def test_a_message_code_under_an_errors_status_is_neither_sent_nor_blindly_sent_again(self) -> None:
        for status in (302, 400, 404, 429, 500, 503):
            assert isinstance(the_verdict(an_answer(status, SUCCESS)), Unknown)


class WhenStatusAndCodeDisagree:
    @pytest.mark.parametrize(
        ("status", "code", "then"),
        [
            (503, Code.INVALID_ARGUMENT, Then.RETRY),
            (400, Code.UNAVAILABLE, Then.RETRY),
            (400, Code.UNAUTHENTICATED, Then.HOLD_TOKEN),
            (401, Code.INVALID_ARGUMENT, Then.HOLD_TOKEN),
            (503, Code.DEADLINE_EXCEEDED, Then.UNKNOWN),
            (504, Code.UNAVAILABLE, Then.UNKNOWN),
            (500, Code.RESOURCE_EXHAUSTED, Then.RETRY_ALL),
            (429, Code.UNAVAILABLE, Then.RETRY_ALL),
            (404, Code.INVALID_ARGUMENT, Then.HOLD_CIRCUIT),
            (302, Code.INVALID_ARGUMENT, Then.HOLD_CIRCUIT),
            (413, Code.INVALID_ARGUMENT, Then.TOO_LARGE),
        ],
    )
    def test_the_more_careful_verdict_stands(self, status: int, code: Code, then: Then) -> None:
        assert then_of(the_verdict(an_answer(status, an_envelope(code)))) is then

    @given(status=st.integers(300, 599), code=st.sampled_from(Code))
    def test_nothing_is_dead_while_either_could_still_go(self, status: int, code: Code) -> None:
        verdict = the_verdict(an_answer(status, an_envelope(code)))
        if isinstance(verdict, Dead) and HTTP_OF[code] != status:
            assert isinstance(the_verdict(an_answer(status)), Dead)
            assert isinstance(the_verdict(an_answer(200, an_envelope(code))), Dead)


class WhenTheApplicationIsGone:
    @pytest.mark.parametrize(
        "message",
        [
            "application not found",
            "Application XXXXX-XXXXX not found",
            'application "XXXXX-XXXXX" is unknown',
            "unknown application",
            "no such app: XXXXX-XXXXX",
            "not found: application",
            "Application code not found",
            "application has been deleted",
        ],
    )
    def test_its_messages_wait_and_none_dies(self, message: str) -> None:
        verdict = the_verdict(an_answer(404, an_envelope(5, message)))
        assert isinstance(verdict, Hold)
        assert verdict.gate == "application"

    @pytest.mark.parametrize(
        "message", ["segment not found in application XXXXX-XXXXX", "application segment not found", "preset not found", "", "not found"]
    )
    def test_one_message_that_names_something_wrong_does_not_hold_the_others(self, message: str) -> None:
        assert the_verdict(an_answer(404, an_envelope(5, message))) == Dead(
            "rejected", "NOT_FOUND", message or "something that the message names (segment, preset, template) does not exist"
        )


class WhenTheApiSaysWhenToComeBack:
    @pytest.mark.parametrize(
        ("values", "seconds"),
        [
            (["5"], 5.0),
            ([" 5 "], 5.0),
            (["1.5"], 1.5),
            (["1e12"], 3600.0),
            (["1000000000000"], 3600.0),
            (["9" * 300], 3600.0),
            (["9" * 5000], None),
            (["0"], None),
            (["-1"], None),
            (["abc"], None),
            ([""], None),
            (["nan"], None),
            (["inf"], None),
            (["1_0"], None),
            (["٣"], None),
            (["5", "60"], 60.0),
            (["60", "5"], 60.0),
            (["5, 60"], 60.0),
            (["abc", "7"], 7.0),
            (["-1", "-2"], None),
            ([], None),
            (["Fri, 01 May 2026 12:00:30 GMT"], 30.0),
            (["Friday, 01-May-26 12:00:30 GMT"], 30.0),
            (["Fri May  1 12:00:30 2026"], 30.0),
            (["Fri, 01 May 2026 11:59:00 GMT"], None),
            (["Fri, 01 May 2027 12:00:00 GMT"], 3600.0),
            (["Fri, 99 May 2026 12:00:00 GMT"], None),
            (["Fri, 01 May 99999999 12:00:00 GMT"], None),
            (["Fri, 01 May 2026 12:00:30 GMT", "5"], 30.0),
        ],
    )
    @pytest.mark.parametrize("status", [429, 503])
    def test_it_is_honoured_capped_and_ignored_where_senseless(self, status: int, values: list[str], seconds: float | None) -> None:
        verdict = the_verdict(an_answer(status, headers={"retry-after": values}))
        assert isinstance(verdict, Retry)
        assert verdict.not_before_s == seconds

    @given(skew=st.timedeltas(min_value=timedelta(days=-400), max_value=timedelta(days=400)))
    def test_a_date_counts_from_the_answers_own_clock(self, skew: timedelta) -> None:
        theirs = (NOW + skew).replace(microsecond=0)
        headers = {
            "date": format_datetime(theirs, usegmt=True),
            "retry-after": format_datetime(theirs + timedelta(seconds=42), usegmt=True),
        }
        verdict = the_verdict(an_answer(503, headers=headers))
        assert isinstance(verdict, Retry)
        assert verdict.not_before_s == 42.0

    def test_retry_info_counts_and_the_longer_of_both_stands(self) -> None:
        body = json.loads((EXAMPLES / "answer-resource-exhausted.json").read_bytes())
        for header, seconds in (([], 3.5), (["2"], 3.5), (["10"], 10.0), (["abc"], 3.5)):
            verdict = the_verdict(an_answer(429, body, headers={"retry-after": header}))
            assert isinstance(verdict, Retry)
            assert verdict.not_before_s == seconds
            assert verdict.application_waits

    def test_a_hold_and_an_unknown_carry_it_too(self) -> None:
        for status in (401, 504):
            verdict = the_verdict(an_answer(status, headers={"retry-after": "9"}))
            assert isinstance(verdict, Hold | Unknown)
            assert verdict.not_before_s == 9.0

    @given(st.lists(st.text(max_size=40), max_size=4), st.lists(st.text(max_size=40), max_size=3))
    def test_no_header_however_wild_does_more_than_this(self, values: list[str], dates: list[str]) -> None:
        verdict = the_verdict(an_answer(503, headers={"retry-after": values, "date": dates}))
        assert isinstance(verdict, Retry)
        assert verdict.not_before_s is None or 0 < verdict.not_before_s <= 3600


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["code", "message", "details", "status_code", "status_message", "result", "message_code", "error"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


class WhenAnythingAtAllIsAnswered:
    @given(status=st.integers(0, 999), body=json_values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200))
    def test_there_is_a_verdict_and_its_detail_is_fit_for_a_person(self, status: int, body: bytes) -> None:
        for cut in (None, Cut.BROKEN):
            verdict = the_verdict(an_answer(status, body, cut=cut))
            if isinstance(verdict, Sent):
                assert 200 <= status <= 299
            else:
                assert verdict.detail.isprintable()
                assert 0 < len(verdict.detail) <= 800
                assert verdict.code.isascii()


class WhenAnAnswerQuotesWhatItMustNot:
    TOKEN = "tOkEn-4f1c9b8a7d6e5f4a3b2c1d0e"

    @pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 504])
    def test_no_token_and_no_recipient_is_in_the_detail(self, status: int) -> None:
        message = f"Token {self.TOKEN} may not send to ann@example.com, ANN@EXAMPLE.COM, ann%40example.com or user-1"
        violation = {"@type": "x/google.rpc.BadRequest", "fieldViolations": [{"field": "users.list", "description": "user-1 is unknown"}]}
        verdict = the_verdict(
            an_answer(status, an_envelope(3, message, [violation])), secrets=[self.TOKEN, "ann@example.com", "user-1", "zoë\t1"]
        )
        assert not isinstance(verdict, Sent)
        for secret in (self.TOKEN, "ann", "user-1"):
            assert secret not in verdict.detail.lower()
        assert "may not send to […]" in verdict.detail or status != 400

    def test_a_break_is_scrubbed_too(self) -> None:
        verdict = the_verdict(Break(Broke.MALFORMED, f"400, message='echo {self.TOKEN}'"), secrets=[self.TOKEN])
        assert isinstance(verdict, Unknown)
        assert self.TOKEN not in verdict.detail

    def test_an_authorization_header_is_masked_even_where_nobody_named_the_token(self) -> None:
        assert "aaaabbbbccccdddd" not in scrub("got 'Authorization: Token aaaabbbbccccdddd' from you", [])

    def test_a_page_title_is_scrubbed(self) -> None:
        verdict = the_verdict(an_answer(502, b"<title>ann@example.com</title>"), secrets=["ann@example.com"])
        assert isinstance(verdict, Retry)
        assert "ann" not in verdict.detail


class WhenTextIsScrubbed:
    @pytest.mark.parametrize(
        ("text", "plain"),
        [
            ("a\x1b[31mred\x1b[0m", "ared"),
            ("a\x1b]0;title\x07b", "ab"),
            ("one\r\ntwo\x00\x08", "one two"),
            ("x\u202egnp.exe", "xgnp.exe"),
            ("in\u200bvisible", "invisible"),
            ("half \ud800", "half"),
            ("ünïcode ✓ 🎉", "ünïcode ✓ 🎉"),
            ("\x9b31mred", "red"),
        ],
    )
    def test_only_what_can_be_seen_stays(self, text: str, plain: str) -> None:
        assert scrub(text, []) == plain

    def test_it_is_cut(self) -> None:
        assert len(scrub("é" * 10_000, [])) == 500

    def test_a_short_identifier_is_masked_only_where_it_stands_alone(self) -> None:
        assert scrub("user 1 of 100 in 2011", ["1"]) == "user […] of 100 in 2011"

    def test_an_invisible_character_does_not_hide_a_secret(self) -> None:
        assert "user-1" not in scrub("us\u200ber-1 is bad", ["user-1"])

    @given(
        before=st.text(max_size=30), secret=st.text(alphabet=st.characters(codec="utf-8", categories=["L", "N"]), min_size=4, max_size=40)
    )
    def test_no_secret_survives(self, before: str, secret: str) -> None:
        assert secret not in scrub(f"{before} {secret} {secret}", [secret])

    @given(padding=st.integers(19_900, 20_100))
    def test_not_even_half_of_one_survives_at_the_cut(self, padding: int) -> None:
        people = ["p" * 60, "q" * 60]
        text = ("p" * 60) * (padding // 60) + "q" * 60
        assert "p" not in scrub(text, people)
        assert "qq" not in scrub(text, people)

    def test_a_thousand_recipients_are_looked_for_in_little_time(self) -> None:
        people = [f"someone-{n}@example.com" for n in range(1000)]
        assert scrub("someone-999@example.com is bad", people) == "[…] is bad"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("invalid request: users.list[0]: is not valid", "invalid request: users.list[0]: is not valid"),
        ("invalid request", "invalid request — users.list[0]: is not valid"),
        ("", "users.list[0]: is not valid"),
    ],
)
def test_a_detail_says_nothing_twice(message: str, told: str) -> None:
    details = [
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": "users.list[0]", "description": "is not valid"}],
        }
    ]
    verdict = judge(an_answer(400, an_envelope(3, message, details)), now=NOW, retry_after_ceiling_s=60)
    assert verdict == Dead("rejected", "INVALID_ARGUMENT", told)
