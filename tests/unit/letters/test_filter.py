"""Letters with the same cause are one group, although each answer of the API is a little different."""

from __future__ import annotations

import pytest

from wooshq.letters.filter import comparable


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
