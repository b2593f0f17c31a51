"""The tour: embedded Redis, sandbox API, a real worker; messages on every channel, trouble, a fan-out, dead letters, a replay."""

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
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from wooshq import Wooshq
from wooshq.jobs.calls import JobHandle
from wooshq.jobs.show import Job
from wooshq.settings import Settings
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, emit, people, several
from wooshq_worker.cli.terminal.progress import JobProgress
from wooshq_worker.sandbox import SandboxThread

APPLICATION = "DEMO0-WOOSH"
TOKEN = "demo-token"
MANY = 300
PEOPLE = 6000
CITIES = ("Berlin", "Lyon", "Porto", "Gdansk", "Turin", "Ghent")
_WITHIN_S = 50.0

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
    ("kakao", {"template": {"name": "code", "language": "ko", "parameters": ["482913"]}}),
    ("line", {"body": "Your code is 482913"}),
    ("whatsapp", {"template": {"name": "code", "language": "en", "parameters": ["482913"]}}),
)
SALE = {"message": {"push": {"title": "Sale", "body": "Free delivery in {city|CapitalizeFirst|your city}"}}, "campaign": "DEMO0-SALE1"}


def _people() -> Iterator[dict[str, str]]:
    """Whom the fan-out goes to, as an address book is: somebody without an address, some of them twice."""
    for n in range(PEOPLE):
        yield {"user": f"person-{n}" if n not in (1200, 4800) else "", "city": CITIES[n % len(CITIES)]}
        if n % 1000 == 500:
            yield {"user": f"person-{n}", "city": CITIES[n % len(CITIES)]}


#: What to do next: arguments, and what they show.
_NEXT: Sequence[tuple[str, str]] = (
    ("doctor", "what this installation still lacks"),
    ("sandbox", "the stand-in for the API, to try things on"),
    ("send --help", "hand messages over (in Python: README.md)"),
    ("fanout --help", "one message to a file of recipients"),
)


def run_demo(*, as_json: bool = False) -> int:
    """Run the tour in a folder of its own, which it removes; the command's exit status."""
    folder = Path(tempfile.mkdtemp(prefix="wooshq-demo-"))
    signal.signal(signal.SIGTERM, _end)  # so that the worker and the embedded Redis end with it
    try:
        with SandboxThread(token=TOKEN, latency_s=0.02, seed=7) as sandbox:
            settings = Settings(
                _env_file=None,
                api_token=SecretStr(TOKEN),
                application=APPLICATION,
                base_url=sandbox.url,
                data_dir=folder,
                broker_url=None,
                redis_url=None,
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
        "WOOSHQ_DATA_DIR": str(folder),
        "WOOSHQ_BACKOFF_BASE_S": "0.5",
        "WOOSHQ_BREAKER_OPEN_S": "1",
        "WOOSHQ_BREAKER_CEILING_S": "2",
    }
    log = (folder / "worker.log").open("wb")
    return subprocess.Popen([sys.executable, "-m", "wooshq_worker", "worker"], env=env, cwd=folder, stdout=log, stderr=log)


