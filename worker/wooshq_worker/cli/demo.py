"""`wooshq demo`: a tour with an embedded Redis, the sandbox and a real worker. It sends, fails, fans out and replays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Group
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from wooshq import Wooshq
from wooshq.client import JobHandle
from wooshq.jobs.show import Job
from wooshq.settings import Settings
from wooshq.settings.server_url import EMBEDDED
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, emit, people, several
from wooshq_worker.cli.terminal.progress import JobProgress
from wooshq_worker.sandbox import SandboxThread

APPLICATION = "DEMO0-WOOSH"
TOKEN = "demo-token"
MANY = 300
PEOPLE = 6000
CITIES = ("Berlin", "Lyon", "Porto", "Gdansk", "Turin", "Ghent")
#: Limit for each step of the tour; it takes a few seconds, and much longer on a busy machine.
_WITHIN_S = 180.0

QUICK_START = {
    "to": {"segment": "active_users"},
    "message": {"push": {"body": "Hello from v2!"}},
    "lane": "transactional",
    "tags": {"demo": "quick start"},
}
CHANNELS: Sequence[tuple[str, dict[str, Any]]] = (
    ("push", {"title": {"en": "Order 4521", "de": "Bestellung 4521"}, "body": {"en": "On its way", "de": "Unterwegs"}}),
    ("email", {"subject": "Your invoice", "body": "<p>Attached.</p>", "from": {"name": "Example", "email": "billing@example.com"}}),
    ("sms", {"body": "Your code is 482913"}),
    ("telegram", {"body": "Your code is 482913"}),
    ("kakao", {"body": "Your code is 482913"}),
    ("line", {"body": "Your code is 482913"}),
    ("whatsapp", {"body": "Your code is 482913"}),
)
SALE = {"message": {"push": {"title": "Sale", "body": "Free delivery in {city|CapitalizeFirst|your city}"}}, "campaign": "DEMO0-SALE1"}


def _people() -> Iterator[dict[str, str]]:
    """The recipients of the fan-out. As in a real list, two rows have no identifier and some come twice."""
    for n in range(PEOPLE):
        yield {"user": f"person-{n}" if n not in (1200, 4800) else "", "city": CITIES[n % len(CITIES)]}
        if n % 1000 == 500:
            yield {"user": f"person-{n}", "city": CITIES[n % len(CITIES)]}


#: Next steps: arguments of the command, and what they do.
_NEXT: Sequence[tuple[str, str]] = (
    ("doctor", "check this installation"),
    ("sandbox", "run a stand-in for the API, to try things"),
    ("send --help", "send messages (Python: see README.md)"),
    ("fanout --help", "send one message to many recipients"),
)


def run_demo(*, as_json: bool = False) -> int:
    """Run the tour in a temporary folder, and delete the folder. Returns the exit status."""
    folder = Path(tempfile.mkdtemp(prefix="wooshq-demo-"))
    signal.signal(signal.SIGTERM, _end)  # ends the worker and the embedded Redis, too
    try:
        with SandboxThread(token=TOKEN, latency_s=0.02, seed=7) as sandbox:
            settings = Settings(
                _env_file=None,
                api_token=SecretStr(TOKEN),
                application=APPLICATION,
                base_url=sandbox.url,
                data_dir=folder,
                broker_url=None,
                redis_url=EMBEDDED,
                api_tokens={},
                sentry_dsn=None,
            )
            with Wooshq(settings) as wooshq:
                wooshq.counts()  # starts the embedded Redis
                worker = _start_worker(folder, sandbox.url)
                try:
                    return _Tour(wooshq, sandbox, as_json).run()
                finally:
                    worker.send_signal(signal.SIGTERM)
                    try:
                        worker.wait(15)
                    except subprocess.TimeoutExpired:
                        worker.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def _start_worker(folder: Path, url: str) -> subprocess.Popen[bytes]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PUSHWOOSH_", "WOOSHQ_", "SENTRY_"))}
    env |= {
        "PUSHWOOSH_API_TOKEN": TOKEN,
        "PUSHWOOSH_APPLICATION": APPLICATION,
        "PUSHWOOSH_BASE_URL": url,
        "WOOSHQ_REDIS_URL": EMBEDDED,
        "WOOSHQ_DATA_DIR": str(folder),
        "WOOSHQ_BACKOFF_BASE_S": "0.5",
        "WOOSHQ_BREAKER_OPEN_S": "1",
        "WOOSHQ_BREAKER_CEILING_S": "2",
    }
    log = (folder / "worker.log").open("wb")
    return subprocess.Popen([sys.executable, "-m", "wooshq_worker", "worker"], env=env, cwd=folder, stdout=log, stderr=log)


class _Tour:
    """The steps of the tour, in order."""

    def __init__(self, wooshq: Wooshq, sandbox: SandboxThread, as_json: bool) -> None:
        self._w = wooshq
        self._sandbox = sandbox
        self._json = as_json
        self._channel: dict[str, str] = {}
        self._started = time.monotonic()

    def run(self) -> int:
        """Take the tour. Returns the exit status."""
        self._say("[bold]wooshq demo[/bold]: sandbox API, embedded Redis and a worker, all on this machine.")
        first = self._on_every_channel()
        many = self._while_the_api_fails()
        book, job = self._fan_out()
        self._sandbox.clear_faults()
        self._sandbox.refuse([])
        groups = self._w.dead_letters.groups()
        dead = self._w.dead_letters.list(state="open")
        replays = self._replay()
        return self._summary([*first, *many, *replays], book, job, groups, len(dead), len(replays))

    def _on_every_channel(self) -> list[str]:
        ids = [self._enqueue("push (segment)", QUICK_START)]
        for kind, fields in CHANNELS:
            ids.append(self._enqueue(kind, {"to": {"users": ["user-1"]}, "message": {kind: fields}}))
        self._say("\nOne message on every channel.")
        self._wait(ids)
        return ids

    def _while_the_api_fails(self) -> list[str]:
        self._sandbox.refuse({f"user-{n}" for n in range(0, MANY, 60)})
        self._sandbox.set_unknown({"user-7", "user-77"})
        self._sandbox.set_faults(
            {"effect": "status", "status": 503, "probability": 0.15},
            {"effect": "cut_after", "first": 3},
            {"effect": "status", "status": 429, "retry_after": 1, "nth": 120},
        )
        report = self._w.enqueue_many(
            {"to": {"users": [f"user-{n}"]}, "message": {"push": {"title": "Sale", "body": f"A code for you: {n}"}}, "lane": "bulk"}
            for n in range(MANY)
        )
        ids = [i for i in report.ids if i]
        self._channel |= dict.fromkeys(ids, "push (bulk)")
        self._say(f"\n{MANY} messages while the API fails: 503s, lost answers, a 429, refused recipients.")
        self._wait(ids)
        return ids

    def _replay(self) -> list[str]:
        ids = list(self._w.dead_letters.replay(reason="rejected").ids.values())
        self._channel |= dict.fromkeys(ids, "push (replay)")
        self._say("\nA replay of the dead letters, now that the cause is fixed.")
        self._wait(ids)
        return ids

    def _fan_out(self) -> tuple[JobHandle, Job]:
        """One message to thousands of people. The API refuses some and does not know some."""
        self._sandbox.refuse({f"person-{n}" for n in range(700, PEOPLE, 1300)})
        self._sandbox.set_unknown({f"person-{n}" for n in range(400, PEOPLE, 2000)})
        self._sandbox.set_faults({"effect": "status", "status": 503, "first": 2})
        self._say(f"\nA fan-out to {PEOPLE:,} recipients: recipients with the same text share a call.")
        book = self._w.fan_out(SALE, _people())
        with JobProgress(shown=not self._json) as progress:
            job = book.wait(_WITHIN_S, watch=progress.show)
        if not people.is_terminal:
            self._say(f"{job.total - job.left:,} of {job.total:,} ended.")
        return book, job

    def _enqueue(self, channel: str, intent: dict[str, Any]) -> str:
        intent_id = self._w.enqueue(intent)
        self._channel[intent_id] = channel
        return intent_id

    def _wait(self, ids: Sequence[str]) -> None:
        waiting = list(ids)
        ends = time.monotonic() + _WITHIN_S
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=people, disable=not people.is_terminal or self._json) as progress:
            bar = progress.add_task("sending", total=len(ids))
            while waiting and time.monotonic() < ends:
                waiting = [i for i in waiting if not _ended(self._w, i)]
                progress.update(bar, completed=len(ids) - len(waiting))
                if waiting:
                    time.sleep(0.1)
        if not people.is_terminal:
            self._say(f"{len(ids) - len(waiting)} of {len(ids)} ended.")

    def _summary(self, ids: Sequence[str], book: JobHandle, job: Job, groups: Sequence[Any], dead: int, replayed: int) -> int:
        statuses = [s for s in map(self._w.status, ids) if s is not None]
        by_channel: dict[str, Counter[str]] = {}
        for status in statuses:
            by_channel.setdefault(self._channel[status.id], Counter())[status.state] += 1
        retried = sum(len(s.attempts) > 1 and s.state == "sent" for s in statuses)
        unknown = self._w.counts().get("unknown", 0)
        unknown_identifiers = sorted({u for s in statuses for u in s.unknown_identifiers})
        seconds = time.monotonic() - self._started
        if self._json:
            emit(
                {
                    "channels": {k: dict(v) for k, v in by_channel.items()},
                    "fan_out": dict(job),
                    "calls": self._sandbox.count,
                    "retried": retried,
                    "unknown": unknown,
                    "unknown_identifiers": unknown_identifiers,
                    "dead": dead,
                    "replayed": replayed,
                    "doubled": self._sandbox.doubled,
                    "seconds": round(seconds, 1),
                }
            )
        else:
            people.print()
            _print_channels(by_channel, job)
            _print_fan_out(book, job)
            _print_causes(groups)
            _print_panel(
                "Summary",
                f"{several(self._sandbox.count, 'call')}; {several(retried, 'message')} sent after a retry",
                f"{several(unknown, 'call')} without an answer (in doubt); {several(self._sandbox.doubled, 'message')} received twice",
                f"{several(dead, 'dead letter')}, {replayed} replayed and closed",
                f"unknown to the API, besides those of the fan-out: {', '.join(unknown_identifiers) or 'none'}",
                f"took {seconds:.0f} s",
            )
            self._say("The demo has deleted its messages. Next steps:")
            for arguments, what in _NEXT:
                self._say(f"  [bold]{escape(command_as_called())} {arguments:<14}[/bold] {what}")
        good = job.state == "done" and dead == replayed and all(s.state in ("sent", "dead") for s in statuses)
        return ALL_DONE if good else SOME_REFUSED

    def _say(self, text: str) -> None:
        if not self._json:
            people.print(text)


def _print_channels(by_channel: dict[str, Counter[str]], job: Job) -> None:
    sent = _table("channel", "sent", "dead")
    replay = by_channel.pop("push (replay)", Counter())  # comes last, as it happened
    for channel, states in {**by_channel, "push (fan-out)": Counter(sent=job.sent, dead=job.dead), "push (replay)": replay}.items():
        sent.add_row(channel, f"{states['sent']:,}", f"{states['dead']:,}" if states["dead"] else "")
    _print_panel("Messages by channel", sent)


def _print_fan_out(book: JobHandle, job: Job) -> None:
    _print_panel(
        "The fan-out",
        f"{several(job.calls, 'call')} for {several(job.total, 'recipient')} (minimum without failures: {job.calls_needed:,})",
        f"{several(book.duplicates, 'duplicate')} skipped, {several(book.refused, 'row')} without an identifier rejected",
        f"{several(job.dead, 'recipient')} refused; the others in their calls received the message once",
        f"{several(job.unknown_identifiers, 'identifier')} unknown to the API, kept so that you can clean your list",
    )


def _print_causes(groups: Sequence[Any]) -> None:
    why = _table("letters", "reason", "answer of the API")
    for group in groups:
        why.add_row(str(group.count), group.reason, escape(group.detail))
    _print_panel("Dead letters by cause", why)


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False, header_style="bold")


def _print_panel(title: str, *content: str | Table) -> None:
    people.print(Panel(Group(*content), title=title, title_align="left", expand=False))


def command_as_called() -> str:
    """How to call wooshq again from here: `wooshq` if it is on the PATH, otherwise as it was called (.venv/bin/wooshq)."""
    called = Path(sys.argv[0])
    if called.name != "wooshq":
        return "python -m wooshq_worker"
    found = shutil.which("wooshq")
    if found is not None and os.path.samefile(found, called):
        return "wooshq"
    return os.path.relpath(called) if called.resolve().is_relative_to(Path.cwd().resolve()) else str(called)


def _ended(wooshq: Wooshq, intent_id: str) -> bool:
    status = wooshq.status(intent_id)
    return status is not None and status.is_final
