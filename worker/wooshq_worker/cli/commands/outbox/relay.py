"""`wooshq relay`: move rows of the outbox in an app's database, and the spool of this machine, into the ledger, until SIGTERM."""

from __future__ import annotations

import contextlib
import threading
from typing import Annotated

import structlog
import typer

from wooshq.outbox.database import DatabaseAway
from wooshq.outbox.relay import BATCH, LEASE_S, POLL_S, Moved, Relay, on_end_signal
from wooshq.spool.mover import moving_spool
from wooshq.spool.moving import move_spool
from wooshq_worker.cli.commands.outbox.url import UrlOption, open_database
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.out import NOTHING_DONE, SOME_REFUSED, finish, say, several
from wooshq_worker.observe import log as logs

log = structlog.get_logger("wooshq.relay")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=Command, epilog=examples("wooshq relay", "wooshq relay --once --url postgresql+psycopg://app@db/shop"))(relay)


def relay(
    url: UrlOption = None,
    once: Annotated[bool, typer.Option("--once", help="Move what waits now, and end. For a scheduler, and for tests.")] = False,
    batch: Annotated[int, typer.Option(metavar="N", min=1, max=5000, help="Rows of one transaction.")] = BATCH,
    poll_s: Annotated[
        float, typer.Option("--poll-s", metavar="S", min=0.01, max=60, help="How often to look without being woken, in seconds.")
    ] = POLL_S,
    lease_s: Annotated[
        float, typer.Option("--lease-s", metavar="S", min=1, max=3600, help="After so long, another relay takes over what a lost one had.")
    ] = LEASE_S,
) -> None:
    """
    Move rows of the outbox in your app's database into the ledger. Any number of relays may run; end them with SIGTERM or Ctrl-C.

    With WOOSHQ_SPOOL_DIR, a relay also moves the spool of its machine; then it needs no database.
    """
    with open_wooshq() as wooshq, contextlib.ExitStack() as opened:
        settings = wooshq.settings
        logs.set_up(
            settings.log_level,
            settings.log_format,
            [known.get_secret_value()] if (known := settings.outbox_url) else [],
        )
        if once:
            move_spool(wooshq)
        else:
            opened.enter_context(moving_spool(wooshq, every_s=poll_s))
        if url is None and settings.outbox_url is None and settings.spool_dir is not None:
            if not once:
                _wait_for_signal()
            return
        database = opened.enter_context(open_database(wooshq, url))
        made = Relay(wooshq, database, batch=batch, lease_s=lease_s, poll_s=poll_s)
        if once:
            finish(_move_all(made))
        else:
            run(made)


def run(made: Relay) -> None:
    """Run a relay until SIGTERM or SIGINT. It ends after the batch in progress."""
    log.info("relay_started")
    made.run_until_signal(lambda moved: log.info("moved", accepted=moved.accepted, set_aside=moved.set_aside, parked=moved.parked))
    log.info("relay_ended")


def _wait_for_signal() -> None:
    """The spool's thread does the work."""
    ended = threading.Event()
    on_end_signal(ended.set)
    log.info("relay_started", moves="only the spool")
    ended.wait()
    log.info("relay_ended")


def _move_all(made: Relay) -> int:
    total = Moved()
    try:
        for moved in made.moves():
            total += moved
    except DatabaseAway as error:
        say(f"{error}. Moved before: {total.accepted:,}.")
        return NOTHING_DONE
    put_away = total.set_aside + total.parked
    say(f"Moved {several(total.accepted, 'row')} into the ledger." + (f" Put away: {put_away:,}; see wooshq outbox." if put_away else ""))
    return SOME_REFUSED if put_away else 0
