"""`wooshq spool`: look into the spool of this machine, move it, and mend what was set aside."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Final

import typer

from wooshq import Wooshq
from wooshq.errors import FolderUnusable, LedgerUnavailable
from wooshq.spool.acts import tell_acts
from wooshq.spool.aside import AsideUnknown, discard_aside, edit_aside, list_aside, show_aside
from wooshq.spool.folder import SpoolFolder
from wooshq.spool.look import SET_ASIDE
from wooshq.spool.look import depth as depth_of
from wooshq.spool.moving import Moved, move_spool, why_spool_waits
from wooshq.spool.retry import MaySendTwice
from wooshq.spool.retry import retry as retry_and_move
from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.commands.outbox.changed import ChangedIntent, content_of, problems_said
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, Group, examples
from wooshq_worker.cli.terminal.out import NOTHING_DONE, SOME_REFUSED, Json, emit, field, finish, pairs, say, several, short, waits_for
from wooshq_worker.cli.terminal.tables import Column, table

app = typer.Typer(
    cls=Group,
    help="Show the spool of this machine: intents that were accepted while Redis was away (WOOSHQ_SPOOL_DIR), and what was set aside because "
    "the ledger refused it later.",
    epilog=examples(
        "wooshq spool",
        "wooshq spool move",
        "wooshq spool list",
        f"wooshq spool show {EXAMPLE_ID}",
        f"wooshq spool edit {EXAMPLE_ID} fixed.json",
        f"wooshq spool retry {EXAMPLE_ID}",
        f"wooshq spool discard {EXAMPLE_ID}",
    ),
    invoke_without_command=True,
    rich_markup_mode="rich",
)
_COLUMNS: Final = (Column("id"), Column("application", 3), Column("lane", 4), Column("enqueued (UTC)", 1), Column("reason", cut=True))
AsideId = Annotated[str, typer.Argument(metavar="ID", help="Id of an intent, or line-… of a line that cannot be read.", show_default=False)]


@contextlib.contextmanager
def _spool() -> Iterator[tuple[Wooshq, SpoolFolder]]:
    """What is no fault of the command line is a sentence and an exit status."""
    with open_wooshq() as wooshq:
        if (folder := SpoolFolder.of(wooshq.settings)) is None:
            say("This installation has no spool. Set WOOSHQ_SPOOL_DIR to the folder that the app has.")
            raise typer.Exit(NOTHING_DONE)
        try:
            yield wooshq, folder
            with contextlib.suppress(LedgerUnavailable):  # what was done waits in the spool until then
                tell_acts(wooshq, folder)
        except FolderUnusable as error:
            say(str(error))
            raise typer.Exit(NOTHING_DONE) from None
        except (AsideUnknown, MaySendTwice, ValueError) as error:
            say(str(error))
            raise typer.Exit(SOME_REFUSED) from None


@app.callback()
def depth(context: typer.Context, as_json: Json = False) -> None:
    """Show how much waits, and for how long."""
    if context.invoked_subcommand is not None:
        return
    with _spool() as (wooshq, folder):
        found = depth_of(folder)
        if as_json:
            emit(found)
        else:
            used = f"{found.used_bytes:,} of {found.most_bytes:,} bytes"
            pairs(
                {
                    "folder": found.folder,
                    "waiting": found.waiting,
                    "oldest": waits_for(found.oldest_s),
                    "set aside": found.set_aside,
                    "used": used,
                }
            )
        if found.waiting and (away := why_spool_waits(wooshq)) is not None:
            say(f"{away}.")


@app.command(cls=Command, epilog=examples("wooshq spool move"))
def move() -> None:
    """Move what waits into the ledger now. Apps, workers and relays do it by themselves."""
    with _spool() as (wooshq, _):
        moved = move_spool(wooshq)
        _say_moved(moved)
        finish(SOME_REFUSED if moved.set_aside else 0)


def _say_moved(moved: Moved) -> None:
    aside = f" Set aside: {moved.set_aside:,}; see wooshq spool list." if moved.set_aside else ""
    left = " Another process is moving the rest." if moved.left else ""
    say(f"Moved {several(moved.accepted, 'intent')} into the ledger.{aside}{left}")


@app.command("list", cls=Command, epilog=examples("wooshq spool list", "wooshq spool list --json"))
def list_(as_json: Json = False) -> None:
    """List what was set aside, with the reason."""
    with _spool() as (_, folder):
        rows = list(list_aside(folder))
        if as_json:
            for row in rows:
                emit(row)
        else:
            shown = [(row.id, row.application, row.lane, short(row.enqueued_at), row.reason) for row in rows]
            table(several(len(rows), "intent"), _COLUMNS, shown, empty="Nothing was set aside.")


@app.command("show", cls=Command, epilog=examples(f"wooshq spool show {EXAMPLE_ID}"))
def show_(aside_id: AsideId, as_json: Json = False) -> None:
    """Show what was set aside, with its intent; of a line that cannot be read, what is left of it."""
    with _spool() as (_, folder):
        row = show_aside(folder, aside_id)
    if as_json:
        emit({**row, "intent": row.intent, "line": row.line})
        return
    pairs(row, skip=("may_be_sent", "can_retry"))  # the reason says it
    field("intent", row.intent) if row.can_retry else field("line", row.line)


@app.command(cls=Command, epilog=examples(f"wooshq spool edit {EXAMPLE_ID} fixed.json", f"wooshq spool edit {EXAMPLE_ID} - < fixed.json"))
def edit(aside_id: AsideId, file: ChangedIntent, why: Why = "", by: By = None) -> None:
    """Give it another intent. It counts as spooled now, and stays set aside until `retry`."""
    text = content_of(file)
    with _spool() as (wooshq, folder), problems_said():
        edit_aside(folder, aside_id, text, wooshq.settings, why=why, by=by)
    say(f"Changed. Try it again with: wooshq spool retry {aside_id}")


@app.command(cls=Command, epilog=examples(f"wooshq spool retry {EXAMPLE_ID}"))
def retry(
    aside_id: AsideId,
    may_double: Annotated[
        bool, typer.Option("--may-double", help="Also one that may have been sent: it may be sent twice. Then wooshq doubles lists it.")
    ] = False,
    why: Why = "",
    by: By = None,
) -> None:
    """Let an intent that was set aside be moved again, and move what waits if Redis answers."""
    with _spool() as (wooshq, folder):
        tried = retry_and_move(wooshq, folder, aside_id, may_double=may_double, why=why, by=by)
    say(f"{aside_id}: {tried.says}")
    if tried.moved.accepted + tried.moved.set_aside > 1:
        _say_moved(tried.moved)
    finish(SOME_REFUSED if tried.state == SET_ASIDE else 0)


@app.command(cls=Command, epilog=examples(f"wooshq spool discard {EXAMPLE_ID}"))
def discard(aside_id: AsideId, why: Why = "", by: By = None) -> None:
    """Delete what was set aside for good: it will not be sent."""
    with _spool() as (_, folder):
        discard_aside(folder, aside_id, why=why, by=by)
        say(f"{aside_id} was discarded.")
