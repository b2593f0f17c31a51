"""A person is found wherever an intent, a payload or a text names one, and nothing names the person afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import intents, json_values, word
from wooshq.history.person import Person
from wooshq_schemas.recipient_lists import recipients_in_intent


@given(intents, word)
def test_an_intent_does_not_have_the_person_afterwards_and_has_everybody_else(intent: dict[str, Any], other: str) -> None:
    for who in (*recipients_in_intent(intent), other):
        body, person = json.dumps(intent), Person(who)
        others = person.others_in(body)
        assert (others is None) == (who not in recipients_in_intent(intent))
        left = json.loads(person.without(body))
        assert recipients_in_intent(left) == recipients_in_intent(intent) - {who}
        assert others is None or others == len(recipients_in_intent(left))


@given(json_values, st.sampled_from(["ann", "", "\ud800", 'a"b', "ü"]))
def test_any_json_can_be_looked_at(value: Any, who: str) -> None:
    person = Person(who or "x")
    for body in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        person.others_in(body)
        person.without(body)
        person.scrubbed_json(body)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("user ann is unknown", "user (forgotten) is unknown"),
        ("annabel is unknown", "annabel is unknown"),
        ("users.list: [ann]", "users.list: [(forgotten)]"),
        ('["ann","bob"]', '["bob"]'),
        ('["","dead",400,"BAD",9,"no ann"]', '["","dead",400,"BAD",9,"no (forgotten)"]'),
    ],
)
def test_a_text_does_not_name_the_person_afterwards(text: str, left: str) -> None:
    assert Person("ann").scrubbed_json(text) == left


def test_what_is_not_an_intent_and_names_the_person_is_about_the_person_alone() -> None:
    assert Person("ann").others_in('["ann"') == 0
    assert Person("ann").without('["ann"') == ""
    assert Person("ann").others_in('["bob"') is None
