"""The page Messages: search in the language of `find`, and what has not ended in the order in which it goes on."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from wooshq.errors import QueryInvalid
from wooshq.finding.browse import Shelf
from wooshq.finding.found import Found, FoundPage
from wooshq.intents.status import Status
from wooshq_worker.console.pages.shell.registry import Page, Shown
from wooshq_worker.console.pages.shell.visit import Visit
from wooshq_worker.console.pages.shell.words import number

_MOST: Final = 50
_WITHIN_S: Final = 20.0
"""A search that has no index reads the whole ledger. A person waits so long for a page, and not longer."""
_SHELVES: Final = {
    Shelf.WAITING: "Waiting longest",
    Shelf.UNDER_WAY: "Under way",
    Shelf.RETRYING: "Retrying next",
}
_ALSO: Final = {
    Shelf.WAITING: ("now_queued_transactional", "now_queued_bulk", "now_held"),
    Shelf.UNDER_WAY: ("now_sending",),
    Shelf.RETRYING: ("now_retrying",),
}
"""Names in `counts`, whose sum is how many are on the shelf."""
EXAMPLES: Final = (
    ("recipient:u1", "What one person was sent, or is to get"),
    ("state:dead status:400 since:2h", "Refused by the API in the last two hours"),
    ('text:"INV-9981"', "Messages that say this"),
    ("tag.order:77", "By a tag of your own"),
    ("state:retrying code:UNAVAILABLE", "What the API could not take"),
    ("state:sent lane:bulk since:10m", "Just sent"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list, whatever it is. says: what it waits for, or what became of it."""

    kind: str
    id: str
    href: str
    state: str
    at: str | None
    application: str
    lane: str
    attempts: int | None
    says: str


async def view(visit: Visit) -> Shown:
    """What a query finds; without one, what has not ended."""
    query = visit.asked("q")
    return await _search(visit, query) if query else await _browse(visit)


async def live_view(visit: Visit) -> Shown:
    """A search is not repeated each second: it may read much."""
    return await _browse(visit, with_rows=not visit.asked("q"))


async def _browse(visit: Visit, *, with_rows: bool = True) -> Shown:
    shelf = visit.asked("view", Shelf.WAITING)
    shelf = Shelf(shelf) if shelf in set(Shelf) else Shelf.WAITING
    counts = await visit.shared("counts", visit.client.counts)
    rows: Sequence[Row] = ()
    if with_rows:
        found = await visit.shared(f"browse {shelf}", lambda: visit.client.browse(shelf, most=_MOST))
        rows = [_row_of_status(one) for one in found]
    tabs = [
        (title, visit.url(view=name, q=None, after=None), name is shelf and with_rows, sum(counts.get(one, 0) for one in _ALSO[name]))
        for name, title in _SHELVES.items()
    ]
    state = {Shelf.WAITING: "queued", Shelf.UNDER_WAY: "sending", Shelf.RETRYING: "retrying"}[shelf]
    return Shown(
        {"query": "", "rows": rows, "tabs": tabs, "shelf": shelf, "most": _MOST, "examples": EXAMPLES, **_NOTHING},
        command=f"wooshq find state:{state}",
        curl=visit.curl("GET", f"/v1/find?{urlencode({'q': f'state:{state}'})}"),
    )


_NOTHING: Final[dict[str, Any]] = {
    "problem": "",
    "column": 0,
    "found": None,
    "following": "",
    "first": "",
    "recipients": (),
    "too_slow": False,
}


async def _search(visit: Visit, query: str) -> Shown:
    after = visit.asked("after") or None
    shown = (await _browse(visit, with_rows=False)).context
    known = {**shown, "query": query, "first": visit.url(after=None) if after else ""}
    curl = visit.curl("GET", f"/v1/find?{urlencode({'q': query})}")
    command = f"wooshq find {shlex.quote(query)}"
    try:
        async with asyncio.timeout(_WITHIN_S):
            found: FoundPage = await visit.client.find(query, most=_MOST, after=after)
    except QueryInvalid as error:
        return Shown({**known, "problem": str(error), "column": error.column}, command, curl, status=422)
    except ValueError as error:  # a cursor that was changed by hand
        return Shown({**known, "problem": str(error)}, command, curl, status=422)
    except TimeoutError:
        return Shown({**known, "too_slow": True}, command, curl)
    return Shown(
        {
            **known,
            "found": found,
            "rows": [_row_of(one) for one in found.found],
            "recipients": found.recipients,
            "following": visit.url(after=found.after) if found.after else "",
        },
        command,
        curl,
    )


def _row_of_status(one: Status) -> Row:
    says = one.waiting_for or one.detail or ""
    return Row(
        "intent", one.id, f"/messages/{one.id}", one.state, one.accepted_at, one.application or "", one.lane, len(one.attempts), says
    )


def _row_of(one: Found) -> Row:
    shown = one.shown
    attempts = shown.get("attempts")
    if one.kind == "job":
        says = f"{number(shown.get('sent', 0))} of {number(shown.get('total', 0))} sent"
        href = f"/jobs/{one.id}"
    else:
        parts = (shown.get("reason"), shown.get("detail") or shown.get("waiting_for"))
        says = ": ".join(str(part) for part in parts if part)
        href = f"/messages/{shown.get('intent_id') or one.id}"
    n = (
        len(attempts)
        if isinstance(attempts, Sequence) and not isinstance(attempts, str)
        else attempts
        if isinstance(attempts, int)
        else None
    )
    return Row(one.kind, one.id, href, one.state, one.at, str(shown.get("application") or ""), str(shown.get("lane") or ""), n, says)


page = Page("messages", "/messages", "Messages", view, "messages.html", letter="m", live=("tabs", "rows"), live_view=live_view, every_s=2.0)
