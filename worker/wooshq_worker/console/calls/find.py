"""Find everything that was accepted, alive or ended, by a query."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, create_model
from starlette.responses import Response

from wooshq.finding.double import Double
from wooshq.finding.doubles import Doubles
from wooshq.finding.find import MOST_READ
from wooshq.finding.found import Found
from wooshq.finding.in_jobs import InJob
from wooshq.tokens.token import Scope
from wooshq_worker.console.api import answers
from wooshq_worker.console.api.body import JSON, NDJSON
from wooshq_worker.console.api.cursors import cursor_of, read_cursor
from wooshq_worker.console.api.operation import Call, Room
from wooshq_worker.console.api.shapes import Paged, model_of, page_of
from wooshq_worker.console.calls.selection import Moment

room = Room("search", "Everything that was accepted, alive or ended, by a query.")


_DOUBLES: Final = {
    "type": "string",
    "description": (
        "A case a line: `{kind, id, at, cause, state, application, recipients, people, reached, attempts, kept_in}`. Then `{not_searched, "
        "history}`, and `{done, count}` at the end."
    ),
}


class Since(Paged):
    """Query parameters of the doubles."""

    since: Moment | None = None
    """In doubt at this time or later."""


class Query(Paged):
    """Query parameters of the search."""

    q: Annotated[str, Field(min_length=1, max_length=4000)]
    """`state:dead status:400 app:AAAAA-BBBBB tag.order:77 text:"INV-9981" since:2h`, with OR, NOT and brackets."""
    total: bool = False
    """Also count what fits, by kind."""
    all: bool = False
    """Read all intents of the ledger where it has no index. Otherwise 200,000 are read, and `not_searched` says if there are more."""


FoundPage: type[BaseModel] = create_model(
    "FoundThingsPage",
    __base__=page_of(model_of(Found)),
    __doc__=(
        "A page of what was found. `recipients`: of a query for recipients, what is on record of them in jobs; on the first page. `not_searched`: "
        "what was not searched, a sentence each; empty if the answer is complete. `history`: `searched`, `off` or `away`. `kinds`: with `total`."
    ),
    recipients=(list[model_of(InJob)], ...),  # type: ignore[misc, arg-type]
    not_searched=(list[str], ...),
    history=(str, ...),
    kinds=(dict[str, int] | None, None),
)


DoublesPage: type[BaseModel] = create_model(
    "DoublesPage",
    __base__=page_of(model_of(Double)),
    __doc__="A page of doubles. `not_searched`: what was not searched, a sentence each. `history`: `searched`, `off` or `away`.",
    not_searched=(list[str], ...),
    history=(str, ...),
)


@room.call("GET", "/v1/find", "find", Scope.READ, query=Query, answers={200: FoundPage})
async def find(call: Call, wanted: Query) -> Response:
    """
    What fits a query, the newest first: intents, dead letters and jobs.

    An intent that is dead is found as its letter. Each has its own object in `shown`. What the ledger has no index for is found by
    reading its intents, at most 200,000 unless `all` is given: about a minute for a million.
    """
    most_read = None if wanted.all else MOST_READ
    page = await call.client.find(wanted.q, most=wanted.limit, after=wanted.after, most_read=most_read)
    rest = {"recipients": page.recipients, "not_searched": page.not_searched, "history": page.history}
    counted = {}
    if wanted.total:
        count = await call.client.count(wanted.q, most_read=most_read)
        counted = {"total": count.count, "kinds": count.kinds}
    return answers.one({"data": page.found, "next": page.after, **rest, **counted})


@room.call("GET", "/v1/doubles", "listDoubles", Scope.READ, query=Since, answers={200: {JSON: DoublesPage, NDJSON: _DOUBLES}})
async def doubles(call: Call, wanted: Since) -> Response:
    """
    Every case in which a person may have got a message twice, the newest first.

    Messages, and calls of fan-outs. With `Accept: application/x-ndjson`, all of them, one a line; the line before the last says what was not
    searched. Then `limit` and `after` mean nothing.
    """
    if NDJSON in call.request.headers.get("accept", ""):
        return await answers.lines(_told(await call.client.doubles(since=wanted.since)))
    after = None if wanted.after is None else read_cursor(wanted.after)[1]
    page = await call.client.doubles(since=wanted.since, most=wanted.limit, after=after)
    following = None if page.after is None else cursor_of(0, page.after)
    return answers.one({"data": page.found, "next": following, "not_searched": page.not_searched, "history": page.history})


async def _told(found: Doubles) -> AsyncIterator[Any]:
    for one in found.found:
        yield one
    yield {"not_searched": found.not_searched, "history": found.history}
