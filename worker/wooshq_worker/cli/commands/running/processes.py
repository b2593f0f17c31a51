"""`wooshq worker`, `demo`, `sandbox`, `doctor`: run a process, or check the installation."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.text import Text

from wooshq import Wooshq
from wooshq.installation.places import or_embedded
from wooshq.settings import load_settings
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.out import ALL_DONE, NOTHING_DONE, SOME_REFUSED, Json, data, emit, finish, one_line, say, show
from wooshq_worker.sandbox.control import CONTROL, EXAMPLES
from wooshq_worker.sandbox.stand_in import is_loopback

_PASSED_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True}
_MARKS = {"ok": ("ok   ", "green"), "warn": ("warn ", "yellow"), "bad": ("bad  ", "red")}


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(cls=Command, context_settings=_PASSED_THROUGH, epilog=examples("wooshq worker", "wooshq worker -Q transactional"))(worker)
    app.command(cls=Command, epilog=examples("wooshq demo"))(demo)
    app.command(cls=Command, epilog=f"{examples('wooshq sandbox --port 8081 --token demo')}\n\n{_controls()}")(sandbox)
    app.command(cls=Command, epilog=examples("wooshq doctor"))(doctor)


def worker(context: typer.Context) -> None:
    """Run a worker until SIGTERM or Ctrl-C. It also takes options of Celery, such as -Q, -n and --loglevel."""
    from wooshq_worker.process.worker import run_worker

    sys.exit(run_worker(load_settings(), context.args))


def demo(as_json: Json = False) -> None:
    """Run a tour of about a minute: embedded Redis, sandbox API, a worker, failures, dead letters, a replay."""
    from wooshq_worker.cli.demo import run_demo

    finish(run_demo(as_json=as_json))


def sandbox(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on: loopback only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port to listen on. 0: any free port.")] = 8081,
    token: Annotated[str, typer.Option(metavar="TOKEN", help="API token that the sandbox accepts.")] = "sandbox-token",
    latency_ms: Annotated[float, typer.Option(metavar="MS", min=0, help="Delay of every answer, in milliseconds.")] = 0.0,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed for the random numbers of faults that have a probability.")] = 1,
) -> None:
    """Run a stand-in for the API on this machine, for tests. It checks calls strictly, records them, and fails on demand."""
    from wooshq_worker.sandbox import run_sandbox

    if not is_loopback(host):
        raise typer.BadParameter(
            "must be 127.0.0.1, ::1 or localhost, because anyone who reaches the sandbox can control it", param_hint="--host"
        )

    def announce(url: str) -> None:
        show(url)
        say(f"Use it:     export PUSHWOOSH_BASE_URL={url} PUSHWOOSH_API_TOKEN={token}")
        say(f"Control it: curl {url}{CONTROL}")

    try:
        run_sandbox(host, port, token=token, latency_ms=latency_ms, seed=seed, announce=announce)
    except OSError as error:
        say(f"The sandbox cannot listen on {host}:{port}: {error.strerror or error}.")
        raise typer.Exit(NOTHING_DONE) from None


def _controls() -> str:
    """The requests that control the sandbox, each with an example."""
    given = {f"GET {CONTROL}": "list every control"} | {k: v if isinstance(v, str) else json.dumps(v) for k, v in EXAMPLES.items()}
    return "\n".join(["Control over HTTP:", *(f"  {way:<22}  {example}" for way, example in given.items())])


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Do not connect to the API's host.")] = False,
    as_json: Json = False,
) -> None:
    """Check settings, token, API, Redis and its durability, clock, broker and workers. Says what to fix."""
    from wooshq_worker.doctor.examine import examine

    settings = load_settings()
    wooshq = Wooshq(or_embedded(settings))
    try:
        findings = examine(wooshq, offline=offline, redis_is_named=wooshq.settings is settings)
    finally:
        wooshq.close()
    for finding in findings:
        if as_json:
            emit(finding)
            continue
        data.print(Text.assemble(_MARKS[finding.level], f"{finding.what}: {one_line(finding.says)}"))
        if finding.mend:
            data.print(Text(f"     {finding.mend}", style="dim"))
    bad = [finding.what for finding in findings if finding.level == "bad"]
    if bad and not as_json:
        say("Fix each line that is marked bad before you rely on this installation.")
    finish(NOTHING_DONE if "redis" in bad else SOME_REFUSED if bad else ALL_DONE)
