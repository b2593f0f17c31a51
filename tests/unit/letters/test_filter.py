"""Which letters a selection picks. Letters with the same cause are one group, although each answer of the API is a little different."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from wooshq.errors import QueryInvalid
from wooshq.letters.filter import comparable, letter_fits, selected
from wooshq.letters.read import Kept, ReadLetter, letter_of
from wooshq.search.parse import parse
from wooshq.search.tree import Not


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("users.list[0]: is not valid", "users.list[17]: is not valid"),
        ("a page titled 'Blocked': Incident 471100000001", "a page titled 'Blocked': Incident 471100000002"),
        ("failed (request 0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d)", "failed (request 7c0e1b54-0000-4d5e-9a2e-1d2f3a4b5c6d)"),
        ("Ray ID: 8f1c2d3e4f5a6b7c", "Ray ID: 9f1c2d3e4f5a6b7d"),
    ],
)
def test_what_differs_from_answer_to_answer_does_not_count(one: str, another: str) -> None:
    assert comparable(one) == comparable(another)


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("preset 4F1A2-B3C4D is gone", "preset 4F1A2-B3C4E is gone"),
        ("title is longer than 178", "title is longer than 4096"),
        ("is not valid", "is unknown"),
    ],
)
def test_what_names_a_cause_counts(one: str, another: str) -> None:
    assert comparable(one) != comparable(another)


NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
BODY = {
    "to": {"users": ["u1", "u2"]},
    "message": {"push": {"title": {"en": "Your order INV-9981"}, "body": "left"}},
    "campaign": "C-1",
    "tags": {"order": "77"},
    "idempotency_key": "k:1",
}


def a_letter(**given: object) -> ReadLetter:
    row = {
        "id": "l", "intent": "i", "reason": "rejected", "detail": "users.list[0]: is not valid", "filed": "1777636800000", "attempts": "1",
        "lane": "bulk", "app": "A-1", "bulk": "j", "replays": "r i", "state": "open", "code": "INVALID_ARGUMENT", **given,
    }  # fmt: skip
    return ReadLetter(letter_of(row), Kept(json.dumps(BODY), 1, False), "400", "the list is not valid")


class WhenALetterIsAskedFor:
    @pytest.mark.parametrize(
        "query",
        [
            "id:L", "id:I", "id:R", "state:open", "state:dead", "reason:rejected", 'detail:"users.list[0]: is not valid"',
            'detail:"users.list[n]: is not valid"', "status:400", "code:INVALID_ARGUMENT", "app:A-1", "lane:bulk", "job:J", "campaign:C-1",
            "recipient:u2", "key:k:1", "tag.order:77", "text:inv-9981", 'text:"is not VALID"', "since:2026-05-01T12:00:00Z",
            "until:2026-05-01T12:00:00.001Z", "NOT state:closed since:1d (recipient:nobody OR tag.order:77)",
        ],
    )  # fmt: skip
    def test_it_meets_what_is_true_of_it(self, query: str) -> None:
        tree = parse(query, now=NOW)
        assert letter_fits(a_letter(), tree)
        assert not letter_fits(a_letter(), Not(tree))

    @pytest.mark.parametrize(
        "query",
        [
            "id:X",
            "state:sent",
            "state:closed",
            "status:500",
            "recipient:u",
            "tag.order:7",
            "tag.other:77",
            "text:u1",
            "until:2026-05-01T12:00:00Z",
        ],
    )
    def test_it_does_not_meet_what_is_not(self, query: str) -> None:
        assert not letter_fits(a_letter(), parse(query, now=NOW))

    def test_an_intent_that_is_gone_or_is_no_intent_meets_no_condition_on_it(self) -> None:
        for kept in (None, Kept("no JSON", 1, False), Kept("[1]", 1, False), Kept('{"to": 1, "tags": [], "request": 7}', 1, False)):
            read = ReadLetter(a_letter().letter, kept)
            for query in ("recipient:u1", "campaign:C-1", "tag.order:77", "key:k:1", "status:400", "text:order"):
                assert not letter_fits(read, parse(query, now=NOW))


class WhenConditionsAreGiven:
    @pytest.mark.parametrize(
        ("conditions", "query"),
        [
            ({"reason": "rejected"}, "reason:rejected"),
            ({"application": "A-1", "lane": "bulk", "bulk": "J"}, "app:A-1 lane:bulk job:J"),
            ({"tag": ("order", "77"), "state": "closed"}, "state:closed tag.order:77"),
            ({"since": NOW, "campaign": "C-1"}, "campaign:C-1 since:2026-05-01T12:00:00Z"),
            ({"where": "reason:unknown OR reason:poison", "lane": "bulk"}, "lane:bulk (reason:unknown OR reason:poison)"),
            ({"where": "since:2h"}, "since:2026-05-01T10:00:00Z"),
            ({"ids": ["L", "M", "L"], "reason": "invalid"}, "(id:L OR id:M) reason:invalid"),
            ({"ids": [str(n) for n in range(30)]}, "30 ids"),
            ({"state": "any"}, "every letter"),
            ({"recipient": "u1", "where": 'text:"Dear Anna" key:k'}, "recipient:(hidden) text:(hidden) key:(hidden)"),
        ],
    )
    def test_they_are_a_query_and_the_record_has_it(self, conditions: Any, query: str) -> None:
        assert selected(conditions, now=NOW).in_words == query

    @pytest.mark.parametrize(
        ("conditions", "words"),
        [
            ({"reason": "rejectd"}, "reason: is not a known value. Did you mean rejected"),
            ({"state": "sent"}, "state: must be one of open"),
            ({"application": ""}, "application: must not be empty"),
            ({"tag": ("", "1")}, "tag: the name must not be empty"),
            ({"since": datetime(2026, 5, 1)}, "since: needs a time zone"),
        ],
    )
    def test_a_wrong_one_is_an_error_with_its_name(self, conditions: Any, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            selected(conditions)

    def test_a_query_that_cannot_be_read_has_its_column(self) -> None:
        with pytest.raises(QueryInvalid) as told:
            selected({"where": "reason:rejected lnae:bulk"}, now=NOW)
        assert told.value.column == 17

    @pytest.mark.parametrize(
        ("conditions", "only_open"),
        [
            ({"reason": "invalid"}, True),
            ({"where": "state:dead reason:invalid"}, True),
            ({"where": "NOT state:closed"}, False),
            ({"state": "closed"}, False),
            ({"state": None}, False),
        ],
    )
    def test_only_open_letters_count_unless_a_state_of_letters_is_asked_for(self, conditions: Any, only_open: bool) -> None:
        assert selected(conditions, only_open=True, now=NOW).only_open is only_open

    def test_a_state_alone_picks_every_letter(self) -> None:
        assert selected({"where": "state:open OR state:closed"}, now=NOW).picks_all
        assert not selected({"where": "state:open NOT reason:invalid"}, now=NOW).picks_all

    def test_a_letter_is_named_by_any_of_its_ids_and_by_its_reason_but_not_under_not(self) -> None:
        letter = a_letter().letter
        assert [selected({"where": q}, now=NOW).names(letter) for q in ("id:R", "id:X OR id:L", "NOT id:L", "job:J")] == [
            True,
            True,
            False,
            False,
        ]
        wanted = selected({"where": "NOT reason:poison (reason:unknown OR lane:bulk)"}, now=NOW)
        assert [wanted.names_reason(reason) for reason in ("unknown", "poison", "rejected")] == [True, False, False]
