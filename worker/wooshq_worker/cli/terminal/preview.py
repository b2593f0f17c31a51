"""What a fan-out would do, for people."""

from __future__ import annotations

from typing import Final

from wooshq import Problem
from wooshq.jobs.preview import Preview
from wooshq_worker.cli.terminal.out import field, one_line, say, several, show
from wooshq_worker.cli.terminal.tables import Column, table

_LONGEST_TEXT: Final = 300
_LOCALES = (Column("recipients"), Column("locale"), Column("texts"))


def full(preview: Preview) -> None:
    """Print everything about it but the requests, which only `--json` shows."""
    skipped = f"; {several(preview.duplicates, 'duplicate')} would be skipped" if preview.duplicates else ""
    rejected = f"; {several(preview.refused, 'row')} would be rejected" if preview.refused else ""
    show(f"{several(preview.recipients, 'recipient')} in {several(preview.calls, 'call')}{skipped}{rejected}")
    if preview.columns_sent or preview.columns_not_sent:
        field("columns sent", ", ".join(preview.columns_sent) or "none")
        field("columns not sent", ", ".join(preview.columns_not_sent) or "none")
    if any(count.locale for count in preview.locales):
        rows = [(f"{count.recipients:,}", count.locale or "none", count.texts or "the same for all") for count in preview.locales]
        table("Recipients by locale", _LOCALES, rows, empty="")
    for example in preview.examples:
        show(f"To {one_line(example.identifier)}{f' ({example.locale})' if example.locale else ''}:")
        for name, text in example.texts.items():
            field(f"  {name}", text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…")


def problems(preview: Preview) -> None:
    """Say what is worth a look, and why the job would not start."""
    for note in preview.notes:
        say(f"Note: {note}")
    for problem in preview.problems:
        say(str(Problem(**problem)))
    say("Nothing was sent." if preview.would_start else "The job would not start. Nothing was sent.")
