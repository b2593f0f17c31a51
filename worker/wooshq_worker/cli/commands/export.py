"""`wooshq dead export`: letters into a file that only its owner reads, for a spreadsheet or a program."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer

from wooshq import Wooshq
from wooshq.errors import LetterUnknown
from wooshq.letters.letter import Letter, WholeLetter
from wooshq_schemas.recipient_lists import recipients_in_intent
from wooshq_worker.cli.filters import Wanted, filtered
from wooshq_worker.cli.terminal.files import is_there, opened
from wooshq_worker.cli.terminal.help import examples
from wooshq_worker.cli.terminal.out import say, several

EXAMPLES: Final = examples("wooshq dead export letters.csv --since 1d", "wooshq dead export - --state open | jq .intent")

COLUMNS: Final = (
    "id", "intent_id", "reason", "detail", "filed_at", "attempts", "lane", "application", "bulk_id", "replays", "state", "recipients",
)  # fmt: skip


@filtered(state="any")
def export(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .csv, or else NDJSON with intent, payload and attempts; - for standard output.")
    ],
    *,
    wanted: Wanted,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write letters to a file, the newest first. It holds personal data: only its owner may read it, so keep it accordingly."""
    if file.is_file() and not force:  # before the search, which may take a while
        raise is_there(file, "FILE")
    with Wooshq() as wooshq:
        letters = wooshq.dead_letters.list(**wanted)  # without their intents, which are fetched one by one
        with opened(file, force=force, option="FILE") as out:
            written = _write(wooshq, letters, out, as_csv=file.suffix.lower() == ".csv")
            out.flush()
    if str(file) != "-":
        say(f"{several(written, 'letter')} written to {file}.")
    if written < len(letters):
        say(f"{several(len(letters) - written, 'letter')} left out: purged meanwhile.")


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
    return [_cell(value) for value in {**letter, "recipients": who}.values()]


def _cell(value: object) -> str:
    """A spreadsheet must not take a stranger's text for a formula (OWASP, CSV injection)."""
    text = "" if value is None else " ".join(value) if isinstance(value, list) else str(value)
    return "'" + text if text.lstrip(" ")[:1] in _BEGINS_A_FORMULA else text


_BEGINS_A_FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠")
