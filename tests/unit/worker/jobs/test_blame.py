"""Why was a call refused: because of some of its recipients, or because of the message?"""

from __future__ import annotations

from typing import Any

import pytest

from wooshq_schemas import Refused
from wooshq_worker.api.verdict import Dead
from wooshq_worker.jobs.blame import AllRecipients, Blame, NamedRecipients, PerhapsNamed, SomeRecipients, TheMessage, blame

IDENTIFIERS = ["ann", "bob", "u-17", "u-171"]


def a_refusal(
    message: str = "invalid request", *violations: tuple[str, str], code: str = "INVALID_ARGUMENT", reason: Any = "rejected"
) -> Dead:
    return Dead(reason, code, "detail", Refused(3, code, message, violations))


@pytest.mark.parametrize(
    ("verdict", "personal", "cause"),
    [
        (
            a_refusal("no", ("transactional.users.list[1]", "is not valid")),
            False,
            NamedRecipients((1,), ("transactional.users.list[n]: is not valid",)),
        ),
        (
            a_refusal("no", ("transactional.users.list[3]", "x"), ("users.list[0]", "x")),
            True,
            NamedRecipients((0, 3), ("users.list[n]: x", "transactional.users.list[n]: x")),
        ),
        (a_refusal("no", ("transactional.users[2]", "x")), False, NamedRecipients((2,), ("transactional.users[n]: x",))),
        (a_refusal("no", ("users.list.2", "x")), False, NamedRecipients((2,), ("users.list.n: x",))),
        (a_refusal("no", ("transactional.users.list[9]", "there is none")), False, SomeRecipients()),
        (a_refusal("no", ("transactional.hwids.list[1]", "another list")), False, TheMessage()),
        (a_refusal("user 'u-17' cannot be reached"), False, PerhapsNamed((2,))),
        (a_refusal("no", ("", "recipient bob: blocked.")), False, PerhapsNamed((1,))),
        (a_refusal("ann bob u-17 u-171 all refused"), False, SomeRecipients()),
        (a_refusal("no", ("transactional.users.list", "holds one that is bad")), False, SomeRecipients()),
        (a_refusal("no", ("transactional.payload.preset", "unknown preset")), False, TheMessage()),
        (a_refusal("no", ("transactional.payload.content", "too long")), True, AllRecipients()),
        (a_refusal("no", ("transactional.dynamic_content_placeholders.city", "too long")), False, AllRecipients()),
        (a_refusal("preset not found", code="NOT_FOUND"), False, TheMessage()),
        (a_refusal("preset not found", code="NOT_FOUND"), True, SomeRecipients()),
        (a_refusal("invalid request"), False, SomeRecipients()),
        (Dead("too_large", "HTTP_413", "larger than the API takes"), False, SomeRecipients()),
        (Dead("rejected", "HTTP_400", "refused as a bad request"), False, SomeRecipients()),
    ],
)
def test_the_answer_of_the_api_tells_the_cause(verdict: Dead, personal: bool, cause: Blame) -> None:
    assert blame(verdict, IDENTIFIERS, "users", personal=personal) == cause


def test_an_identifier_that_is_a_word_of_the_answer_is_only_perhaps_named() -> None:
    assert blame(a_refusal("the request is not valid"), ["is", "ann"], "users", personal=False) == PerhapsNamed((0,))
