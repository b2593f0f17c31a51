"""Because of whom was a call refused, or because of what it says?"""

from __future__ import annotations

from typing import Any

import pytest

from wooshq_schemas import Refused
from wooshq_worker.api.verdict import Dead
from wooshq_worker.jobs.blame import Blame, EveryoneOfThem, PerhapsThese, Somebody, TheseRecipients, WhatItSays, blame

PEOPLE = ["ann", "bob", "u-17", "u-171"]


def a_refusal(
    message: str = "invalid request", *violations: tuple[str, str], code: str = "INVALID_ARGUMENT", reason: Any = "rejected"
) -> Dead:
    return Dead(reason, code, "detail", Refused(3, code, message, violations))


@pytest.mark.parametrize(
    ("verdict", "personal", "whom"),
    [
        (
            a_refusal("no", ("transactional.users.list[1]", "is not valid")),
            False,
            TheseRecipients((1,), ("transactional.users.list[n]: is not valid",)),
        ),
        (
            a_refusal("no", ("transactional.users.list[3]", "x"), ("users.list[0]", "x")),
            True,
            TheseRecipients((0, 3), ("users.list[n]: x", "transactional.users.list[n]: x")),
        ),
        (a_refusal("no", ("transactional.users[2]", "x")), False, TheseRecipients((2,), ("transactional.users[n]: x",))),
        (a_refusal("no", ("users.list.2", "x")), False, TheseRecipients((2,), ("users.list.n: x",))),
        (a_refusal("no", ("transactional.users.list[9]", "there is none")), False, Somebody()),
        (a_refusal("no", ("transactional.hwids.list[1]", "another list")), False, WhatItSays()),
        (a_refusal("user 'u-17' cannot be reached"), False, PerhapsThese((2,))),
        (a_refusal("no", ("", "recipient bob: blocked.")), False, PerhapsThese((1,))),
        (a_refusal("ann bob u-17 u-171 all refused"), False, Somebody()),
        (a_refusal("no", ("transactional.users.list", "holds one that is bad")), False, Somebody()),
        (a_refusal("no", ("transactional.payload.preset", "unknown preset")), False, WhatItSays()),
        (a_refusal("no", ("transactional.payload.content", "too long")), True, EveryoneOfThem()),
        (a_refusal("no", ("transactional.dynamic_content_placeholders.city", "too long")), False, EveryoneOfThem()),
        (a_refusal("preset not found", code="NOT_FOUND"), False, WhatItSays()),
        (a_refusal("preset not found", code="NOT_FOUND"), True, Somebody()),
        (a_refusal("invalid request"), False, Somebody()),
        (Dead("too_large", "HTTP_413", "larger than the API takes"), False, Somebody()),
        (Dead("rejected", "HTTP_400", "refused as a bad request"), False, Somebody()),
    ],
)
def test_it_is_read_from_what_the_api_says(verdict: Dead, personal: bool, whom: Blame) -> None:
    assert blame(verdict, PEOPLE, "users", personal=personal) == whom


def test_a_single_recipient_whose_name_is_a_word_of_the_message_is_only_perhaps_meant() -> None:
    assert blame(a_refusal("the request is not valid"), ["is", "ann"], "users", personal=False) == PerhapsThese((0,))
