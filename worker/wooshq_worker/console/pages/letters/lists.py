"""The pages with lists of dead letters: those of one cause, and those of a query. Letters are selected here, or all that match."""

from __future__ import annotations

from typing import Any, Final, cast
from urllib.parse import urlencode

from wooshq.ledger.replies import moment
from wooshq.letters.filter import Conditions, ConditionsAndIds, names_a_state
from wooshq.letters.find import look_for
from wooshq.letters.groups import count_at_once
from wooshq.letters.letter import Group
from wooshq.letters.replays.rules import TYPED_ABOVE
from wooshq_worker.console.api.cursors import cursor_of, read_cursor
from wooshq_worker.console.pages.letters.causes import UNTIL, to_recipe
from wooshq_worker.console.pages.shell.registry import Act, Done, Page, Shown
from wooshq_worker.console.pages.shell.visit import Form, Visit
from wooshq_worker.console.pages.shell.words import number, plural

PAGE: Final = 50
_READS: Final = 3000
"""Letters that are read for a page of something rare; then the page says how far it looked."""


def _conditions(query: str) -> Conditions:
    given: dict[str, Any] = {"where": query} if query else {}
    if not names_a_state(query or "state:open") or not query:
        given["state"] = "open"
    return cast(Conditions, given)


async def _found(visit: Visit, query: str, known: int | None = None) -> dict[str, Any]:
    """A page of the letters of a query, for the template. known: how many there are, if somebody knows it."""
    conditions = cast(ConditionsAndIds, _conditions(query))
    after = read_cursor(visit.asked("after")) if visit.asked("after") else None
    keys = visit.client.ledger.keys
    letters, following = await visit.client.do(look_for(keys, conditions, most=PAGE, after=after, reads=_READS))
    if known is None:
        known = len(letters) if after is None and following is None else await visit.client.do(count_at_once(keys, conditions))
    return {
        "letters": letters,
        "query": query,
        "matching": known,
        "shows_state": names_a_state(query) if query else False,
        "typed_above": TYPED_ABOVE,
        "looked_to": moment(following[0]) if following is not None and len(letters) < PAGE else None,
        "following": visit.url(after=cursor_of(*following)) if following is not None else "",
        "first": visit.url(after=None) if after else "",
        "to_recipe": to_recipe(query),
    }


async def letters_view(visit: Visit) -> Shown:
    """Letters of any query, the newest first."""
    query = visit.asked("q")
    found = await _found(visit, query)
    pairs = urlencode({**({"where": query} if query else {}), **({} if found["shows_state"] else {"state": "open"}), "limit": PAGE})
    return Shown(
        found,
        command=f"wooshq dead list {_quoted(query)}".rstrip() + f" --most {PAGE}",
        curl=visit.curl("GET", f"/v1/dead-letters?{pairs}"),
    )


async def cause_view(visit: Visit) -> Shown:
    """One cause, and its open letters."""
    cause = visit.parameter("cause")
    group: Group = await visit.client.dead_letters.cause(cause)
    query = f"cause:{cause}"
    return Shown(
        {"group": group, "until": UNTIL, **await _found(visit, query, group.count)},
        command=f"wooshq dead list {query} --most {PAGE}",
        curl=visit.curl("GET", f"/v1/dead-letters/groups/{cause}"),
        title="Cause",
    )


async def cause_live(visit: Visit) -> Shown:
    """What changes of a cause."""
    cause = visit.parameter("cause")
    return Shown({"group": await visit.shared(f"cause {cause}", lambda: visit.client.dead_letters.cause(cause))})


async def discard(visit: Visit, form: Form) -> Done:
    """Discard the letters that were selected, or all that match."""
    ids, query = form.all("id"), form["q"]
    back = f"/letters?{urlencode({'q': query})}" if query else "/letters"
    if form.is_on("all"):
        conditions = _conditions(query)
        await _check_typed(visit, conditions, form["typed"])
        done = await visit.client.dead_letters.discard(why=form["why"], by=visit.by, **conditions)
    elif ids:
        done = await visit.client.dead_letters.discard(*ids, why=form["why"], by=visit.by)
    else:
        raise ValueError("letters: select at least one, or all that match")
    kept = f", {number(done.skipped)} not: they are not open any more" if done.skipped else ""
    return Done(back, f"{plural(done.discarded, 'letter')} discarded{kept}.")


async def _check_typed(visit: Visit, conditions: Conditions, typed: str) -> None:
    """Above a number of letters, somebody types how many. Raises ValueError."""
    count = await visit.client.dead_letters.count(**conditions)
    if count > TYPED_ABOVE and "".join(char for char in typed if char.isdecimal()) != str(count):
        raise ValueError(f"typed: these are {count} letters now. Type this number to discard all of them")


def _quoted(query: str) -> str:
    return f"'{query}'" if " " in query or '"' in query or "(" in query else query


letters = Page("letters", "/letters", "Dead letters", letters_view, "letters/list.html", parent="causes", acts=(Act("discard", discard),))
cause = Page("cause", "/causes/{cause}", "Cause", cause_view, "letters/cause.html", parent="causes", live=("cause",), live_view=cause_live)
