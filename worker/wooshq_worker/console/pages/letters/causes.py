"""The page Causes: why letters are dead, how many, since when, and which act fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from wooshq.letters.causes import CauseState, later
from wooshq.letters.letter import Group
from wooshq_worker.console.pages.shell.registry import Act, Done, Page, Shown
from wooshq_worker.console.pages.shell.visit import Form, Visit

_MOST: Final = 100
UNTIL: Final = (("1h", "1 hour"), ("12h", "12 hours"), ("1d", "1 day"), ("7d", "7 days"), ("30d", "30 days"))
"""For how long a cause can be ignored here; the command line takes any time."""
_TABS: Final = (("", "To look at"), (CauseState.BACK, "Back again"), (CauseState.IGNORED, "Ignored"), ("all", "All"))


async def view(visit: Visit) -> Shown:
    """The causes of open letters, the largest first."""
    groups = await visit.shared("causes", lambda: visit.client.dead_letters.groups(most=_MOST))
    wanted = visit.asked("state")
    counts = Counter(group.state for group in groups)
    counts.update({"": len(groups) - counts[CauseState.IGNORED], "all": len(groups)})
    return Shown(
        {
            "groups": [group for group in groups if _is(group, wanted)],
            "letters": sum(group.count for group in groups),
            "tabs": [(text, visit.url(state=state), state == wanted, counts[state]) for state, text in _TABS],
            "is_cut": len(groups) == _MOST,
            "wanted": wanted,
            "until": UNTIL,
            "most": _MOST,
        },
        command="wooshq dead groups",
        curl=visit.curl("GET", f"/v1/dead-letters/groups?most={_MOST}"),
    )


def _is(group: Group, wanted: str) -> bool:
    return wanted == "all" or group.state == wanted or (not wanted and group.state != CauseState.IGNORED)


async def ignore(visit: Visit, form: Form) -> Done:
    """Ignore a cause until a time."""
    until = later(form["until"], datetime.now(UTC))
    group = await visit.client.dead_letters.ignore(form["cause"], until, why=form["why"], by=visit.by)
    return Done(back_to(form), f"Ignored until {until:%Y-%m-%d %H:%M} UTC: {group.reason}, {group.detail}")


async def reopen(visit: Visit, form: Form) -> Done:
    """Ignore a cause no more, or take note of one that is back."""
    group = await visit.client.dead_letters.reopen(form["cause"], why=form["why"], by=visit.by)
    return Done(back_to(form), f"{group.state.capitalize()}: {group.reason}, {group.detail}")


def back_to(form: Form) -> str:
    """Where a form of several pages leads: the page of its cause if it says so."""
    return f"/causes/{form['cause']}" if form.is_on("stay") and form["cause"].isalnum() else "/causes"


def to_recipe(query: str, ids: Sequence[str] = ()) -> str:
    """The page Fix and replay for a selection."""
    return f"/replays/new?{urlencode([*([('q', query)] if query else []), *(('id', one) for one in ids)])}"


page = Page(
    "causes",
    "/causes",
    "Causes",
    view,
    "letters/causes.html",
    letter="c",
    live=("causes",),
    every_s=2.0,
    acts=(Act("ignore", ignore), Act("reopen", reopen)),
)
