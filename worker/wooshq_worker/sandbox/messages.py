"""The messages that the sandbox accepted: which of them can still be cancelled, and the calls that asked for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from wooshq_worker.sandbox.answers import bad_request, envelope
from wooshq_worker.sandbox.body.shape import Found, filled, message

MOST_MESSAGES = 100_000
"""Message codes that are kept; older ones are forgotten, and a call to cancel one of them gets 404."""
_CHECK = message({"message_code": filled}, required=("message_code",))


@dataclass(frozen=True, slots=True)
class Cancel:
    """One call of /messaging/v2/cancel."""

    at: float
    """Epoch seconds, when the request was completely read."""
    message_code: str | None
    status: int
    """The status that was sent; 0 if no status line was sent."""
    cancelled: bool
    """Whether the sandbox cancelled the message. Also true if the answer then went wrong."""
    fault: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class _Message:
    """due: epoch seconds; before it the message is pending. token: of the account that sent it; None: any."""

    application: str | None
    token: str | None
    due: float
    is_cancelled: bool = False


class Messages:
    """Not thread-safe: its owner holds a lock."""

    def __init__(self) -> None:
        self._messages: dict[str, _Message] = {}
        self.cancels: deque[Cancel] = deque(maxlen=MOST_MESSAGES)

    def add(self, code: str, application: str | None, token: str | None, body: Any, now: float) -> None:
        """An accepted message. It is pending until its schedule."""
        schedule = next(iter(body.values())).get("schedule", {})
        self._put(code, _Message(application, token, _due(schedule, now)))

    def set(self, pending: Iterable[str], sent: Iterable[str]) -> None:
        """Makes these codes pending until they are cancelled, or sent; codes that are not known become known."""
        for codes, due in ((pending, float("inf")), (sent, 0.0)):
            for code in codes:
                known = self._messages.get(code)
                self._put(code, _Message(known.application if known else None, known.token if known else None, due))

    def _put(self, code: str, one: _Message) -> None:
        self._messages[code] = one
        while len(self._messages) > MOST_MESSAGES:
            del self._messages[next(iter(self._messages))]

    def application_of(self, code: str | None) -> str | None:
        """The application that sent the message; None if it is not known."""
        known = self._messages.get(code or "")
        return None if known is None else known.application

    def judge(self, body: Any, token: str | None, now: float) -> tuple[int, bytes]:
        """The status and the body of the answer to a call with a valid token. Changes nothing."""
        found = Found()
        _CHECK(body, "", found)
        if found:
            field, why = found[0]
            return 400, envelope(3, f"invalid request: {field}: {why}" if field else f"invalid request: {why}", [bad_request(found)])
        known = self._messages.get(body["message_code"])
        if known is None:
            return 404, envelope(5, "message not found")
        if known.token is not None and known.token != token:
            return 403, envelope(7, "the message belongs to another account")
        if known.is_cancelled or known.due <= now:
            return 400, envelope(9, "the message cannot be cancelled any more")
        return 200, b"{}"

    def cancel(self, code: str) -> None:
        """Nobody receives this message any more."""
        self._messages[code].is_cancelled = True


def code_in(body: Any) -> str | None:
    """The message code that a body names, even if the body is not valid."""
    code = body.get("message_code") if isinstance(body, dict) else None
    return code if isinstance(code, str) else None


def _due(schedule: Mapping[str, Any], now: float) -> float:
    """When a message with this schedule is sent. The schedule is valid: the message was accepted."""
    if "after" in schedule:
        return now + float(schedule["after"].rstrip("s"))
    at = schedule["at"].replace("Z", "+00:00")
    whole, _, rest = at.partition(".")
    zone = rest[len(rest) - 6 :] if rest else ""
    return datetime.fromisoformat(whole + zone).astimezone(UTC).timestamp()
