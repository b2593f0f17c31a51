"""Webhooks, hooks and their deliveries, as the calls give them. Secrets are attributes that nothing shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wooshq.events.address import shown
from wooshq.events.ledger import WEBHOOK
from wooshq.ledger.replies import Result, moment


@dataclass(frozen=True)
class Webhook(Result):
    """
    Who receives events. kind: `webhook`, or `hook` (a function of an app, see docs/events.md). url: without the values of its query. types: None
    for all. state: `active` or `paused`; why_paused, paused_at: by a person (paused_by), or by wooshq (None).

    waiting: events that are not delivered yet; the oldest of them is of `oldest_at`. delivered, failed, dropped: deliveries that came, attempts
    that failed, and events that were given up, the last of them at `dropped_at`. failing_since, failing_why: since the last success.
    old_secret_until: both secrets sign.
    """

    name: str
    kind: str
    url: str | None
    types: list[str] | None
    state: str
    why_paused: str | None
    waiting: int
    oldest_at: str | None
    delivered: int
    failed: int
    dropped: int
    delivered_at: str | None
    failing_since: str | None
    failing_why: str | None
    old_secret_until: str | None
    made_at: str | None
    by: str
    why: str
    paused_at: str | None = None
    paused_by: str | None = None
    dropped_at: str | None = None

    @property
    def is_failing(self) -> bool:
        """Nothing was delivered since the last failure."""
        return self.failing_since is not None


@dataclass(frozen=True)
class MadeWebhook(Result):
    """A webhook that was made, or given a new secret, just now. secret: for the receiver. It is shown this once."""

    name: str
    url: str
    types: list[str] | None
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Delivery(Result):
    """
    One attempt to deliver an event. result: `delivered`, `failed` or `dropped` (given up). attempt: 1 for the first. status: of the answer; None
    without one. error: what went wrong. next_at: when it is tried again.
    """

    event: str
    type: str
    at: str | None
    attempt: int
    result: str
    status: int | None
    latency_ms: float | None
    error: str | None
    next_at: str | None


def webhook_of(name: str, row: Mapping[str, str], waiting: int, oldest_ms: int | None, now_ms: int) -> Webhook:
    """From a row of the ledger."""
    kind, _, called = name.partition("/")
    is_paused = row["state"] == "paused"
    types = row.get("types", "").split()
    till = int(float(row.get("before_till") or 0))
    return Webhook(
        name=called,
        kind=kind,
        url=shown(row["url"]) if "url" in row else None,
        types=types or None,
        state=row["state"],
        why_paused=row.get("held_why") if is_paused else None,
        waiting=waiting,
        oldest_at=moment(oldest_ms),
        delivered=int(row.get("delivered") or 0),
        failed=int(row.get("failed") or 0),
        dropped=int(row.get("dropped") or 0),
        delivered_at=moment(row.get("delivered_at")),
        failing_since=moment(row.get("failing_since")),
        failing_why=row.get("failing_why") or None,
        old_secret_until=moment(till) if till > now_ms else None,
        made_at=moment(row.get("made")),
        by=row.get("by", ""),
        why=row.get("why", ""),
        paused_at=moment(row.get("held_at")) if is_paused else None,
        paused_by=(row.get("held_by") or None) if is_paused else None,
        dropped_at=moment(row.get("dropped_at")),
    )


def delivery_of(line: str) -> Delivery:
    """From a line of the log."""
    kept: Mapping[str, Any] = json.loads(line)
    return Delivery(
        kept["id"],
        kept["type"],
        moment(kept["at"]),
        kept["n"],
        kept["result"],
        kept.get("status"),
        kept.get("ms"),
        kept.get("error"),
        moment(kept.get("next")),
    )


def subscriber_of(name: str) -> str:
    """The subscriber that a webhook is."""
    return WEBHOOK + name
