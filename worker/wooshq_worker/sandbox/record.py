"""What was asked of the API and what came of it: every call, in a ring; and every message that somebody got twice."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, get_args

from wooshq_worker.sandbox.check import RECIPIENT_KINDS, SEGMENT_KINDS

Recording = Literal["all", "light", "none"]
"""`all`: calls with their bodies. `light`: calls without bodies and recipients. `none`: counts only, no doubles."""
RECORDINGS: tuple[str, ...] = get_args(Recording)

BODIES_LIMIT = 64 * 1024 * 1024
"""Bytes of bodies that the ring keeps at most, whatever the number of calls."""
DOUBLES_LIMIT = 10_000
"""Doubles that are told one by one; more are only counted."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of /messaging/v2/notify. With record="light" it has no recipients and no body."""

    order: int
    """1 for the first; never repeated until a reset."""
    at: float
    """Epoch seconds, when the request had been read."""
    application: str | None
    recipients: tuple[str, ...]
    """The entries of its list; of a segment, one such as `code:active_users`."""
    token_ok: bool
    accepted: bool
    """Whether a message was made of it. Also true where the answer then went wrong."""
    status: int
    """As it went out; 0 where no status line did."""
    fault: str
    """The label of the rule that struck it, or an empty text."""
    message_code: str | None
    """Of the message that was made, also where the caller never learned of it."""
    connection: int
    """Which connection it came on: the same number is the same TCP connection."""
    raw: bytes
    """The body as it came."""

    @property
    def body(self) -> Any:
        """The body, read; None where it is no JSON or was not kept."""
        try:
            return json.loads(self.raw) if self.raw else None
        except (ValueError, RecursionError):
            return None

    def as_dict(self) -> dict[str, Any]:
        return {
            "order": self.order,
            "at": self.at,
            "application": self.application,
            "recipients": list(self.recipients),
            "body": self.body,
            "token_ok": self.token_ok,
            "accepted": self.accepted,
            "status": self.status,
            "fault": self.fault,
            "message_code": self.message_code,
            "connection": self.connection,
        }


@dataclass(frozen=True, slots=True)
class Double:
    """Somebody got the same content again."""

    application: str | None
    recipient: str
    first_order: int
    """Order number of the call that reached them first; the same as `order` where one list holds them twice."""
    order: int
    message_code: str | None
    """Of the message that was one too many."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "application": self.application,
            "recipient": self.recipient,
            "first_order": self.first_order,
            "order": self.order,
            "message_code": self.message_code,
        }


def addressed(body: Any) -> tuple[str | None, tuple[str, ...], str | None]:
    """
    Application, recipients and the field that names them, as far as a body says so; never fails, whatever the body is.

    Recipients of a segment are one entry: `code:…`, `expression:…` or `filter_expression:…`.
    """
    if not isinstance(body, dict):
        return None, (), None
    inner = body.get("transactional")
    if not isinstance(inner, dict):
        inner = body.get("segment")
        if not isinstance(inner, dict):
            return None, (), None
    named = inner.get("application")
    application = named if isinstance(named, str) else None
    for kind in RECIPIENT_KINDS:
        holder = inner.get(kind)
        if isinstance(holder, dict) and isinstance(holder.get("list"), list):
            return application, tuple(entry for entry in holder["list"] if isinstance(entry, str)), kind
    for kind in SEGMENT_KINDS:
        target = inner.get(kind)
        if target is not None:
            name = target if isinstance(target, str) else json.dumps(target, sort_keys=True)
            return application, (f"{kind}:{name}",), kind
    return application, (), None


def content_key(body: Mapping[str, Any], kind: str | None) -> bytes:
    """
    A digest of what is said, apart from when and to whom: two calls with the same key and a recipient in common say the same thing twice.

    The kind of the recipients counts, so that user `1` and device `1` are two.
    """
    (name, inner), *_ = body.items()
    said = {field: value for field, value in inner.items() if field != "schedule" and field != kind}
    text = json.dumps([name, kind, said], sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).digest()


class Record:
    """All calls so far. Not thread-safe by itself: its owner holds a lock."""

    def __init__(self, *, mode: Recording, keep_calls: int, keep_pairs: int) -> None:
        self.mode = mode
        self._keep_calls = keep_calls
        self._keep_pairs = keep_pairs
        self.reset()

    def reset(self) -> None:
        self._calls: deque[Call] = deque()
        self._bodies = 0
        self.total = 0
        self.accepted = 0
        self.token_refused = 0
        self.connections_cut = 0
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        # (content, recipient) as a 16-byte digest → order of the call that was accepted first. Two different pairs meet in one digest
        # with a chance of 10⁻²⁶ at a million pairs: exact, for every purpose of a test.
        self._pairs: dict[bytes, int] = {}
        self.doubles: deque[Double] = deque(maxlen=DOUBLES_LIMIT)
        self.doubled = 0
        self.reached = 0

    @property
    def calls(self) -> list[Call]:
        """The calls that the ring still holds, oldest first."""
        return list(self._calls)

    @property
    def doubles_exact(self) -> bool:
        """False where doubles may have been missed: nothing is recorded, or there were more pairs than are kept."""
        return self.mode != "none" and len(self._pairs) < self._keep_pairs

    def count(self, *, status: int, accepted: bool, token_ok: bool, fault: str) -> int:
        """Counts a call, and gives its order number."""
        self.total += 1
        self.statuses[status] += 1
        if accepted:
            self.accepted += 1
        if not token_ok:
            self.token_refused += 1
        if fault:
            self.faults[fault] += 1
        return self.total

    def keep(self, call: Call) -> None:
        """Puts a counted call into the ring."""
        if self.mode == "none":
            return
        self._calls.append(call)
        self._bodies += len(call.raw)
        while len(self._calls) > self._keep_calls or (self._bodies > BODIES_LIMIT and len(self._calls) > 1):
            self._bodies -= len(self._calls.popleft().raw)

    def remember(self, order: int, application: str | None, recipients: Iterable[str], content: bytes, message_code: str | None) -> None:
        """Notes that these people got this content, and every one of them who had it already."""
        for recipient in recipients:
            # The content's digest has one length, so no two pairs join to the same bytes.
            pair = blake2b(content + recipient.encode(), digest_size=16).digest()
            first = self._pairs.get(pair)
            if first is not None:
                self.doubled += 1
                self.doubles.append(Double(application, recipient, first, order, message_code))
            elif len(self._pairs) < self._keep_pairs:
                self._pairs[pair] = order
                self.reached += 1

    def summary(self) -> dict[str, Any]:
        """The counts. `doubled`: deliveries that were one too many; `calls_forgotten`: no longer in the ring."""
        return {
            "calls": self.total,
            "accepted": self.accepted,
            "token_refused": self.token_refused,
            "connections_cut": self.connections_cut,
            "by_status": {str(status): count for status, count in sorted(self.statuses.items())},
            "by_fault": dict(sorted(self.faults.items())),
            "reached": self.reached,
            "doubled": self.doubled,
            "doubles_exact": self.doubles_exact,
            "doubles": [double.as_dict() for double in self.doubles],
            "calls_forgotten": self.total - len(self._calls),
            "record": self.mode,
        }
