"""The API's own words stand in every attempt and letter, in whatever form an error comes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.api.answers import an_answer, an_envelope, the_verdict, then_of
from wooshq_worker.api.answer.words import beginning, sentences
from wooshq_worker.api.table import Then
from wooshq_worker.api.verdict import Dead, Sent

PROBLEM = {  # RFC 9457, 3
    "type": "https://api.example/problems/validation",
    "title": "Your request is not valid.",
    "status": 422,
    "detail": "Two fields are wrong.",
    "instance": "/messages/712",
    "errors": [
        {"detail": "is unknown", "pointer": "#/transactional/payload/preset"},
        {"detail": "must be a list", "pointer": "#/transactional/platforms"},
    ],
}


class WhenAnErrorIsNotTheApisEnvelope:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (PROBLEM, ["Your request is not valid.", "Two fields are wrong.", "#/transactional/payload/preset: is unknown"]),
            ({"errors": ["title is too long", "preset is unknown"]}, ["title is too long", "preset is unknown"]),
            ({"errors": {"title": ["is too long"], "preset": "is unknown"}}, ["title: is too long", "preset: is unknown"]),
            ({"errors": [{"code": "E12", "message": "no such preset"}]}, ["E12: no such preset"]),
            ({"errors": [{"loc": ["body", "users", 0], "msg": "is not a string"}]}, ["body.users.0: is not a string"]),
            ({"code": "E_PRESET", "message": "no such preset"}, ["E_PRESET: no such preset"]),
            ({"error": {"code": "E_PRESET"}}, ["E_PRESET"]),
            ({"detail": [{"loc": ["body", "users", 0], "msg": "is not a string"}]}, ["body.users.0: is not a string"]),
            ([{"field": "title", "message": "is too long"}], ["title: is too long"]),
            ({"errors": [{"field": "title", "messages": ["is too long", "is a lie"]}]}, ["title: is too long; is a lie"]),
            ({"fieldErrors": {"title": "is too long"}}, ["title: is too long"]),
            ({"Message": "the preset is gone"}, ["the preset is gone"]),
            ({"errorMessage": "the preset is gone"}, ["the preset is gone"]),
            ({"result": {"error": {"code": "E12", "message": "the preset is gone"}}}, ["E12: the preset is gone"]),
            ({"response": {"errors": [{"message": "the preset is gone"}]}}, ["the preset is gone"]),
            ({"message": "Unprocessable Entity", "why": "the preset is gone"}, ['"why": "the preset is gone"']),
            ({"statusCode": 400, "message": ["title must be shorter"], "error": "Bad Request"}, ["title must be shorter"]),
            ({"error": "invalid_request", "error_description": "the preset is gone"}, ["invalid_request", "the preset is gone"]),
            ({"error": {"reason": "the preset is gone"}}, ["the preset is gone"]),
            (["title is too long"], ["title is too long"]),
            (b"title is too long\n", ["title is too long"]),
            ({"fault": 17, "note": "look at the preset"}, ['"note": "look at the preset"']),
            ({"error": "Invalid request", "errno": 4711}, ['"errno": 4711']),
            (b'{"broken": "json, pre', ['{"broken": "json, pre']),
        ],
    )
    @pytest.mark.parametrize("status", [400, 422, 418])
    def test_its_words_are_the_detail_of_the_letter(self, status: int, body: object, words: list[str]) -> None:
        verdict = the_verdict(an_answer(status, body))
        assert isinstance(verdict, Dead)
        assert all(one in verdict.detail for one in words), verdict.detail

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (
                b"<html><head><title>Blocked</title><style>p {}</style></head><body><h1>Sorry</h1><p>Incident&nbsp;4711</p><script>x</script>",
                "a page titled 'Blocked': Sorry Incident 4711",
            ),
            (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>no right</Message></Error>", "a page: AccessDenied no right"),
            (b"<title>Blocked</title><h1>Blocked</h1>", "a page titled 'Blocked'"),
            (b"<html><!-- " + b"<!-- " * 3000, "a page"),
        ],
    )
    def test_of_a_page_it_is_the_title_and_the_beginning_of_its_text(self, body: bytes, words: str) -> None:
        assert the_verdict(an_answer(406, body)) == Dead("rejected", "HTTP_406", words, by_api=False)

    @pytest.mark.parametrize("status", [401, 409, 429, 500, 502, 503, 504])
    def test_its_words_stand_beside_the_reason_of_every_other_verdict(self, status: int) -> None:
        verdict = the_verdict(an_answer(status, PROBLEM))
        assert not isinstance(verdict, Sent)
        assert "Two fields are wrong." in verdict.detail

    def test_secrets_in_it_are_masked(self) -> None:
        verdict = the_verdict(an_answer(400, {"errors": ["ann@example.com is blocked"]}), secrets=["ann@example.com"])
        assert verdict == Dead("rejected", "HTTP_400", "[…] is blocked")


class WhenTheCodeIsAText:
    @pytest.mark.parametrize(
        ("code", "then"),
        [
            ("INVALID_ARGUMENT", Then.REJECTED),
            ("invalid_argument", Then.REJECTED),
            ("Unavailable", Then.RETRY),
            ("ResourceExhausted", Then.RETRY_ALL),
            ("14", Then.RETRY),
        ],
    )
    def test_a_grpc_code_by_name_is_that_code(self, code: str, then: Then) -> None:
        for body in ({"code": code, "message": "no"}, {"error": {"code": code, "message": "no"}}):
            assert then_of(the_verdict(an_answer(200, body))) is then

    def test_any_other_text_leaves_it_to_the_status_and_is_kept(self) -> None:
        verdict = the_verdict(an_answer(400, {"code": "E12", "message": "no such preset"}))
        assert verdict == Dead("rejected", "HTTP_400", "E12: no such preset")


class WhenItIsTheApisEnvelope:
    def test_what_stands_beside_its_message_is_kept_too(self) -> None:
        body = {**an_envelope(3, "invalid request"), "errors": ["title is too long"]}
        assert the_verdict(an_answer(400, body)) == Dead("rejected", "INVALID_ARGUMENT", "invalid request — title is too long")

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (400, {"code": 3, "details": [{"@type": "x/google.rpc.ErrorInfo", "metadata": {"preset": "is gone"}}]}),
            (400, {"code": 3, "message": "bad request", "preset": "is gone"}),
            (200, {"status_code": 210, "preset": "is gone"}),
        ],
    )
    def test_the_beginning_of_its_body_is_kept_if_it_says_nothing_else(self, status: int, body: object) -> None:
        verdict = the_verdict(an_answer(status, body))
        assert isinstance(verdict, Dead)
        assert '"preset": "is gone"' in verdict.detail

    @pytest.mark.parametrize("body", [an_envelope(3, ""), an_envelope(3, "bad request")])
    def test_a_body_that_says_nothing_is_not_quoted(self, body: object) -> None:
        verdict = the_verdict(an_answer(400, body))
        assert isinstance(verdict, Dead)
        assert "{" not in verdict.detail


class WhenAnErrorHasAMessageCode:
    def test_a_sample_of_it_is_the_detail(self) -> None:
        verdict = the_verdict(an_answer(500, {"message_code": "M-1"}))
        assert not isinstance(verdict, Sent)
        assert '{"message_code": "M-1"}' in verdict.detail


class WhenA200IsNotUnderstood:
    def test_a_sample_of_it_is_the_detail(self) -> None:
        verdict = the_verdict(an_answer(200, {"outcome": {"id": "M-1", "to": "ann@example.com"}}), secrets=["ann@example.com"])
        assert not isinstance(verdict, Sent)
        assert '{"outcome": {"id": "M-1", "to": "[…]"}}' in verdict.detail


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("errors"), inner)
    )
)
def test_no_json_makes_it_raise(body: object) -> None:
    assert all(isinstance(one, str) and one for one in sentences(body))
    assert isinstance(beginning(json.dumps(body).encode()), str)
