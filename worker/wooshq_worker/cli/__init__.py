"""The command line: a command parses, calls the Python API, prints. No rule lives here."""

from __future__ import annotations

import os
import sys

import click
import typer
from pydantic import ValidationError
from redis.exceptions import RedisError

from wooshq.embedded import EmbeddedRedisError
from wooshq.errors import LedgerUnavailable, NotAccepted, SettingsInvalid, WooshqError, explain_settings
from wooshq_worker.cli import dead, gates, operate, send
from wooshq_worker.cli.out import NOTHING_DONE, USED_WRONGLY, say

app = typer.Typer(
    name="wooshq",
    help="Queue-driven sender for the Pushwoosh Messaging API v2. Standard output is data, standard error is for people.",
    epilog="Start with: wooshq demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
send.add_to(app)
operate.add_to(app)
app.add_typer(dead.app, name="dead")
app.add_typer(gates.app, name="gates")


def main() -> None:
    """The console script. A user's mistake is a sentence and an exit code, never a traceback."""
    try:
        app(standalone_mode=True)
    except (SettingsInvalid, EmbeddedRedisError) as error:
        say(str(error))
        sys.exit(USED_WRONGLY if isinstance(error, SettingsInvalid) else NOTHING_DONE)
    except ValidationError as error:
        for line in explain_settings(error):
            say(line)
        sys.exit(USED_WRONGLY)
    except click.UsageError as error:  # of Celery's own options
        say(error.format_message())
        sys.exit(USED_WRONGLY)
    except (LedgerUnavailable, NotAccepted) as error:
        say(str(error))
        sys.exit(NOTHING_DONE)
    except (WooshqError, ValueError) as error:
        say(str(error))
        sys.exit(USED_WRONGLY)
    except (RedisError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # `wooshq dead list | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        away = isinstance(error, (RedisError, ConnectionError, TimeoutError))
        say(f"{'Redis or the broker cannot be used: ' if away else ''}{type(error).__name__}: {error}")
        sys.exit(NOTHING_DONE if away else USED_WRONGLY)
    except KeyboardInterrupt:
        say("Interrupted. What was accepted goes on; call again to go on looking.")
        sys.exit(130)
