"""The page Outbox: what waits in the outbox of an app's database for a relay, and what was put away and why."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from wooshq.errors import WooshqError
from wooshq.ledger.steps import Steps
from wooshq.outbox.database import DatabaseAway
from wooshq.outbox.opening import has_outbox, open_outbox
from wooshq.outbox.operate import WAITS_AGAIN, Depth, MaySendTwice, OutboxActs, OutboxRow, OutboxRows, RowUnknown, RowWaits
from wooshq.outbox.table import RowState
from wooshq.settings import Settings
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.pages.shell.registry import Act, Done, Page, Shown
from wooshq_worker.console.pages.shell.visit import Form, Visit

T = TypeVar("T")

_MOST: Final = 100
_FRESH_S: Final = 2.0
_STATES: Final = {RowState.WAITING: "Waiting", RowState.SET_ASIDE: "Set aside", RowState.PARKED: "Parked"}
_MEANS: Final = {
    RowState.WAITING: "A relay moves these into the ledger.",
    RowState.SET_ASIDE: "The ledger refused these. Fix and retry them, or discard them: wooshq outbox edit.",
    RowState.PARKED: "These may have been sent: they were first tried longer ago than ids are remembered. Look before you retry.",
}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the outbox has. problem: why it cannot be read; '' if it can."""

    depth: Depth | None = None
    rows: Sequence[OutboxRow] = ()
    problem: str = ""


async def view(visit: Visit) -> Shown:
    """How much waits, and the rows in one state."""
    state = visit.asked("state", RowState.WAITING)
    state = RowState(state) if state in _STATES else RowState.WAITING
    is_there = await asyncio.to_thread(has_outbox, visit.settings)
    seen = await visit.shared(f"outbox {state}", lambda: _look(visit.settings, state), fresh_s=_FRESH_S) if is_there else _Seen()
    depth = seen.depth
    counts = {} if depth is None else {RowState.WAITING: depth.waiting, RowState.SET_ASIDE: depth.set_aside, RowState.PARKED: depth.parked}
    return Shown(
        {
            "is_there": is_there,
            "seen": seen,
            "state": state,
            "means": _MEANS[state],
            "tabs": [(title, visit.url(state=name), name is state, counts.get(name)) for name, title in _STATES.items()],
            "most": _MOST,
        },
        command=f"wooshq outbox list --state {state}",
    )


async def _look(settings: Settings, state: str) -> _Seen:
    def read(rows: OutboxRows) -> _Seen:
        return _Seen(rows.depth(), list(rows.list(state=state, most=_MOST)))

    try:
        return await _with_rows(settings, read)
    except WooshqError as error:
        return _Seen(problem=str(error))


async def _with_rows(settings: Settings, do: Callable[[OutboxRows], T]) -> T:
    """Drivers of databases block: they have a thread of their own."""

    def run() -> T:
        with contextlib.closing(open_outbox(settings)) as database:
            return do(OutboxRows(database, settings))

    return await asyncio.to_thread(run)


async def retry(visit: Visit, form: Form) -> Done:
    """Let relays try a row again."""
    row = await _act(visit, lambda rows: rows.retry(form["id"], may_double=form.is_on("may_double"), by=visit.by))
    return _done(form, WAITS_AGAIN[row.was_refused])


async def discard(visit: Visit, form: Form) -> Done:
    """Delete a row."""
    await _act(visit, lambda rows: rows.discard(form["id"], by=visit.by))
    return _done(form, "The row is deleted. Its message will not be sent.")


async def _act(visit: Visit, do: Callable[[OutboxActs], T]) -> T:
    """What is refused is said in the outbox's own words."""
    loop = asyncio.get_running_loop()

    def run() -> T:
        def noted(steps: Steps[None]) -> None:
            asyncio.run_coroutine_threadsafe(visit.client.do(steps), loop).result()

        with contextlib.closing(open_outbox(visit.settings)) as database:
            return do(OutboxActs(database, visit.settings, noted))

    try:
        return await asyncio.to_thread(run)
    except (RowUnknown, RowWaits, MaySendTwice) as error:
        raise Refused(422, "invalid", "The row stays as it is", str(error)) from None
    except DatabaseAway as error:
        raise Refused(503, "outbox-away", "The outbox's database is away", str(error)) from None


def _done(form: Form, says: str) -> Done:
    state = form["state"] if form["state"] in _STATES else RowState.WAITING
    return Done(f"/outbox?state={state}", says)


page = Page(
    "outbox",
    "/outbox",
    "Outbox",
    view,
    "outbox.html",
    letter="b",
    live=("rows",),
    every_s=2.0,
    acts=(Act("retry", retry), Act("discard", discard)),
)
