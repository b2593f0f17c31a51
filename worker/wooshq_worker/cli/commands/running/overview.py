"""`wooshq overview`: what is wrong now, and how lanes, workers and jobs are; once, or again every second."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from wooshq.errors import LedgerUnavailable
from wooshq.overview.finding import Finding, Severity
from wooshq.overview.lanes import LaneNow
from wooshq.overview.show import Overview
from wooshq.overview.words import duration, size
from wooshq.overview.workers import Worker
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.out import SOME_REFUSED, Json, data, emit, finish, one_line, short
from wooshq_worker.cli.terminal.tables import Column, laid_out

_EVERY_S: Final = 1.0
_BARS: Final = "▁▂▃▄▅▆▇█"
_MINUTES: Final = 30
"""Minutes of the small chart of a lane."""
_MARKS: Final = {Severity.CRITICAL: ("wrong ", "bold red"), Severity.WARNING: ("look  ", "yellow"), Severity.NOTICE: ("note  ", "cyan")}

_LANES: Final = (
    Column("lane"),
    Column("waiting"),
    Column("why", 2, cut=True),
    Column("oldest due"),
    Column("p50", 4),
    Column("p99", 1),
    Column("sent/min"),
    Column("retried", 3),
    Column("dead", 1),
    Column("empty in", 3),
    Column("last 30 min", 5),
)
_WORKERS: Final = (
    Column("worker"),
    Column("state"),
    Column("in flight", 1),
    Column("sent/min", 1),
    Column("last take", 2),
    Column("lanes", 4),
    Column("memory", 4),
    Column("version", 5),
    Column("why", 3, cut=True),
)
_JOBS: Final = (
    Column("job"),
    Column("state"),
    Column("sent"),
    Column("dead", 1),
    Column("left"),
    Column("a second", 2),
    Column("why", 3, cut=True),
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=Command, epilog=examples("wooshq overview", "wooshq overview --watch", "wooshq overview --json"))(overview)


def overview(
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every second, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """
    Show what is wrong now, since when and what to do, and how lanes, workers and jobs are.

    The exit status is 1 if something is wrong. Notices, such as a pause, do not count.
    """
    with open_wooshq() as wooshq:
        if watch:
            _watch(wooshq, as_json=as_json)
            return
        found = wooshq.overview()
    if as_json:
        emit(found)
    else:
        for part in _parts(found):
            data.print(part, soft_wrap=not data.is_terminal)
    finish(0 if found.is_well else SOME_REFUSED)


def _watch(wooshq: Any, *, as_json: bool) -> None:
    """Until Ctrl-C. While Redis is away, the line says so."""
    live = Live(console=data, screen=data.is_terminal, auto_refresh=False) if not as_json else contextlib.nullcontext()
    with live as screen:
        while True:
            began = time.monotonic()
            try:
                found = wooshq.overview()
            except LedgerUnavailable as error:
                if screen is None:
                    raise
                screen.update(Text(one_line(error), style="bold red"), refresh=True)
            else:
                if screen is None:
                    emit(found)
                else:
                    screen.update(Group(*_parts(found)), refresh=True)
            time.sleep(max(0.0, _EVERY_S - (time.monotonic() - began)))


def _parts(found: Overview) -> Iterator[Text]:
    """What a person sees, piece by piece."""
    yield Text(one_line(found.says), style="bold green" if found.is_well else "bold")
    yield Text(f"{short(found.at)} UTC", style="dim")
    for finding in found.findings:
        yield from _finding(finding)
    yield from _table("Lanes", _LANES, [_lane(lane) for lane in found.lanes])
    yield from _table("Workers", _WORKERS, [_worker(worker, found) for worker in found.workers])
    yield from _table(
        "Jobs",
        _JOBS,
        [(j.id, j.state, f"{j.sent:,}", f"{j.dead:,}", f"{j.left:,}", f"{j.rate:g}", j.why or j.waiting_for) for j in found.jobs],
    )


def _finding(finding: Finding) -> Iterator[Text]:
    mark, style = _MARKS[Severity(finding.severity)]
    since = f" (since {short(finding.since)} UTC)" if finding.since else ""
    yield Text.assemble("\n", (mark, style), (one_line(finding.says), "bold"), (since, "dim"))
    yield Text(f"      {one_line(finding.hint)}")
    for act in finding.acts:
        if act.command is not None:
            yield Text.assemble("      ", (one_line(act.command), "cyan"))


def _table(title: str, columns: tuple[Column, ...], rows: list[tuple[Any, ...]]) -> Iterator[Text]:
    if not rows:
        return
    head, *body = laid_out(columns, [[one_line(cell) for cell in row] for row in rows], data.width if data.is_terminal else None)
    yield Text.assemble("\n", (title, "italic"), "\n", (head, "bold"))
    yield from map(Text, body)


def _lane(lane: LaneNow) -> tuple[Any, ...]:
    why = ", ".join(f"{reason.n:,} {reason.why}" for reason in lane.reasons)
    drains = "" if not lane.drain_s else duration(lane.drain_s)
    return (
        lane.lane,
        f"{lane.waiting:,}",
        why,
        duration(lane.oldest_due_s) if lane.oldest_due_s >= 1 else "",
        "" if lane.p50_s is None else _way(lane.p50_s),
        "" if lane.p99_s is None else _way(lane.p99_s),
        f"{lane.sent:,.0f}",
        f"{lane.retried:,.0f}",
        f"{lane.dead:,.0f}",
        drains,
        _sparkline(lane.sent_by_minute[-_MINUTES:]),
    )


def _way(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)


def _sparkline(values: tuple[int, ...]) -> str:
    """A bar for each value; nothing was sent where there is a space."""
    most = max(values, default=0)
    return "".join(" " if not value else _BARS[min(len(_BARS) - 1, value * len(_BARS) // (most + 1))] for value in values)


def _worker(worker: Worker, found: Overview) -> tuple[Any, ...]:
    taken = "" if worker.taken_ms is None else f"{duration((found.at_ms - worker.taken_ms) / 1000)} ago"
    return (
        f"{worker.pid} on {worker.host}{' (keeper)' if worker.is_keeper else ''}",
        worker.state,
        f"{worker.in_flight:,} of {worker.slots:,}",
        f"{worker.a_minute:,}",
        taken,
        ", ".join(worker.lanes),
        "" if worker.memory_bytes is None else size(worker.memory_bytes),
        worker.version,
        worker.why,
    )
