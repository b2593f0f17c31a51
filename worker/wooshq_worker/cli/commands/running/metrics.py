"""`wooshq metrics`: what the ledger says, as Prometheus reads it."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from wooshq.settings.listen import listen_on
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.out import NOTHING_DONE, Json, emit, say, show


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    epilog = examples("wooshq metrics", "wooshq metrics --json", "wooshq metrics --serve 9464")
    app.command(cls=Command, epilog=epilog)(metrics)


def metrics(
    serve: Annotated[
        str | None,
        typer.Option(
            "--serve", metavar="ADDRESS", help="Serve them to Prometheus instead, until Ctrl-C: PORT, HOST:PORT or HOST:PORT-PORT."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """
    Show the metrics of the ledger: what waits and why, gates, dead letters, jobs. See docs/metrics.md.

    A worker with WOOSHQ_METRICS_ADDRESS serves the same while it is the keeper, so --serve is only needed without such workers.
    """
    from wooshq_worker.observe.log import set_up
    from wooshq_worker.observe.metrics.families import exposition
    from wooshq_worker.observe.metrics.truths import Truths

    if serve is not None:
        try:
            listen_on(serve)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--serve") from None
    with open_wooshq() as wooshq:
        set_up(wooshq.settings.log_level if serve is not None else "WARNING", wooshq.settings.log_format, ())
        truths = Truths(wooshq)
        if serve is not None:
            _serve(serve, truths)
            return
        families = truths.read()
    if not as_json:
        show(exposition(families)[0].decode().rstrip("\n"))
        return
    for sample in (sample for family in families for sample in family.samples):
        emit({"name": sample.name, "labels": sample.labels, "value": sample.value})


def _serve(address: str, truths: object) -> None:
    from wooshq_worker.observe.metrics.http import Server
    from wooshq_worker.observe.metrics.truths import LedgerPage, Truths

    assert isinstance(truths, Truths)
    server = Server(address, LedgerPage(truths))
    if server.address is None:
        say(f"No port of {address} is free.")
        raise typer.Exit(NOTHING_DONE)
    show(f"http://{server.address}/metrics")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        ended.wait()
    finally:
        server.end()
