"""Judging: the rules that say which row of the table counts, and every answer that lies."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.api.answers import EXAMPLES, SUCCESS, a_violation, an_answer, an_envelope, the_verdict, then_of
from wooshq_worker.api.outcome import Break, Broke, Cut
from wooshq_worker.api.signs import HTTP_OF, Code
from wooshq_worker.api.table import Then
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown


class WhenTheApiAccepts:
    @pytest.mark.parametrize("name", ["answer-success.json", "answer-success-bare.json"])
    def test_both_forms_of_a_success_are_sent(self, name: str) -> None:
        verdict = the_verdict(an_answer(200, (EXAMPLES / name).read_bytes()))
        assert verdict == Sent("C3F8-C3863ED4-334AD4F1", ("user-2",))

    @pytest.mark.parametrize(
        "body",
        [
            {"result": {"messageCode": "C-1", "unknownIdentifiers": ["user-2"]}},
            {"messageCode": "C-1", "unknownIdentifiers": {"pushTokens": {"list": ["user-2"]}}},
            {"message_code": "", "messageCode": "C-1", "unknown_identifiers": ["user-2"]},
            {"result": {"message_code": None, "messageCode": "C-1", "unknownIdentifiers": ["user-2"]}},
        ],
    )
    def test_the_names_may_be_in_camel_case(self, body: dict[str, object]) -> None:
        assert the_verdict(an_answer(200, body)) == Sent("C-1", ("user-2",))

    @pytest.mark.parametrize("status", [200, 201, 202, 206])
    def test_any_2xx_with_a_message_code_is_sent(self, status: int) -> None:
        assert isinstance(the_verdict(an_answer(status, SUCCESS)), Sent)

    def test_a_byte_order_mark_and_broken_utf8_beside_the_code_do_not_matter(self) -> None:
        body = b'\xef\xbb\xbf{"message_code": "C-1", "note": "\xff\xfe"}'
        assert the_verdict(an_answer(200, body)) == Sent("C-1")

    @pytest.mark.parametrize("cut", list(Cut))
    def test_complete_json_with_a_message_code_is_proof_even_if_the_connection_broke_after_it(self, cut: Cut) -> None:
        assert isinstance(the_verdict(an_answer(200, SUCCESS, cut=cut)), Sent)

    def test_an_identifier_that_utf8_cannot_carry_is_made_storable(self) -> None:
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
    "an unknown error": b'{"code": 77}',
    "a nanosecond beyond floats": b'{"code": 77, "details": [{"retryDelay": {"seconds": 1, "nanos": 1' + b"0" * 400 + b"}}]}",
}


class WhenA200Lies:
    @pytest.mark.parametrize("body", LIES.values(), ids=LIES.keys())
    def test_it_is_unknown_and_not_understood(self, body: bytes) -> None:
        assert then_of(the_verdict(an_answer(200, body))) is Then.NOT_UNDERSTOOD

    @pytest.mark.parametrize("code", list(Code))
    def test_an_envelope_in_the_body_is_judged_as_its_error(self, code: Code) -> None:
        assert then_of(the_verdict(an_answer(200, an_envelope(code)))) is then_of(the_verdict(an_answer(HTTP_OF[code], an_envelope(code))))

    @pytest.mark.parametrize(
        ("status_code", "then"),
        [
            *((210, Then.REJECTED), (400, Then.REJECTED), (401, Then.HOLD_TOKEN), (403, Then.HOLD_TOKEN), (404, Then.REJECTED)),
            *((429, Then.RETRY_ALL), (500, Then.RETRY), (503, Then.RETRY), (504, Then.UNKNOWN)),
            *((7, Then.NOT_UNDERSTOOD), (-1, Then.NOT_UNDERSTOOD)),
        ],
    )
    def test_a_status_of_api_1_3_in_the_body_is_judged(self, status_code: int, then: Then) -> None:
        assert then_of(the_verdict(an_answer(200, {"status_code": status_code, "status_message": "x"}))) is then

    def test_an_error_beside_a_message_code_is_not_sent(self) -> None:
        assert not isinstance(the_verdict(an_answer(200, {**SUCCESS, "status_code": 210})), Sent)

    def test_a_message_code_under_an_error_status_is_unknown(self) -> None:
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
    def test_the_more_careful_verdict_counts(self, status: int, code: Code, then: Then) -> None:
        assert then_of(the_verdict(an_answer(status, an_envelope(code)))) is then

    @given(status=st.integers(300, 599), code=st.sampled_from(Code))
    def test_a_message_is_dead_only_if_both_say_so(self, status: int, code: Code) -> None:
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
    def test_its_messages_are_held_and_none_is_dead(self, message: str) -> None:
        verdict = the_verdict(an_answer(404, an_envelope(5, message)))
        assert isinstance(verdict, Hold)
        assert verdict.gate == "application"

    @pytest.mark.parametrize(
        "message", ["segment not found in application XXXXX-XXXXX", "application segment not found", "preset not found", "", "not found"]
    )
    def test_one_message_with_a_wrong_name_in_it_does_not_hold_the_others(self, message: str) -> None:
        assert the_verdict(an_answer(404, an_envelope(5, message))) == Dead(
            "rejected", "NOT_FOUND", message or "the message names something that does not exist (segment, preset, template)"
        )


class WhenAMessageIsRefused:
    @pytest.mark.parametrize(
        ("status", "body", "by_api"),
        [
            (400, an_envelope(3), True),
            (400, {"title": "Bad content", "detail": "too long"}, True),
            (200, {"status_code": 210, "status_message": "bad content"}, True),
            (406, b"Not acceptable! See incident 4711.", False),
            (451, b"<html><title>Blocked</title></html>", False),
            (418, b"", False),
            (400, ["no"], False),
            (413, b"<html><title>413 Request Entity Too Large</title></html>", True),
        ],
    )
    def test_the_answer_shows_that_the_api_works_only_if_the_api_may_have_written_it(self, status: int, body: object, by_api: bool) -> None:
        verdict = the_verdict(an_answer(status, body))
        assert isinstance(verdict, Dead)
        assert verdict.by_api is by_api


class WhenAPersonMustFindOutWhoAnswered:
    def test_a_redirect_names_the_other_host_but_not_its_path(self) -> None:
        verdict = the_verdict(an_answer(307, headers={"location": "http://evil.example/take?token=abc"}))
        assert isinstance(verdict, Hold)
        assert "to http://evil.example)" in verdict.detail
        assert "take" not in verdict.detail

    @pytest.mark.parametrize("location", ["http://[", "//", "", "\x00", "/elsewhere"])
    def test_a_location_that_is_not_valid_does_no_harm(self, location: str) -> None:
        assert isinstance(the_verdict(an_answer(302, headers={"location": location})), Hold)

    def test_the_title_of_a_proxys_page_is_shown(self) -> None:
        verdict = the_verdict(an_answer(502, b"<html><head><TITLE>\n502 Bad Gateway </title>"))
        assert isinstance(verdict, Unknown)
        assert verdict.code == "HTTP_502"
        assert "502 Bad Gateway" in verdict.detail

    def test_a_404_without_an_envelope_says_what_to_check(self) -> None:
        verdict = the_verdict(an_answer(404, b"<html>"))
        assert isinstance(verdict, Hold)
        assert verdict.gate == "circuit"
        assert "PUSHWOOSH_BASE_URL" in verdict.detail


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
    def test_there_is_a_verdict_and_its_detail_can_be_shown(self, status: int, body: bytes) -> None:
        for cut in (None, Cut.BROKEN):
            verdict = the_verdict(an_answer(status, body, cut=cut))
            if isinstance(verdict, Sent):
                assert 200 <= status <= 299
            else:
                assert verdict.detail.isprintable()
                assert 0 < len(verdict.detail) <= 800
                assert verdict.code.isascii()


class WhenAnAnswerQuotesASecret:
    TOKEN = "tOkEn-4f1c9b8a7d6e5f4a3b2c1d0e"

    @pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 504])
    def test_neither_the_token_nor_a_recipient_is_in_the_detail(self, status: int) -> None:
        message = f"Token {self.TOKEN} may not send to ann@example.com, ANN@EXAMPLE.COM, ann%40example.com or user-1"
        verdict = the_verdict(
            an_answer(status, an_envelope(3, message, [a_violation("users.list", "user-1 is unknown")])),
            secrets=[self.TOKEN, "ann@example.com", "user-1", "zoë\t1"],
        )
        assert not isinstance(verdict, Sent)
        for secret in (self.TOKEN, "ann", "user-1"):
            assert secret not in verdict.detail.lower()
        assert "may not send to […]" in verdict.detail or status != 400

    def test_a_break_is_scrubbed_too(self) -> None:
        verdict = the_verdict(Break(Broke.MALFORMED, f"400, message='echo {self.TOKEN}'"), secrets=[self.TOKEN])
        assert isinstance(verdict, Unknown)
        assert self.TOKEN not in verdict.detail

    def test_a_page_title_is_scrubbed(self) -> None:
        verdict = the_verdict(an_answer(500, b"<title>ann@example.com</title>"), secrets=["ann@example.com"])
        assert isinstance(verdict, Retry)
        assert "ann" not in verdict.detail


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ("invalid request: users.list[0]: is not valid", "invalid request: users.list[0]: is not valid"),
        ("invalid request", "invalid request — users.list[0]: is not valid"),
        ("", "users.list[0]: is not valid"),
    ],
)
def test_a_detail_repeats_nothing(message: str, detail: str) -> None:
    verdict = the_verdict(an_answer(400, an_envelope(3, message, [a_violation("users.list[0]", "is not valid")])))
    assert verdict == Dead("rejected", "INVALID_ARGUMENT", detail)
