"""`wooshq health`: is the worker on this machine well?"""

from __future__ import annotations

from typing import Annotated

import typer

from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.out import Json, finish
from wooshq_worker.process.health.ask import answer


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=Command, epilog=examples("wooshq health", "wooshq health --ready --json"))(health)


def health(
    ready: Annotated[
        bool, typer.Option("--ready", help="Also require that the worker can send: Redis, the broker and a token are there.")
    ] = False,
    pid: Annotated[
        int | None, typer.Option("--pid", metavar="N", help="Process id of the worker. Default: all workers of this user.")
    ] = None,
    as_json: Json = False,
) -> None:
    """
    Check that the worker on this machine is live. For health checks: it reads a file that the worker writes, and takes a tenth of a second.

    Exit status 0 if every worker is well, 1 if not, or if none is running.
    """
    finish(answer(ready=ready, pid=pid, as_json=as_json))
