"""`wooshq find`: search everything that was accepted, by a query."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final

import typer

from wooshq.finding.find import MOST_READ
from wooshq.finding.found import Count, Found, FoundPage
from wooshq_worker.cli.filters import Query, pointing_at, query_of
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, Json, emit, finish, people, say, several, short, show
from wooshq_worker.cli.terminal.tables import Column, table

_COLUMNS: Final = (
    Column("kind"),
    Column("id"),
    Column("state"),
    Column("at (UTC)", 1),
    Column("application", 2),
    Column("kept in", 4),
    Column("what is known", cut=True),
)
_RECIPIENTS: Final = (
    Column("job"),
    Column("outcome"),
    Column("recipient"),
    Column("application", 2),
    Column("campaign", 3),
    Column("in doubt", cut=True),
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        cls=Command,
        epilog=examples("wooshq find recipient:u1", "wooshq find 'state:dead status:400 since:2h'", "wooshq find tag.order:77 --count"),
    )(find)


def find(
    query: Query = None,
    most: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Show at most N.")] = 100,
    after: Annotated[str | None, typer.Option(metavar="PLACE", help="Go on after this place: of the last one of the page before.")] = None,
    count: Annotated[bool, typer.Option("--count", help="Only count what is found.")] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Read all intents of the ledger where it has no index. Default: 200,000; the rest is named.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find intents, dead letters and jobs by a query, newest first. Did customer u1 get it? wooshq find recipient:u1 says."""
    asked = query_of(query)
    if asked is None:
        raise typer.BadParameter("is missing. Example: wooshq find recipient:u1 since:2d", param_hint="QUERY")
    most_read = None if every else MOST_READ
    with open_wooshq() as wooshq, pointing_at(asked), searching() as progress:
        found: FoundPage | Count = (
            wooshq.count(asked, most_read=most_read, progress=progress)
            if count
            else wooshq.find(asked, most=most, after=after, most_read=most_read, progress=progress)
        )
    if isinstance(found, Count):
        emit(found) if as_json else show(f"{found.count}")
    elif as_json:
        for one in found.found:
            emit(one)
        for who in found.recipients:
            emit({"kind": "recipient", **who})
    else:
        _show(found)
    for part in found.not_searched:
        say(f"Not searched: {part}.")
    finish(SOME_REFUSED if found.history == "away" else ALL_DONE)


@contextlib.contextmanager
def searching() -> Iterator[Callable[[int], None]]:
    """A line on a terminal that says how many intents were read."""
    if not people.is_terminal:
        yield lambda _: None
        return
    with people.status("searching") as status:
        yield lambda n: status.update(f"searching: {n:,} intents of the ledger read")


def _show(page: FoundPage) -> None:
    rows = [(one.kind, one.id, one.state, short(one.at), one.shown.get("application"), one.kept_in, _known(one)) for one in page.found]
    if rows or not page.recipients:
        table(f"{several(len(rows), 'result')}", _COLUMNS, rows, empty="Nothing was found.")
    if page.recipients:
        known = [(one.job, one.outcome, one.identifier, one.application, one.campaign, "; ".join(one.in_doubt)) for one in page.recipients]
        table("Among the recipients of fan-out jobs", _RECIPIENTS, known, empty="")
    if page.after is not None:
        say(f"There is more: add --after {page.after}")


def _known(one: Found) -> str:
    """The most useful thing to know about it, in few words."""
    said: Mapping[str, Any] = one.shown
    if one.kind == "job":
        return f"{said['sent']:,} of {said['total']:,} sent" + (f", {said['unknown']:,} in doubt" if said["unknown"] else "")
    if one.kind == "letter":
        return f"{said['reason']}: {said['detail']}"
    known = [*(f"message {code}" for code in said["message_codes"]), said["waiting_for"] or said["detail"] or ""]
    if said["unknown_identifiers"]:
        known.append(f"{several(len(said['unknown_identifiers']), 'recipient')} not known to Pushwoosh")
    doubts = sum(attempt["outcome"] == "unknown" for attempt in said["attempts"])
    if doubts:
        known.append(f"{several(doubts, 'call')} without an answer")
    return ", ".join(part for part in known if part)
