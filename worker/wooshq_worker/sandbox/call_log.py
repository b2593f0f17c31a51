"""The calls that arrived, in a ring buffer with counts, and every message that a recipient received twice."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, get_args

Recording = Literal["all", "light", "none"]
"""`all`: calls with bodies. `light`: calls without bodies and recipients. `none`: only counts; doubles are not found."""
RECORDINGS: tuple[str, ...] = get_args(Recording)

BODIES_LIMIT = 64 * 1024 * 1024
"""Most bytes of bodies in the ring buffer, for any number of calls."""
DOUBLES_LIMIT = 10_000
"""Doubles that are listed one by one; the rest is only counted."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of /messaging/v2/notify. With record="light" it has no recipients and no body."""

    order: int
    """Order number: 1 for the first call; not reused until a reset."""
    at: float
    """Epoch seconds, when the request was completely read."""
    application: str | None
    recipients: tuple[str, ...]
    """The entries of its list. A segment is one entry, such as `code:active_users`."""
    token_ok: bool
    accepted: bool
    """Whether the API accepted the message. Also true if the answer then went wrong."""
    status: int
    """The status that was sent; 0 if no status line was sent."""
    fault: str
    """The label of the fault rule that applied, or an empty string."""
    message_code: str | None
    """The accepted message's code, also if the caller never received it."""
    connection: int
    """The number of the TCP connection that the call came on."""
    raw: bytes
    """The body's bytes."""

    @property
    def body(self) -> Any:
        """The body as JSON; None if it is not JSON or was not kept."""
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
    """A recipient received the same content again."""

    application: str | None
    recipient: str
    first_order: int
    """Order number of the first call with this content. Equal to `order` if one list has the recipient twice."""
    order: int
    message_code: str | None
    """The code of the second message."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "application": self.application,
            "recipient": self.recipient,
            "first_order": self.first_order,
            "order": self.order,
            "message_code": self.message_code,
        }


class CallLog:
    """All calls so far. Not thread-safe: its owner holds a lock."""

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
        # Digest of (content, recipient), 16 bytes → order number of the first accepted call. Among a million pairs, two share a digest with
        # a probability of about 10⁻²⁷: exact enough for every test.
        self._pairs: dict[bytes, int] = {}
        self.doubles: deque[Double] = deque(maxlen=DOUBLES_LIMIT)
        self.doubled = 0
        self.reached = 0

    @property
    def calls(self) -> list[Call]:
        """The calls that are still in the ring buffer, oldest first."""
        return list(self._calls)

    @property
    def doubles_exact(self) -> bool:
        """False if doubles may have been missed: nothing is recorded, or there were more pairs than are kept."""
        return self.mode != "none" and len(self._pairs) < self._keep_pairs

    def count(self, *, status: int, accepted: bool, token_ok: bool, fault: str) -> int:
        """Counts a call. Returns its order number."""
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
        """Puts a counted call into the ring buffer."""
        if self.mode == "none":
            return
        self._calls.append(call)
        self._bodies += len(call.raw)
        while len(self._calls) > self._keep_calls or (self._bodies > BODIES_LIMIT and len(self._calls) > 1):
            self._bodies -= len(self._calls.popleft().raw)

    def remember(self, order: int, application: str | None, recipients: Iterable[str], content: bytes, message_code: str | None) -> None:
        """Notes that these recipients received this content, and finds the doubles among them."""
        for recipient in recipients:
            # All content digests have the same length, so two different pairs never join to the same bytes.
            pair = blake2b(content + recipient.encode(), digest_size=16).digest()
            first = self._pairs.get(pair)
            if first is not None:
                self.doubled += 1
                self.doubles.append(Double(application, recipient, first, order, message_code))
            elif len(self._pairs) < self._keep_pairs:
                self._pairs[pair] = order
                self.reached += 1

    def summary(self) -> dict[str, Any]:
        """The counts. `doubled`: deliveries beyond the first. `calls_forgotten`: calls that left the ring buffer."""
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
