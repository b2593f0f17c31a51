"""Every identifier is found, even if the intent is not valid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_values, odd_intents
from tests.unit.schemas.build import example
from wooshq_schemas.intent.model import To
from wooshq_schemas.recipient_lists import LISTS, lists_in_intent, lists_in_request, recipients_in_intent, recipients_in_request
from wooshq_schemas.request import TransactionalRequest


def test_the_kinds_of_lists_are_the_fields_of_the_models() -> None:
    assert set(LISTS) < set(To.model_fields)
    assert set(LISTS) < set(TransactionalRequest.model_fields)


class WhenTheIntentIsValid:
    @pytest.mark.parametrize("kind", LISTS)
    def test_the_plain_form_names_recipients_in_to(self, kind: str) -> None:
        assert list(lists_in_intent({"to": {kind: ["a", "b"]}, "message": {}})) == [(("to", kind), ["a", "b"])]

    @pytest.mark.parametrize("kind", LISTS)
    def test_the_exact_form_names_them_in_the_request(self, kind: str) -> None:
        request = {"transactional": {kind: {"list": ["a", "b"]}}}
        assert list(lists_in_request(request)) == [(("transactional", kind, "list"), ["a", "b"])]
        assert list(lists_in_intent({"request": request})) == [(("request", "transactional", kind, "list"), ["a", "b"])]

    def test_a_segment_names_no_recipients(self) -> None:
        assert recipients_in_intent({"to": {"segment": "s"}}) == set()
        assert recipients_in_request(example("segment-quick-start")) == set()


class WhenTheIntentIsNotValid:
    @pytest.mark.parametrize(
        "data",
        [
            {"to": {"users": ["a", "b", None, 5]}, "message": "x"},
            {"to": {"users": {"list": ["a", "b"]}}},
            {"to": {"users": ["a"], "hwids": ["b"]}},
            {"to": {"users": ["a"]}, "request": {"transactional": {"hwids": {"list": ["b"]}}}},
            {"request": {"transactional": {"users": ["a", "b"]}}},
            {"request": {"segment": {"users": {"list": ["a", "b"]}}}},
        ],
    )
    def test_its_recipients_are_still_found(self, data: dict[str, Any]) -> None:
        assert recipients_in_intent(data) == {"a", "b"}

    @given(odd_intents | st.dictionaries(st.sampled_from(["to", "request", "transactional", "segment"]), json_values))
    def test_no_json_makes_the_search_raise(self, data: dict[str, Any]) -> None:
        assert all(isinstance(one, str) for one in recipients_in_intent(data) | recipients_in_request(data))
        for path, identifiers in lists_in_intent(data):
            there: Any = data
            for part in path:
                there = there[part]
            assert there is identifiers
