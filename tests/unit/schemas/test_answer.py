from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.schemas.build import example
from wooshq_schemas import Accepted, NotUnderstood, Refused, read_answer

BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


class WhenTheApiAccepted:
    @pytest.mark.parametrize("name", ["answer-success", "answer-success-bare"])
    def test_both_forms_are_read(self, name: str) -> None:
        assert read_answer(example(name)) == Accepted("C3F8-C3863ED4-334AD4F1", ("user-2",))

    @pytest.mark.parametrize(
        "body", [{"result": {}}, {"result": {"message_code": ""}}, {"message_code": 5}, {}, {"result": None}, None, [], "x", 5, True]
    )
    def test_a_success_needs_a_message_code(self, body: Any) -> None:
        assert isinstance(read_answer(body), NotUnderstood)


class WhenTheApiRefused:
    def test_the_violations_name_their_fields(self) -> None:
        assert read_answer(example("answer-invalid-argument")) == Refused(
            3, "INVALID_ARGUMENT", "invalid request: application not found", (("segment.application", "unknown application"),)
        )

    def test_the_delay_is_read(self) -> None:
        answer = read_answer(example("answer-resource-exhausted"))
        assert isinstance(answer, Refused)
        assert (answer.code_name, answer.retry_delay_s) == ("RESOURCE_EXHAUSTED", 3.5)

    @pytest.mark.parametrize("name", ["fieldViolations", "field_violations"])
    def test_both_spellings_are_read(self, name: str) -> None:
        answer = read_answer({"code": 3, "details": [{"@type": BAD_REQUEST, name: [{"field": "a", "description": "b"}]}]})
        assert isinstance(answer, Refused)
        assert answer.violations == (("a", "b"),)

    @pytest.mark.parametrize("name", ["retryDelay", "retry_delay"])
    @pytest.mark.parametrize(
        "value, seconds",
        [("3.5s", 3.5), ({"seconds": 3, "nanos": 500_000_000}, 3.5), ("-1s", None), ("x", None), ({"nanos": 10**400}, None)],
    )
    def test_a_delay_is_read_in_every_spelling(self, name: str, value: Any, seconds: float | None) -> None:
        answer = read_answer({"code": 8, "details": [{name: value}]})
        assert isinstance(answer, Refused)
        assert answer.retry_delay_s == seconds

    def test_an_error_of_api_1_3_is_read(self) -> None:
        answer = read_answer({"status_code": 210, "status_message": "no"})
        assert answer == Refused(None, "STATUS_210", "no", status_code=210)

    def test_an_error_beside_a_success_is_an_error(self) -> None:
        assert isinstance(read_answer({"code": 5, "message": "x", "result": {"message_code": "A"}}), Refused)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "result",
                    "message_code",
                    "unknown_identifiers",
                    "code",
                    "message",
                    "details",
                    "status_code",
                    "error",
                    "retryDelay",
                    "fieldViolations",
                    "seconds",
                    "nanos",
                    "reason",
                    "@type",
                    "list",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
)


@given(json_values)
def test_every_json_value_is_an_answer(body: Any) -> None:
    assert isinstance(read_answer(body), Accepted | Refused | NotUnderstood)
    assert isinstance(read_answer({"code": 10**5000, "status_code": 10**5000, "details": body}), Accepted | Refused | NotUnderstood)
