"""`wooshq dead export`: write letters to a file that only its owner can read, for a spreadsheet or a program."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer

from wooshq import Wooshq
from wooshq.errors import LetterUnknown
from wooshq.letters.filter import Conditions, selection
from wooshq.letters.letter import Letter, WholeLetter
from wooshq_schemas.recipient_lists import recipients_in_intent
from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.filters import filtered
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.files import cell, file_exists, opened
from wooshq_worker.cli.terminal.help import examples
from wooshq_worker.cli.terminal.out import say, several

EXAMPLES: Final = examples("wooshq dead export letters.csv since:1d", "wooshq dead export - --state open | jq .intent")

COLUMNS: Final = (
    "id", "intent_id", "reason", "detail", "filed_at", "attempts", "lane", "application", "bulk_id", "replays", "state", "recipients",
)  # fmt: skip


@filtered(state="any", takes_query=True)
def export(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="CSV if the name ends in .csv; otherwise NDJSON, with intent, payload and attempts. -: standard output."
        ),
    ],
    *,
    wanted: Conditions,
    why: Why = "",
    by: By = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write matching letters to a file, newest first. The file holds personal data, so only its owner can read it."""
    if file.is_file() and not force:  # not after a search that may take long
        raise file_exists(file, "FILE")
    with open_wooshq() as wooshq:
        letters = wooshq.dead_letters.list(**wanted)  # their intents are fetched one by one, to save memory
        with opened(file, force=force, option="FILE") as out:
            written = _write(wooshq, letters, out, as_csv=file.suffix.lower() == ".csv")
            out.flush()
        in_words = wooshq.do(selection({**wanted, "ids": ()}, only_open=False)).in_words
        wooshq.note_export("letters", written, selection=in_words, why=why, by=by)
    if str(file) != "-":
        say(f"{several(written, 'letter')} written to {file}.")
    if written < len(letters):
        say(f"{several(len(letters) - written, 'letter')} left out: deleted during the export.")


def _write(wooshq: Wooshq, letters: Sequence[Letter], out: TextIO, *, as_csv: bool) -> int:
    rows = csv.writer(out, quoting=csv.QUOTE_ALL)
    if as_csv:
        rows.writerow(COLUMNS)
    written = 0
    for letter in letters:
        try:
            whole = wooshq.dead_letters.show(letter.id)
        except LetterUnknown:
            continue
        if as_csv:
            rows.writerow(_row(letter, whole))
        else:
            out.write(whole.to_json() + "\n")
        written += 1
    return written


def _row(letter: Letter, whole: WholeLetter) -> list[str]:
    who = sorted(recipients_in_intent(whole.intent)) if isinstance(whole.intent, dict) else []
    return [cell(value) for value in {**letter, "recipients": who}.values()]
