"""What holds messages back: gates, pauses, limits; and who changed what."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field, WithJsonSchema, create_model
from starlette.responses import Response

from wooshq.gates.audit import Act
from wooshq.gates.limits import Limit
from wooshq.history.acts import KINDS, ActPlace
from wooshq.ledger.gates import Gate, GateName
from wooshq.tokens.token import Scope
from wooshq_worker.console.api import answers
from wooshq_worker.console.api.cursors import cursor_of, read_cursor
from wooshq_worker.console.api.operation import Call, Room
from wooshq_worker.console.api.shapes import Because, Paged, Said, model_of, page_of
from wooshq_worker.console.calls.selection import Moment, Text

Kind = StrEnum("Kind", KINDS)  # type: ignore[misc]

room = Room("operating", "What holds messages back, and who changed what.")


class OfApplication(Because):
    """Whose. It must be named: nothing is done to all applications by leaving it out."""

    application: Text
    """Application code; `*` for all applications."""


class OfLane(OfApplication):
    """Whose, and which lane."""

    lane: Text | None = None
    """`transactional` or `bulk`. Null: both."""


class LimitOf(OfApplication):
    """A limit for an application."""

    value: float | None
    """`rate`: calls a second, null for no ceiling. `share`: part of the rate that is reserved for the transactional lane."""


class Changed(Said):
    """Whether anything was changed."""

    changed: bool


class WhichActs(Paged):
    """Query parameters of the audit log."""

    by: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """Only acts of this person, or of this token."""
    what: Annotated[Kind, WithJsonSchema({"type": "string", "enum": list(KINDS)})] | None = None
    """Only acts on such a thing."""
    id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Only acts that name this id: of an intent, a letter, a job, a replay; or the name of a token."""
    since: Moment | None = None
    """Done at this time or later."""
    until: Moment | None = None
    """Done before this time."""


@room.call("GET", "/v1/gates", "listGates", Scope.READ, answers={200: page_of(model_of(Gate))})
async def gates(call: Call) -> Response:
    """Every gate that is not open. A pause is the gate `hand`."""
    return answers.page(await call.client.gates(), None)


def _verb(verb: Literal["shut", "open"], doc: str, answer: type) -> None:
    async def act(call: Call, gate: str, said: OfApplication) -> Response:
        if verb == "open":
            opened = await call.client.open_gate(gate, said.application, said.why, by=call.by)
            return answers.one({"changed": opened})
        why = said.why or "shut manually"
        return answers.one(await call.client.shut_gate(gate, said.application, why, by=call.by))

    act.__doc__ = doc
    examples = {"one application": {"application": "AAAAA-BBBBB", "why": "INC-7"}}
    room.call(
        "POST", f"/v1/gates/{{gate}}/{verb}", f"{verb}Gate", Scope.OPERATE, body=OfApplication, answers={200: answer}, examples=examples
    )(act)


_verb("shut", "Hold back an application's calls until the gate is opened.", model_of(Gate))
_verb("open", "Open a gate that anything has shut.\n\nThe API's next answers may shut it again.", Changed)


@room.call("GET", "/v1/pauses", "listPauses", Scope.READ, answers={200: page_of(model_of(Gate))})
async def pauses(call: Call) -> Response:
    """What somebody has paused: applications, and lanes of them. Jobs have their own state."""
    return answers.page([gate for gate in await call.client.gates() if gate.gate == GateName.HAND], None)


@room.call(
    "POST",
    "/v1/pauses",
    "pause",
    Scope.OPERATE,
    body=OfLane,
    answers={200: model_of(Gate)},
    examples={"codes first": {"application": "*", "lane": "bulk", "why": "codes first"}},
)
async def pause(call: Call, said: OfLane) -> Response:
    """
    Pause an application, or a lane of it, in every worker.

    Calls in progress end. What waits uses up no attempt and no age.
    """
    why = said.why or "paused manually"
    return answers.one(await call.client.pause(said.application, lane=said.lane, why=why, by=call.by))


@room.call("POST", "/v1/pauses/resume", "resume", Scope.OPERATE, body=OfLane, answers={200: Changed})
async def resume(call: Call, said: OfLane) -> Response:
    """Take back the pause with the same application and lane. Other pauses stay."""
    return answers.one({"changed": await call.client.resume(said.application, lane=said.lane, why=said.why, by=call.by)})


@room.call("GET", "/v1/limits", "listLimits", Scope.READ, answers={200: page_of(model_of(Limit))})
async def limits(call: Call) -> Response:
    """The limits that count now: set ones, those of the environment and of jobs, and what was learned from answers 429."""
    return answers.page(await call.client.limits.list(), None)


@room.call(
    "PUT",
    "/v1/limits/{limit}",
    "setLimit",
    Scope.OPERATE,
    body=LimitOf,
    answers={200: model_of(Limit)},
    examples={"fifty calls a second": {"application": "*", "value": 50, "why": "the API is slow"}},
)
async def set_limit(call: Call, limit: str, said: LimitOf) -> Response:
    """Set the `rate` or the `share` of an application, for all workers at once."""
    return answers.one(await call.client.limits.set(limit, said.value, said.application, why=said.why, by=call.by))


@room.call("POST", "/v1/limits/{limit}/unset", "unsetLimit", Scope.OPERATE, body=OfApplication, answers={200: Changed})
async def unset_limit(call: Call, limit: str, said: OfApplication) -> Response:
    """Take a limit back: the environment's counts again."""
    return answers.one({"changed": await call.client.limits.unset(limit, said.application, why=said.why, by=call.by)})


ActsPage: type[BaseModel] = create_model(
    "ActsPage",
    __base__=page_of(model_of(Act)),
    __doc__=(
        "A page of the audit log. `history`: `searched`, `off` or `away`. `not_searched`: what was not searched, a sentence each; empty if the "
        "answer is complete."
    ),
    not_searched=(list[str], ...),
    history=(str, ...),
)


@room.call("GET", "/v1/audit", "listActs", Scope.READ, query=WhichActs, answers={200: ActsPage})
async def audit(call: Call, wanted: WhichActs) -> Response:
    """
    Every act of an operator, the newest first; by HTTP, `by` is the name of the token.

    The ledger has the last 10,000 acts, and the history those of `WOOSHQ_AUDIT_RETENTION_S`.
    """
    asked = wanted.model_dump(include={"by", "what", "id", "since", "until"})
    after = None if wanted.after is None else "{}-{}".format(*read_cursor(wanted.after))
    page = await call.client.audit(most=wanted.limit, after=after, **asked)
    following = None if page.after is None else _cursor(page.after)
    return answers.one({"data": page.found, "next": following, "not_searched": page.not_searched, "history": page.history})


def _cursor(act_id: str) -> str:
    place = ActPlace.read(act_id)
    return cursor_of(place.ms, str(place.n))
