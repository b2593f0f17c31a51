"""What an answer to `POST /messaging/v2/cancel` says. No JSON value makes it raise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from wooshq_schemas.answer.read import NotUnderstood, Refused, read_answer


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The API cancelled the message. The reference's body is `{}`; a body with other fields says the same."""


CancelAnswer: TypeAlias = Cancelled | Refused | NotUnderstood


def read_cancel_answer(body: object) -> CancelAnswer:
    """What a JSON body says. An error envelope is an error, even with status 200."""
    said = read_answer(body)
    if isinstance(said, Refused):
        return said
    return Cancelled() if isinstance(body, Mapping) else NotUnderstood("the body is not an object")
