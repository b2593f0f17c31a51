"""Dead letters: list and count them, see one, edit it, discard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Final, cast

from pydantic import Field
from starlette.responses import Response

from wooshq.letters.discard import Discarded
from wooshq.letters.filter import Conditions, ConditionsAndIds
from wooshq.letters.find import list_letters
from wooshq.letters.letter import Group, Letter, WholeLetter
from wooshq.tokens.token import Scope
from wooshq_schemas import IntentInvalid, Problem
from wooshq_schemas.validation.json_text import loads
from wooshq_worker.console.api import answers
from wooshq_worker.console.api.body import JSON, MERGE_PATCH, NDJSON, check_depth, check_media_type, read_bytes
from wooshq_worker.console.api.cursors import cursor_of, read_cursor
from wooshq_worker.console.api.operation import Call, Room
from wooshq_worker.console.api.shapes import Asked, Because, Said, model_of, page_of
from wooshq_worker.console.calls.selection import Moment, Selected, WhichGroups, WhichPage

room = Room("dead letters", "Messages that failed permanently, with the reason and every attempt.")

_PAGE: Final = 500
_LINES: Final = {"type": "string", "description": "A letter a line, all that fit; the last line is `{done, count}`."}


class WhyEdited(Asked):
    """Query parameters of an edit, whose body is the patch."""

    why: Annotated[str, Field(max_length=500)] = ""
    """The reason, for the audit log."""


class Ignored(Because):
    """Until when a cause is ignored, and why."""

    until: Moment
    """A time to come."""


class Edited(Said):
    """The intent that a replay will send, before and after the patch."""

    before: Any
    after: Any


@room.call(
    "GET",
    "/v1/dead-letters",
    "listDeadLetters",
    Scope.READ,
    query=WhichPage,
    leads_to=dict.fromkeys(("getDeadLetter", "editDeadLetter"), "/data/0/id"),
    answers={200: {JSON: page_of(model_of(Letter)), NDJSON: _LINES}},
)
async def list_(call: Call, wanted: WhichPage) -> Response:
    """
    Letters that meet the conditions, the newest first.

    With `Accept: application/x-ndjson`, all of them, one a line, as they are read; then `limit`, `after` and `total` mean nothing.
    """
    conditions = wanted.conditions()
    if NDJSON in call.request.headers.get("accept", ""):
        return await answers.lines(_all(call, conditions))
    after = None if wanted.after is None else read_cursor(wanted.after)
    found = await _page(call, conditions, after, wanted.limit + 1)
    page = found[: wanted.limit]
    following = _cursor(page[-1]) if len(found) > wanted.limit else None
    total = await _count(call, conditions) if wanted.total else None
    return answers.page(page, following, total)


@room.call(
    "GET",
    "/v1/dead-letters/groups",
    "groupDeadLetters",
    Scope.READ,
    query=WhichGroups,
    leads_to={
        "getDeadLetter": "/data/0/example",
        **dict.fromkeys(("getDeadLetterGroup", "ignoreDeadLetterGroup", "reopenDeadLetterGroup"), "/data/0/cause"),
    },
    answers={200: page_of(model_of(Group))},
)
async def groups(call: Call, wanted: WhichGroups) -> Response:
    """
    Open letters by cause, the largest first: an incident is a few of these.

    `act` says what fits. `example` is the newest letter of the cause. `line` has the letters of each half hour of the last day. With `state`,
    letters in that state.
    """
    return answers.page(await call.client.dead_letters.groups(most=wanted.most, **wanted.conditions()), None)


@room.call("GET", "/v1/dead-letters/groups/{cause}", "getDeadLetterGroup", Scope.READ, answers={200: model_of(Group)})
async def cause(call: Call, cause: str) -> Response:
    """One cause, also if none of its letters is open any more."""
    return answers.one(await call.client.dead_letters.cause(cause))


@room.call(
    "POST",
    "/v1/dead-letters/groups/{cause}/ignore",
    "ignoreDeadLetterGroup",
    Scope.OPERATE,
    body=Ignored,
    answers={200: model_of(Group)},
    examples={"until tomorrow": {"until": "2099-05-02T09:00:00Z", "why": "known, INC-7"}},
)
async def ignore(call: Call, cause: str, said: Ignored) -> Response:
    """
    Ignore a cause until a time.

    Nothing happens to its letters. If letters come after that time, its state is `back again`.
    """
    return answers.one(await call.client.dead_letters.ignore(cause, said.until, why=said.why, by=call.by))


@room.call(
    "POST",
    "/v1/dead-letters/groups/{cause}/reopen",
    "reopenDeadLetterGroup",
    Scope.OPERATE,
    body=Because,
    optional_body=True,
    answers={200: model_of(Group)},
)
async def reopen(call: Call, cause: str, said: Because) -> Response:
    """Ignore a cause no more, or take note of one that is back again."""
    return answers.one(await call.client.dead_letters.reopen(cause, why=said.why, by=call.by))


@room.call(
    "POST",
    "/v1/dead-letters/discard",
    "discardDeadLetters",
    Scope.OPERATE,
    body=Selected,
    answers={200: model_of(Discarded)},
    examples={"what a test left behind": {"where": "campaign:TEST since:1d", "why": "test data", "dry_run": True}},
)
async def discard(call: Call, said: Selected) -> Response:
    """
    Mark letters as not to be sent. They can be seen until their retention ends.

    Without ids and conditions nothing is done, and the answer is 422.
    """
    done = await call.client.dead_letters.discard(*said.ids, why=said.why, by=call.by, dry_run=said.dry_run, **said.conditions())
    return answers.one(done)


@room.call("GET", "/v1/dead-letters/{letter_id}", "getDeadLetter", Scope.READ, answers={200: model_of(WholeLetter)})
async def show(call: Call, letter_id: str) -> Response:
    """
    Everything about one letter: its intent, the request that was made of it, every attempt.

    The id of the letter, or of any intent of its history.
    """
    return answers.one(await call.client.dead_letters.show(letter_id))


@room.call(
    "PATCH",
    "/v1/dead-letters/{letter_id}",
    "editDeadLetter",
    Scope.OPERATE,
    query=WhyEdited,
    raw_body={
        MERGE_PATCH: {
            "type": "object",
            "description": "A JSON merge patch (RFC 7396) for the intent. `id` and `idempotency_key` cannot be changed.",
        },
        JSON: {"type": "object", "description": "The same."},
    },
    examples={"another preset": {"message": {"preset": "B-2"}}},
    answers={200: Edited},
)
async def edit(call: Call, letter_id: str, wanted: WhyEdited) -> Response:
    """
    Change the intent that a replay will send, by a merge patch.

    The result is validated as a whole. Nothing is sent.
    """
    check_media_type(call.request, MERGE_PATCH, JSON)
    raw = await read_bytes(call.request, call.most_bytes)
    check_depth(raw)
    patch = loads(raw)
    if not isinstance(patch, Mapping) or not patch:
        raise IntentInvalid([Problem("", "must be an object that is not empty", "A merge patch names the fields that change")])
    before, after = await call.client.dead_letters.edit(letter_id, patch, why=wanted.why, by=call.by)
    return answers.one({"before": before, "after": after})


def _cursor(letter: Letter) -> str:
    return cursor_of(letter.filed_ms, letter.id)


async def _page(call: Call, conditions: Conditions, after: tuple[int, str] | None, most: int) -> list[Letter]:
    ledger = call.client.ledger
    return await call.client.do(list_letters(ledger.keys, cast(ConditionsAndIds, conditions), most=most, after=after))


async def _all(call: Call, conditions: Conditions) -> AsyncIterator[Letter]:
    """All that fit, page by page: memory does not grow with them."""
    after: tuple[int, str] | None = None
    while True:
        page = await _page(call, conditions, after, _PAGE)
        for letter in page:
            yield letter
        if len(page) < _PAGE:
            return
        after = (page[-1].filed_ms, page[-1].id)


async def _count(call: Call, conditions: Conditions) -> int:
    if "state" not in conditions:
        conditions = {**conditions, "state": None}  # otherwise only the open ones are counted
    return await call.client.dead_letters.count(**conditions)