class _Tour:
    """The steps, in the order in which a person meets them."""

    def __init__(self, wooshq: Wooshq, sandbox: SandboxThread, as_json: bool) -> None:
        self._w = wooshq
        self._sandbox = sandbox
        self._json = as_json
        self._channel: dict[str, str] = {}
        self._started = time.monotonic()

    def run(self) -> int:
        self._say("[bold]wooshq demo[/bold]: sandbox API, embedded Redis and a worker, all on this machine.")
        first = [self._enqueue("push (segment)", QUICK_START)]
        for kind, fields in CHANNELS:
            first.append(self._enqueue(kind, {"to": {"users": ["user-1"]}, "message": {kind: fields}}))
        self._say("\nOne message on every channel.")
        self._wait(first)

        # A bad hour: errors, lost answers, a limit, people who are refused
        refused = {f"user-{n}" for n in range(0, MANY, 60)}
        self._sandbox.refuse(refused)
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
        many = [i for i in report.ids if i]
        self._channel |= dict.fromkeys(many, "push (bulk)")
        self._say(f"\n{MANY} messages through a bad hour: 503s, lost answers, a 429, refused people.")
        self._wait(many)

        book, job = self._fan_out()

        self._sandbox.clear_faults()
        self._sandbox.refuse([])
        groups = self._w.dead_letters.groups()
        dead = self._w.dead_letters.list(state="open")
        done = self._w.dead_letters.replay(reason="rejected")
        replays = list(done.ids.values())
        self._channel |= dict.fromkeys(replays, "push (replay)")
        self._say("\nReplaying what died, now that the cause is mended.")
        self._wait(replays)
        return self._summary([*first, *many, *replays], book, job, groups, len(dead), done.replayed)

    def _fan_out(self) -> tuple[JobHandle, Job]:
        """One message to thousands, of whom some are refused, unknown, or nobody."""
        self._sandbox.refuse({f"person-{n}" for n in range(700, PEOPLE, 1300)})
        self._sandbox.set_unknown({f"person-{n}" for n in range(400, PEOPLE, 2000)})
        self._sandbox.set_faults({"effect": "status", "status": 503, "first": 2})
        self._say(f"\nA fan-out to {PEOPLE:,} people: whoever shares a text shares a call.")
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
        left = [s for s in statuses if not s.is_final]
        good = not left and job.state == "done" and dead == replayed and all(s.state in ("sent", "dead") for s in statuses)
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
                    "seconds": round(time.monotonic() - self._started, 1),
                }
            )
            return ALL_DONE if good else SOME_REFUSED
        people.print()
        sent = Table("channel", "sent", "died", box=None, pad_edge=False, header_style="bold")
        by_channel["push (fan-out)"] = Counter(sent=job.sent, dead=job.dead)
        by_channel["push (replay)"] = by_channel.pop("push (replay)", Counter())  # as it happened: at the end
        for channel, states in by_channel.items():
            sent.add_row(channel, f"{states['sent']:,}", f"{states['dead']:,}" if states["dead"] else "")
        people.print(Panel(sent, title="What was sent, on which channel", title_align="left", expand=False))
        lines = [
            f"{several(job.calls, 'call')} for {several(job.total, 'person', 'people')}; without trouble {job.calls_needed:,} had been enough",
            f"{several(book.duplicates, 'person', 'people')} stood there twice, {several(book.refused, 'row')} named nobody",
            f"{several(job.dead, 'person', 'people')} refused: found inside shared calls, everybody else got theirs once",
            f"{several(job.unknown_identifiers, 'identifier')} unknown to the API, kept to clean the list with",
        ]
        people.print(Panel("\n".join(lines), title="The fan-out", title_align="left", expand=False))
        why = Table("letters", "reason", "what the API said", box=None, pad_edge=False, header_style="bold")
        for group in groups:
            why.add_row(str(group.count), group.reason, escape(group.detail))
        people.print(Panel(why, title="What died, and why", title_align="left", expand=False))
        lines = [
            f"{several(self._sandbox.count, 'call')}; {several(retried, 'message')} sent after a retry",
            f"{several(unknown, 'answer')} lost, each on record as unknown; {several(self._sandbox.doubled, 'message')} made twice by the API",
            f"{several(dead, 'dead letter')}, {replayed} replayed and closed",
            f"the API did not know {' and '.join(unknown_identifiers) or 'nobody'}",
            f"took {time.monotonic() - self._started:.0f} s",
        ]
        people.print(Panel("\n".join(lines), title="In a word", title_align="left", expand=False))
        command = command_as_called()
        self._say("The demo's messages are gone with it. Next, on your own:")
        for arguments, what in _NEXT:
            self._say(f"  [bold]{escape(command)} {arguments:<14}[/bold] {what}")
        return ALL_DONE if good else SOME_REFUSED

    def _say(self, text: str) -> None:
        if not self._json:
            people.print(text)


def command_as_called() -> str:
    """How to call wooshq again from here: `wooshq` where it is on the PATH, else as it was called (.venv/bin/wooshq)."""
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
