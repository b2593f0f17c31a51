"""The command line: a command parses, calls the Python API, and prints. It has no rules of its own."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import click
import typer
from pydantic import ValidationError
from redis.exceptions import RedisError

from wooshq.errors import LedgerUnavailable, NotAccepted, SettingsInvalid, WooshqError, explain_settings
from wooshq.history.contract import HistoryAway
from wooshq.installation.embedded import EmbeddedRedisError
from wooshq_worker.cli.commands import bulk, fanout, forget, from_1_3, lint, send
from wooshq_worker.cli.commands.acts import cancel, resend, try_now
from wooshq_worker.cli.commands.finding import doubles, find, status, why
from wooshq_worker.cli.commands.gates import audit, changes, limits, pause
from wooshq_worker.cli.commands.gates import show as gates
from wooshq_worker.cli.commands.letters import dead, replays
from wooshq_worker.cli.commands.outbox import relay, spool
from wooshq_worker.cli.commands.outbox import rows as outbox
from wooshq_worker.cli.commands.running import console, health, history, metrics, overview, processes, tokens, webhooks
from wooshq_worker.cli.terminal.help import Group
from wooshq_worker.cli.terminal.out import (
    FIND_THE_CAUSE,
    INTERRUPTED,
    NOTHING_DONE,
    SOME_REFUSED,
    USED_WRONGLY,
    output_is_lost,
    prepare,
    say,
    show,
)

app = typer.Typer(
    name="wooshq",
    cls=Group,
    help=(
        "Send messages through the Pushwoosh Messaging API v2, from a queue.\n\n"
        "An [bold]intent[/bold] is one message to one target. The [bold]ledger[/bold] is the record of every intent, kept in Redis. "
        "Data goes to standard output. Errors, notes and progress go to standard error. [bold]--json[/bold] prints one JSON object per line. "
        "Settings come from the environment and from a .env file in the current folder."
    ),
    epilog="""Exit status:
  0  all done
  1  something was refused or failed
  2  the command was used wrongly, or a setting is not valid
  3  nothing could be done: Redis or the broker cannot be reached
  130  interrupted with Ctrl-C

Start with:
  wooshq demo      a tour on this machine
  wooshq doctor    a check of this installation""",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
send.add_to(app)
status.add_to(app)
cancel.add_to(app)
why.add_to(app)
find.add_to(app)
doubles.add_to(app)
resend.add_to(app)
try_now.add_to(app)
forget.add_to(app)
lint.add_to(app)
from_1_3.add_to(app)
fanout.add_to(app)
overview.add_to(app)
processes.add_to(app)
health.add_to(app)
metrics.add_to(app)
console.add_to(app)
relay.add_to(app)
pause.add_to(app)
changes.add_to(app)
audit.add_to(app)
app.add_typer(bulk.app, name="bulk")
app.add_typer(dead.app, name="dead")
app.add_typer(replays.app, name="replays")
app.add_typer(gates.app, name="gates")
app.add_typer(limits.app, name="limits")
app.add_typer(outbox.app, name="outbox")
app.add_typer(spool.app, name="spool")
app.add_typer(tokens.app, name="tokens")
app.add_typer(history.app, name="history")
app.add_typer(webhooks.app, name="webhooks")


def _version(wanted: bool) -> None:
    if wanted:
        try:
            show(f"wooshq {metadata.version('wooshq')}")
        except metadata.PackageNotFoundError:
            show("wooshq, run from the source tree")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line. A user's mistake is a sentence and an exit status, never a traceback."""
    prepare()
    try:
        app(prog_name="wooshq", standalone_mode=True)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer turns a Ctrl-C into this
            say("Interrupted.")
        sys.stdout.flush()
        if output_is_lost() and not end.code:
            sys.exit(SOME_REFUSED)
        raise
    except (SettingsInvalid, EmbeddedRedisError) as error:
        say(str(error))
        sys.exit(USED_WRONGLY if isinstance(error, SettingsInvalid) else NOTHING_DONE)
    except ValidationError as error:
        for line in explain_settings(error):
            say(line)
        sys.exit(USED_WRONGLY)
    except click.UsageError as error:  # from Celery, about its own options
        say(error.format_message())
        sys.exit(USED_WRONGLY)
    except (LedgerUnavailable, NotAccepted, HistoryAway) as error:
        say(str(error))
        say(FIND_THE_CAUSE)
        sys.exit(NOTHING_DONE)
    except (WooshqError, ValueError) as error:
        say(str(error))
        sys.exit(USED_WRONGLY)
    except (RedisError, OSError) as error:
        away = isinstance(error, (RedisError, ConnectionError, TimeoutError))
        say(f"{'Redis or the broker cannot be used: ' if away else ''}{type(error).__name__}: {error}")
        sys.exit(NOTHING_DONE if away else USED_WRONGLY)
