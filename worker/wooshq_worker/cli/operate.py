"""`worker`, `demo`, `sandbox`, `doctor`: what runs, and whether it can."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from wooshq import Wooshq
from wooshq.client import load_settings
from wooshq_worker.cli.out import ALL_DONE, NOTHING_DONE, SOME_REFUSED, Json, data, emit, finish, say

_PASSED_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True}


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(context_settings=_PASSED_THROUGH, epilog="Example: wooshq worker -Q transactional")(worker)
    app.command(epilog="Example: wooshq demo")(demo)
    app.command(epilog="Example: wooshq sandbox --port 8081 --token demo")(sandbox)
    app.command(epilog="Example: wooshq doctor")(doctor)


def worker(context: typer.Context) -> None:
    """Run a worker until SIGTERM or Ctrl-C. Celery's own options (-Q, -n, --loglevel …) are passed through."""
    from wooshq_worker.worker import run_worker

    sys.exit(run_worker(load_settings(), context.args))


def demo(as_json: Json = False) -> None:
    """The whole of it in a minute: embedded Redis, sandbox API, a worker, failures, dead letters, a replay."""
    from wooshq_worker.demo import run_demo

    finish(run_demo(as_json=as_json))


def sandbox(
    host: Annotated[str, typer.Option(help="Loopback only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any free one.")] = 8081,
    token: Annotated[str, typer.Option(help="The token that it takes.")] = "sandbox-token",
    latency_ms: Annotated[float, typer.Option(help="How long every answer takes.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the dice of seeded faults.")] = 1,
) -> None:
    """A strict stand-in for the API on loopback, with faults on demand (POST /sandbox/faults). GET /sandbox lists its control."""
    from wooshq_worker.sandbox import run_sandbox

    try:
        run_sandbox(host, port, token=token, latency_ms=latency_ms, seed=seed)
    except OSError as error:
        say(f"cannot listen on {host}:{port}: {error.strerror or error}")
        raise typer.Exit(NOTHING_DONE) from None


def doctor(as_json: Json = False) -> None:
    """Check configuration, Redis and its durability, broker, token and clock; say what to mend."""
    from wooshq_worker.doctor import examine

    with Wooshq(load_settings()) as wooshq:
        findings = examine(wooshq)
    worst = ALL_DONE
    marks = {"ok": "[green]ok  [/green]", "warn": "[yellow]warn[/yellow]", "bad": "[red]bad [/red]"}
    for finding in findings:
        if as_json:
            emit(finding)
        else:
            data.print(f"{marks[finding.level]} {finding.what}: {finding.says}".replace("\\[", "["))
            if finding.mend:
                data.print(f"     [dim]{finding.mend}[/dim]")
        if finding.level == "bad":
            worst = NOTHING_DONE if finding.what == "redis" else max(worst, SOME_REFUSED)
    if worst and not as_json:
        say("Mend what is bad before you rely on this installation.")
    finish(worst)
