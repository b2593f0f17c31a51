"""`wooshq send`: accept intents, and with --wait follow them to their end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from wooshq import Wooshq
from wooshq.errors import LedgerUnavailable, NotAccepted, Problem
from wooshq.intents.entry import too_large
from wooshq.intents.report import Report
from wooshq.intents.status import Status
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.lines import File, InputLine, PrettyPrinted, in_batches, read_lines
from wooshq_worker.cli.terminal.no_worker import NoWorkerYet
from wooshq_worker.cli.terminal.out import (
    ALL_DONE,
    FIND_THE_CAUSE,
    INTERRUPTED,
    NOTHING_DONE,
    SOME_REFUSED,
    Json,
    continue_unread,
    data,
    delay_interrupt,
    emit,
    finish,
    one_line,
    people,
    say,
    several,
    show,
)

_POLL_S = 0.1
#: Most intents to ask for between two waits.
_TOGETHER = 500


_TOLD: Final = 5
"""How many intents that have not ended are shown with what they wait for."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        cls=Command,
        epilog=examples(
            "wooshq send intents.ndjson --wait",
            'echo \'{"to": {"users": ["u1"]}, "message": {"preset": "A-1"}}\' | wooshq send',
        ),
    )(send)


def send(
    file: File = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow every intent to its end, and print its status.")] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Maximum time to wait with --wait.")] = 3600.0,
    as_json: Json = False,
) -> None:
    """Send messages: accept one intent per line. Prints the id of each intent, and the problems of each refused line."""
    continue_unread()
    with open_wooshq() as wooshq:
        sending = _Sending(wooshq, wait=wait, as_json=as_json)
        try:
            for batch in in_batches(read_lines(file, wooshq.settings.max_intent_bytes), wooshq.settings.accept_batch):
                sending.accept(batch)
            if sending.lines == 0:
                say(f"There is no intent in {'standard input' if file is None or str(file) == '-' else file}.")
            if wait:
                sending.follow(timeout)
        except PrettyPrinted as error:
            sending.refuse(error.number, (error.problem,))
        except NotAccepted as error:
            sending.lose(error)
        except LedgerUnavailable as error:  # during the wait
            say(f"{error}.")
            sending.leave()
            finish(SOME_REFUSED)
        except KeyboardInterrupt:
            sending.leave()
            raise typer.Exit(INTERRUPTED) from None
        finish(sending.outcome)


