"""The page Audit: every act of an operator, who did it, on what, why, and what came of it."""

from __future__ import annotations

from urllib.parse import urlencode

from wooshq_worker.console.pages.shell.registry import Page, Shown
from wooshq_worker.console.pages.shell.visit import Visit

_MOST = 50


async def view(visit: Visit) -> Shown:
    """The acts, the newest first; those of one person with `by`."""
    by, after = visit.asked("by") or None, visit.asked("after") or None
    found = await visit.client.audit(most=_MOST, by=by, after=after)
    query = urlencode({name: value for name, value in (("by", by), ("limit", _MOST)) if value is not None})
    return Shown(
        {
            "acts": found.found,
            "by": by,
            "following": visit.url(after=found.after) if found.after else "",
            "first": visit.url(after=None) if after else "",
        },
        command=f"wooshq audit --most {_MOST}" + (f" --by {by}" if by else ""),
        curl=visit.curl("GET", f"/v1/audit?{query}"),
    )


page = Page("audit", "/audit", "Audit", view, "audit.html", letter="a")
