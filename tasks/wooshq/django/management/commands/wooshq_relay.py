"""`manage.py wooshq_relay`: move rows of the outbox into the ledger, until SIGTERM."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS

import wooshq
from wooshq.django.outbox import DjangoDatabase
from wooshq.errors import LedgerUnavailable, SettingsInvalid
from wooshq.outbox.database import DatabaseAway, TableMissing
from wooshq.outbox.relay import BATCH, LEASE_S, POLL_S, Moved, Relay
from wooshq.spool.mover import moving_spool
from wooshq.spool.moving import move_spool


class Command(BaseCommand):
    """See `help`."""

    help = (
        "Move rows of the outbox into the ledger, until SIGTERM or Ctrl-C. Any number of relays may run. With the setting spool_dir, a relay "
        "also moves the spool of its machine."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options of `wooshq relay`."""
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="Alias of the database that has the outbox.")
        parser.add_argument("--once", action="store_true", help="Move what waits now, and end.")
        parser.add_argument("--batch", type=int, default=BATCH, help="Rows of one transaction.")
        parser.add_argument("--poll-s", type=float, default=POLL_S, help="How often to look without being woken, in seconds.")
        parser.add_argument("--lease-s", type=float, default=LEASE_S, help="After so long, another relay takes over what a lost one had.")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run it. What no later try can mend is an error of the command."""
        try:
            database = DjangoDatabase(options["database"])
            rules = {name: options[name] for name in ("batch", "lease_s", "poll_s")}
            relay = Relay(wooshq._default, database, command="manage.py wooshq_outbox", **rules)
            if options["once"]:
                move_spool(wooshq._default)
                self.stdout.write(_said(sum(relay.moves(), Moved())))
            else:
                with moving_spool(wooshq._default, every_s=options["poll_s"]):
                    self._run(relay)
        except (SettingsInvalid, TableMissing) as error:
            raise CommandError(str(error)) from None
        except (LedgerUnavailable, DatabaseAway) as error:
            raise CommandError(str(error), returncode=3) from None

    def _run(self, relay: Relay) -> None:
        self.stdout.write("The relay runs. End it with SIGTERM or Ctrl-C.")
        self.stdout.flush()
        relay.run_until_signal(lambda moved: self.stdout.write(_said(moved)))
        self.stdout.write("The relay has ended.")


def _said(moved: Moved) -> str:
    put_away = moved.set_aside + moved.parked
    return f"Moved {moved.accepted:,} into the ledger." + (f" Put away: {put_away:,}; see manage.py wooshq_outbox." if put_away else "")
