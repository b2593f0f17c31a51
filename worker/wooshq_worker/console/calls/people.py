"""People: a person is removed everywhere, and what is left is counted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from wooshq.people.calls import Forgotten
from wooshq.tokens.token import Scope
from wooshq_worker.console.api import answers
from wooshq_worker.console.api.operation import Call, Room
from wooshq_worker.console.api.shapes import Because, model_of

room = Room("people", "A person who asked to be forgotten.")


class Who(Because):
    """Who is forgotten. It is in the body, because addresses are logged."""

    recipient: Annotated[str, Field(min_length=1, max_length=4000)]
    """A user id, HWID or push token, exactly as it was sent to."""
    dry_run: bool = False
    """Only count, in the ledger and the history; change nothing."""


@room.call(
    "POST",
    "/v1/forget",
    "forgetPerson",
    Scope.OPERATE,
    body=Who,
    answers={200: model_of(Forgotten)},
    examples={"only count": {"recipient": "user-7", "dry_run": True}, "a request": {"recipient": "user-7", "why": "asked to be forgotten"}},
)
async def forget(call: Call, said: Who) -> Response:
    """
    Remove a person from messages, letters, jobs, the history and the audit log. What was not sent yet is cancelled.

    It reads the whole ledger, and waits up to a minute for calls in progress: give the request time. `left` is 0, unless a worker still sends to the
    person; then ask again. What is accepted later is kept, so stop sending to the person first. The audit log has the act without the person.
    """
    return answers.one(await call.client.forget(said.recipient, why=said.why, by=call.by, dry_run=said.dry_run))
