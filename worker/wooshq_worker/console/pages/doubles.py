"""The page Doubles: every case in which a person may have got a message twice, with its cause and its attempts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from wooshq.finding.double import Double
from wooshq_worker.console.api.cursors import page_of_newest
from wooshq_worker.console.pages.shell.registry import Page, Shown
from wooshq_worker.console.pages.shell.visit import Visit

_MOST: Final = 50
_SINCE: Final = {"1h": ("Last hour", timedelta(hours=1)), "24h": ("Last day", timedelta(days=1)), "7d": ("Last week", timedelta(days=7))}
_ALL: Final = "all"


async def view(visit: Visit) -> Shown:
    """The cases, the newest first."""
    span = visit.asked("since", _ALL)
    since = datetime.now(UTC) - _SINCE[span][1] if span in _SINCE else None
    not_searched: Sequence[str] = ()

    async def newest(most: int) -> Sequence[Double]:
        nonlocal not_searched
        found = await visit.client.doubles(since=since, most=most)
        not_searched = found.not_searched
        return found.found

    after = visit.asked("after") or None
    cases, following = await page_of_newest(newest, after, _MOST)
    tabs = [(title, visit.url(since=name, after=None), name == span, None) for name, (title, _) in _SINCE.items()]
    query = f"?since={since:%Y-%m-%dT%H:%M:%SZ}" if since else ""
    return Shown(
        {
            "cases": cases,
            "tabs": [*tabs, ("All that is kept", visit.url(since=None, after=None), span not in _SINCE, None)],
            "not_searched": not_searched,
            "following": visit.url(after=following) if following else "",
            "first": visit.url(after=None) if after else "",
        },
        command=f"wooshq doubles --since {span}" if since else "wooshq doubles",
        curl=visit.curl("GET", f"/v1/doubles{query}"),
    )


page = Page("doubles", "/doubles", "Doubles", view, "doubles.html", letter="d")
