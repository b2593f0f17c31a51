"""Which application and recipients the sandbox finds in a body."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.sandbox.bodies import example
from wooshq_worker.sandbox.body.address import address_of


class WhenTheAddressOfABodyIsRead:
    @pytest.mark.parametrize(
        "body, found",
        [
            (example("transactional-users"), ("XXXXX-XXXXX", ("user-1", "user-2"), "users")),
            (example("transactional-hwids"), ("XXXXX-XXXXX", ("8f65b16df378e7a6",), "hwids")),
            (example("segment-quick-start"), ("XXXXX-XXXXX", ("code:active_users",), "code")),
            (example("segment-live-update"), ("XXXXX-XXXXX", ('expression:A("XXXXX-XXXXX")',), "expression")),
            ({"segment": {"filter_expression": {"b": 1, "a": 2}}}, (None, ('filter_expression:{"a": 2, "b": 1}',), "filter_expression")),
            ({"transactional": {"application": 5, "users": {"list": ["a", None, 7]}}}, (None, ("a",), "users")),
            ({"transactional": {"users": "all"}}, (None, (), None)),
            ({"transactional": []}, (None, (), None)),
            ([], (None, (), None)),
            (None, (None, (), None)),
        ],
    )
    def test_it_has_what_the_body_says_and_never_fails(self, body: Any, found: object) -> None:
        assert address_of(body) == found
