"""`manage.py wooshq_outbox`: look into the outbox, and mend what a relay had to put away."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS

import wooshq
from wooshq.django.outbox import DjangoDatabase
from wooshq.errors import IntentInvalid, WooshqError
from wooshq.outbox.database import DatabaseAway
from wooshq.outbox.operate import WAITS_AGAIN, OutboxActs, OutboxRow, why_rows_wait
from wooshq.outbox.table import RowState


class Command(BaseCommand):
    """See `help`."""

    help = "Show the outbox: how much waits for a relay, and what was put away. With an action, list, show, edit, retry or discard rows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The actions of `wooshq outbox`."""
        shared = ArgumentParser(add_help=False)
        shared.add_argument("--database", default=DEFAULT_DB_ALIAS, help="Alias of the database that has the outbox.")
        shared.add_argument("--json", action="store_true", help="Print one JSON object per line, for machines.")
        for option in ("--database", "--json"):
            wanted: dict[str, Any] = {"default": DEFAULT_DB_ALIAS} if option == "--database" else {"action": "store_true"}
            parser.add_argument(option, **wanted)
        actions = parser.add_subparsers(dest="action", metavar="ACTION")
        listing = actions.add_parser("list", parents=[shared], help="List rows, the oldest first.")
        listing.add_argument("--state", choices=[state.value for state in RowState])
        listing.add_argument("--most", type=int, default=100, help="At most so many.")
        for name, text in (
            ("show", "Show a row with its intent."),
            ("edit", "Give a row that was put away another intent."),
            ("retry", "Let relays try a row again that was put away."),
            ("discard", "Delete a row that was put away. Its message will not be sent."),
        ):
            action = actions.add_parser(name, parents=[shared], help=text)
            action.add_argument("id", metavar="ID", nargs="?" if name == "retry" else None)
            if name != "show":
                action.add_argument("--why", default="", metavar="TEXT", help="Reason, for the audit log.")
                action.add_argument("--by", metavar="NAME", help="Who you are, for the audit log. Default: your user and host.")
            if name == "edit":
                action.add_argument(
                    "file", metavar="FILE", help="File with the intent, or the row as `show` prints it, changed; - for standard input."
                )
            if name == "retry":
                action.add_argument("--state", choices=[RowState.SET_ASIDE.value, RowState.PARKED.value], help="All rows in this state.")
                action.add_argument("--may-double", action="store_true", help="Also if it is parked: it may have been sent.")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run an action; without one, show how much waits."""
        try:
            rows = OutboxActs(DjangoDatabase(options["database"]), wooshq._default.settings, wooshq._default.do)
            getattr(self, f"_{options['action'] or 'depth'}")(rows, options)
        except IntentInvalid as error:
            raise CommandError("\n".join(map(str, error.problems))) from None
        except DatabaseAway as error:
            raise CommandError(str(error), returncode=3) from None
        except (WooshqError, OSError) as error:
            raise CommandError(str(error)) from None

    def _depth(self, rows: OutboxActs, options: dict[str, Any]) -> None:
        depth = rows.depth()
        if options["json"]:
            self.stdout.write(depth.to_json())
            return
        age = "" if depth.oldest_s is None else f", the oldest for {depth.oldest_s:,.1f} s"
        self.stdout.write(f"waiting    {depth.waiting:,}{age}\nset aside  {depth.set_aside:,}\nparked     {depth.parked:,}")
        if depth.waiting and (away := why_rows_wait(wooshq._default)) is not None:
            self.stderr.write(f"{away}.")

    def _list(self, rows: OutboxActs, options: dict[str, Any]) -> None:
        found = list(rows.list(state=options["state"], most=options["most"]))
        for row in found:
            self.stdout.write(row.to_json() if options["json"] else _line(row))
        if not found and not options["json"]:
            self.stdout.write("The outbox has no such row.")

    def _show(self, rows: OutboxActs, options: dict[str, Any]) -> None:
        row = rows.show(options["id"])
        self.stdout.write(json.dumps({**row, "intent": row.intent}, ensure_ascii=False, indent=None if options["json"] else 2))

    def _edit(self, rows: OutboxActs, options: dict[str, Any]) -> None:
        try:
            text = sys.stdin.read() if options["file"] == "-" else Path(options["file"]).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from None
        rows.edit(options["id"], text, **_said(options))
        self.stdout.write(f"Changed. Try it again with: manage.py wooshq_outbox retry {options['id']}")

    def _retry(self, rows: OutboxActs, options: dict[str, Any]) -> None:
        if (options["id"] is None) == (options["state"] is None):
            raise CommandError("Give the id of a row, or --state for all rows in a state")
        if options["state"] is not None:
            n = rows.retry_all(options["state"], may_double=options["may_double"], **_said(options))
            self.stdout.write(f"Rows that wait for a relay again: {n:,}")
        else:
            row = rows.retry(options["id"], may_double=options["may_double"], **_said(options))
            self.stdout.write(WAITS_AGAIN[row.was_refused])

    def _discard(self, rows: OutboxActs, options: dict[str, Any]) -> None:
        rows.discard(options["id"], **_said(options))
        self.stdout.write("Deleted.")


def _line(row: OutboxRow) -> str:
    return f"{row.id}  {row.state:<9}  {row.created_at}" + (f"  {row.reason}" if row.reason else "")


def _said(options: dict[str, Any]) -> dict[str, Any]:
    return {"why": options["why"], "by": options["by"]}