class _Sending:
    """One run of the command: which intents were accepted, which were refused, which have not ended yet."""

    def __init__(self, wooshq: Wooshq, *, wait: bool, as_json: bool) -> None:
        self._wooshq = wooshq
        self._wait = wait
        self._json = as_json
        #: On a terminal an id is shown once: with --wait, only when its intent ends.
        self._ids_at_once = not (wait and data.is_terminal)
        self._waiting: dict[str, int] = {}
        self._batch: Sequence[InputLine] = ()
        self.lines = 0
        self._accepted = 0
        self._refused = 0
        self._failed = 0
        self._lost = False

    @property
    def outcome(self) -> int:
        """The exit status."""
        if self._accepted == 0 and self._lost:
            return NOTHING_DONE
        return SOME_REFUSED if self._refused or self._failed or self._lost else ALL_DONE

    def accept(self, batch: Sequence[InputLine]) -> None:
        """Accept some lines, and say what is wrong with bad ones. Raises NotAccepted; call `lose` then."""
        self._batch = batch
        self.lines += len(batch)
        with delay_interrupt():  # an accepted intent whose id was not printed would be sent again
            self._print(self._wooshq.enqueue_many([line.raw for line in batch if line.raw is not None]))

    def _print(self, report: Report) -> None:
        """Print the outcome of the batch's lines, as far as the report goes."""
        index = 0
        for line in self._batch:
            if line.raw is None:
                self.refuse(line.number, too_large(line.size, self._wooshq.settings).problems)
                continue
            if index == len(report.ids):
                return
            intent_id = report.ids[index]
            if intent_id is None:
                self.refuse(line.number, report.errors.get(index, ()))
            else:
                self._accepted_one(line.number, intent_id)
            index += 1

    def _accepted_one(self, number: int, intent_id: str) -> None:
        self._accepted += 1
        if self._wait:
            self._waiting[intent_id] = number
        if self._json:
            if not self._wait:
                emit({"line": number, "id": intent_id})
        elif self._ids_at_once:
            show(intent_id)

    def refuse(self, number: int, problems: Sequence[Problem]) -> None:
        """Say what is wrong with a line."""
        self._refused += 1
        if self._json:
            emit({"line": number, "errors": [p.as_dict() for p in problems]})
        else:
            for problem in problems:
                say(f"line {number}: {problem}")

    def lose(self, error: NotAccepted) -> None:
        """Redis cannot be reached any more: say which lines were accepted, which may have been, and which were not."""
        self._lost = True
        report = error.report if isinstance(error.report, Report) else Report()
        self._print(report)
        given = [line for line in self._batch if line.raw is not None]
        why = str(error.__cause__ or error)
        say(f"{why}.")
        first, last = given[len(report.ids)].number, None
        if error.maybe_done:
            for index, intent_id in zip(error.indexes, error.intent_ids, strict=True):
                last = given[index].number
                self._doubt(last, intent_id, why)
        if last is not None:
            say(f"Nothing after line {last} was accepted.")
        elif self._accepted:
            say(f"Line {first} and the lines after it were not accepted. It is safe to send them again.")
        else:
            say("Nothing was accepted. It is safe to send everything again.")
        say(FIND_THE_CAUSE)
        if self._waiting:
            self.leave(ask=False)

    def _doubt(self, number: int, intent_id: str, why: str) -> None:
        hint = f'Send the line again with "id": "{intent_id}"; it will not be duplicated'
        problem = Problem("id", f"the line may have been accepted, although no answer came: {why}", hint)
        if self._json:
            emit({"line": number, "errors": [problem.as_dict()]})
        say(f"line {number}: it may have been accepted. {hint}.")

    def follow(self, timeout_s: float) -> None:
        """Print each status when its intent ends. timeout_s: stop after so many seconds."""
        ends = time.monotonic() + timeout_s
        no_worker_yet = NoWorkerYet(self._wooshq)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        # A bar would break JSON on the same terminal.
        shown = people.is_terminal and bool(self._waiting) and not (self._json and data.is_terminal)
        with Progress(*columns, console=people, disable=not shown, transient=True, redirect_stdout=False) as progress:
            bar = progress.add_task("sending", total=len(self._waiting))
            while self._waiting and time.monotonic() < ends:
                for intent_id in list(self._waiting)[:_TOGETHER]:
                    now = self._wooshq.status(intent_id)
                    if now is None or now.is_final:
                        del self._waiting[intent_id]
                        progress.advance(bar)
                        self._end(intent_id, now)
                if self._waiting:
                    no_worker_yet.look()
                    time.sleep(min(_POLL_S, max(0.0, ends - time.monotonic())))
        if self._waiting:
            self._failed += len(self._waiting)
            self.leave(f" in {timeout_s:g} s")

    def _end(self, intent_id: str, now: Status | None) -> None:
        self._failed += now is None or now.state != "sent"
        if now is None:
            say(f"{intent_id}: this intent is no longer kept. It ended longer ago than WOOSHQ_RETENTION_S.")
        elif self._json:
            emit(now)
        else:
            line = f"{intent_id} {now.state} {now.detail or ''}" if now.state == "dead" else f"{intent_id} {now.state}"
            # With a bar on the terminal, only the bar's own console can print above it.
            (say if self._ids_at_once or people.is_terminal else show)(one_line(line))

    def leave(self, so_far: str = "", *, ask: bool = True) -> None:
        """Say which intents have not ended, with their status. ask: False if Redis cannot be reached; then only the ids are printed."""
        told = 0
        for intent_id, number in self._waiting.items():
            now = self._now(intent_id) if ask else None
            ask = ask and now is not None
            if self._json:
                emit(now or {"line": number, "id": intent_id})
            elif not self._ids_at_once:
                show(f"{intent_id} {now.state if now else ''}".rstrip())
            if now is not None and now.waiting_for and told < _TOLD:
                told += 1
                say(f"{intent_id} waits for {one_line(now.waiting_for)}")
        if self._waiting:
            one = len(self._waiting) == 1
            have, stay = ("has", "It stays") if one else ("have", "They stay")
            name = next(iter(self._waiting)) if one else "ID"
            say(f"{several(len(self._waiting), 'intent')} {have} not ended{so_far}. {stay} accepted. See: wooshq status {name}")

    def _now(self, intent_id: str) -> Status | None:
        try:
            return self._wooshq.status(intent_id)
        except LedgerUnavailable:
            return None
