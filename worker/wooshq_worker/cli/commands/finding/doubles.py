"""`wooshq doubles`: every case in which a person may have got a message twice."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from wooshq.finding.double import Double
from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.files import cell, file_exists, opened
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, Json, emit, finish, people, say, say_cut, several, short
from wooshq_worker.cli.terminal.tables import Column, table
from wooshq_worker.cli.values import moment

_COLUMNS: Final = (
    Column("kind"),
    Column("id"),
    Column("state"),
    Column("at (UTC)"),
    Column("application", 2),
    Column("people", 1),
    Column("calls", 3),
    Column("cause", cut=True),
)
EXPORTED: Final = ("at", "kind", "id", "application", "state", "cause", "recipient", "people", "reached", "kept_in")
"""Columns of a CSV file. A case has a line for each recipient, or one without, if they are not kept."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        cls=Command,
        epilog=examples("wooshq doubles --since 1d", "wooshq doubles --since 2026-05-01 --export doubles.csv", "wooshq doubles --json"),
    )(doubles)


def doubles(
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="In doubt at this time or later: 2026-05-01T09:00:00Z, 2026-05-01, or an age such as 2h."),
    ] = None,
    most: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Show at most N cases. Default: 100, and all with --export or --json.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write all cases to this file: CSV with a line for each recipient if the name ends in .csv; otherwise NDJSON.",
        ),
    ] = None,
    why: Why = "",
    by: By = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    as_json: Json = False,
) -> None:
    """List the cases in which a person may have got a message twice, newest first, each with its cause and attempts."""
    if export is not None and export.is_file() and not force:
        raise file_exists(export, "--export")
    from_at: datetime | None = None if since is None else moment(since, "--since")
    most = 100 if most is None and export is None and not as_json else most
    with open_wooshq() as wooshq, people.status("searching") if people.is_terminal else people:
        found = wooshq.doubles(since=from_at, most=None if most is None else most + 1)
        cases = found.found[:most]
        if export is not None:
            _write(cases, export, force)
            wooshq.note_export("doubles", len(cases), selection="" if since is None else f"since:{since}", why=why, by=by)
    if export is None and as_json:
        for one in cases:
            emit(one)
    elif export is None:
        rows = [
            (one.kind, one.id, one.state, short(one.at), one.application, one.people, one.reached, one.cause.replace("\n", "; "))
            for one in cases
        ]
        table(several(len(cases), "case"), _COLUMNS, rows, empty="Nobody may have got a message twice, as far as is on record.")
    if len(found.found) > len(cases):
        say_cut(len(cases), "case", other=", or --export FILE")
    for part in found.not_searched:
        say(f"Not searched: {part}.")
    finish(SOME_REFUSED if found.history == "away" else ALL_DONE)


def _write(cases: Sequence[Double], file: Path, force: bool) -> None:
    with opened(file, force=force, option="--export") as out:
        if file.suffix.lower() == ".csv":
            rows = csv.writer(out, quoting=csv.QUOTE_ALL)
            rows.writerow(EXPORTED)
            for case in cases:
                for who in case.recipients or ("",):
                    rows.writerow([cell(value) for value in ({**case, "recipient": who}[name] for name in EXPORTED)])
        else:
            out.writelines(case.to_json() + "\n" for case in cases)
        out.flush()
    if str(file) != "-":
        say(f"{several(len(cases), 'case')} written to {file}.")
