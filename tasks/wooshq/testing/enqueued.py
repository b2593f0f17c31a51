"""What was enqueued, read from a ledger in memory as the calls are made: intents, and the recipients of fan-outs."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from wooshq.installation.memory.ledger import MemoryLedger
from wooshq.jobs.units import letter_id_of, unpack
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_row
from wooshq.ledger.steps import Request, RunScript, Together
from wooshq_schemas import Template
from wooshq_schemas.recipient_lists import lists_in_intent

_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_INTENT: Final = re.compile(rf"([^{{]+):\{{\d+\}}:intent:({_UUID})")
_JOB: Final = re.compile(rf"([^{{]+):\{{\d+\}}:job:({_UUID})")


@dataclass(frozen=True, slots=True)
class Enqueued:
    """
    One enqueued message. intent: as it was accepted, with the application and the lane that wooshq filled in.

    job_id: of a fan-out; then `intent` is the template for one recipient, and `id` is the id that a dead letter of the recipient would have.
    """

    id: str
    intent: Mapping[str, Any]
    lane: str
    application: str
    job_id: str | None = None

    @property
    def recipients(self) -> Sequence[str]:
        """The identifiers of the target's list; empty for a segment, an expression or a filter."""
        return [name for _, names in lists_in_intent(self.intent) for name in names]

    def __str__(self) -> str:
        message: Mapping[str, Any] = self.intent.get("message", {})
        kind = next(iter(message), "request")
        names = self.recipients
        to = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "a segment or a filter"
        return f"{kind} to {to} ({self.id})"


@dataclass(slots=True)
class _FanOut:
    """A job. chunks: number → its recipients, read while the ledger has them."""

    job_id: str
    keys: Keys
    chunks: dict[int, list[Enqueued]] = field(default_factory=dict)


class Recorder:
    """Threads may share it. changed: notified when something was enqueued."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._client = ledger.client()
        self._found: list[Enqueued | _FanOut] = []
        self._known: set[str] = set()
        self.namespaces: set[str] = set()
        """Of the installations that enqueued."""
        self.changed = threading.Condition()
        ledger.listen(self._listen)

    def _listen(self, request: Request) -> None:
        runs = request.runs if isinstance(request, Together) else [request]
        for run in runs:
            if isinstance(run, RunScript) and run.script in ("intents/accept", "jobs/open", "chunks/feed"):
                self._note(run)

    def _note(self, run: RunScript) -> None:
        with self.changed:
            for key in run.keys:
                if (intent := _INTENT.fullmatch(key)) is not None:
                    self.namespaces.add(intent[1])
                    self._note_intent(key, intent[2])
                elif (job := _JOB.fullmatch(key)) is not None and job[2] not in self._known and self._client.exists(key):
                    self.namespaces.add(job[1])
                    self._known.add(job[2])
                    self._found.append(_FanOut(job[2], Keys(job[1])))
            self.changed.notify_all()

    def _note_intent(self, key: str, intent_id: str) -> None:
        """An intent that was refused has no row, and one that was accepted before is known."""
        if intent_id in self._known:
            return
        (text,) = self._client.mget(key)
        row = as_row(self._client.hgetall(key) if text is None else [text])
        if "body" in row:
            self._known.add(intent_id)
            self._found.append(Enqueued(intent_id, json.loads(row["body"]), row["lane"], row["app"]))

    def __iter__(self) -> Iterator[Enqueued]:
        """Everything so far, in the order of the calls."""
        return iter(self.read())

    def read(self) -> list[Enqueued]:
        """Everything so far. Recipients of fan-outs are read now: later, the ledger may not have them any more."""
        with self.changed:
            found = []
            for one in self._found:
                if isinstance(one, Enqueued):
                    found.append(one)
                else:
                    self._read_chunks(one)
                    found += [recipient for number in sorted(one.chunks) for recipient in one.chunks[number]]
            return found

    def _read_chunks(self, job: _FanOut) -> None:
        row = as_row(self._client.hgetall(job.keys.job(job.job_id)))
        for number in range(len(job.chunks), int(row.get("chunks", 0))):
            data: Any = self._client.hget(job.keys.chunk(job.job_id, number), "data")
            job.chunks[number] = [] if data is None else list(_recipients(job.job_id, row, data))

    def clear(self) -> None:
        """Forget what was enqueued so far. The ledger keeps it."""
        with self.changed:
            self._found.clear()


def _recipients(job_id: str, row: Mapping[str, str], data: bytes) -> Iterator[Enqueued]:
    template = Template.load_stored(row["template"], int(row["v"]))
    for unit in unpack(data):
        for identifier in unit.identifiers:
            intent = template.intent(unit.to, identifier, locale=unit.locale, placeholders=unit.placeholders)
            yield Enqueued(letter_id_of(job_id, unit.to, identifier), json.loads(intent.to_json()), "bulk", row["app"], job_id)
