"""The page Replays: what was replayed, by whom and why, and what came of it."""

from __future__ import annotations

from typing import Final

from wooshq.ledger.states import ReplayState
from wooshq_worker.console.api.cursors import page_of_newest
from wooshq_worker.console.pages.shell.registry import Page, Shown
from wooshq_worker.console.pages.shell.visit import Visit

_MOST: Final = 50
LIVE: Final = (ReplayState.RUNNING, ReplayState.PAUSED, ReplayState.STOPPED)


async def view(visit: Visit) -> Shown:
    """Replays, the newest first."""
    replays, following = await page_of_newest(
        lambda most: visit.shared(f"replays {most}", lambda: visit.client.replays.list(most=most)), visit.asked("after") or None, _MOST
    )
    return Shown(
        {
            "replays": replays,
            "following": visit.url(after=following) if following else "",
            "first": visit.url(after=None) if visit.asked("after") else "",
        },
        command="wooshq replays list",
        curl=visit.curl("GET", f"/v1/replays?limit={_MOST}"),
    )


page = Page("replays", "/replays", "Replays", view, "letters/replays.html", letter="r", live=("replays",))
