"""The page of a plan that is being made: how many letters are checked. It leads to the plan by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from wooshq.errors import IntentInvalid
from wooshq.letters.replays.planning import MEANS, LeftOutFor
from wooshq.letters.replays.start import Replayed
from wooshq_worker.console.pages.shell.errors import told
from wooshq_worker.console.pages.shell.registry import Page, Shown
from wooshq_worker.console.pages.shell.shared import Work
from wooshq_worker.console.pages.shell.visit import Visit
from wooshq_worker.console.pages.shell.words import plural


def plan_url(made: Replayed, back: str) -> str:
    """Where the plan is. back: the form that it was asked with."""
    return f"/replays/{made.id}?{urlencode({'back': back})}"


def nothing_to_send(made: Replayed) -> str:
    """Why there is no plan although letters match."""
    reasons = ", ".join(f"{count} {MEANS[LeftOutFor(kind)]}" for kind, count in made.left_out.items())
    return f"{plural(made.selected, 'letter')} match, and none would be sent" + (f": {reasons}." if reasons else ".")


async def view(visit: Visit) -> Shown:
    """How far it is; or the plan, if it is made."""
    work = visit.everybody.work(visit.parameter("work"))
    return Shown(
        {"work": work, "problem": _problem(work), "is_over": work is None or (work.task is not None and work.task.done())},
        command="wooshq replays list",
        curl=visit.curl("GET", "/v1/replays"),
        to=_plan(work),
    )


def _plan(work: Work | None) -> str | None:
    if work is None or work.task is None or not work.task.done() or work.task.cancelled() or work.task.exception() is not None:
        return None
    made: Replayed = work.task.result()
    return None if made.id is None else plan_url(made, work.back)


def _problem(work: Work | None) -> str:
    """What went wrong, in words."""
    if work is None or work.task is None or not work.task.done():
        return ""
    if work.task.cancelled():
        return "The server gave it up, because many other plans were made since."
    if (error := work.task.exception()) is not None:
        if isinstance(error, IntentInvalid):
            return "; ".join(map(str, error.problems))
        return str(error) if isinstance(error, ValueError) else " ".join(told(_as_exception(error)).lines)
    made: Replayed = work.task.result()
    return nothing_to_send(made) if made.id is None else ""


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(type(error).__name__)


async def live(visit: Visit) -> Shown:
    """What changes. The browser goes on by itself when the plan is there."""
    shown = await view(visit)
    context: Mapping[str, Any] = {**shown.context, "to": shown.to}
    return Shown(context)


page = Page(
    "planning",
    "/replays/planning/{work}",
    "Plan",
    view,
    "letters/planning.html",
    parent="replays",
    live=("progress",),
    live_view=live,
)
