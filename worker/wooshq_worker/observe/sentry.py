"""Sentry: one issue for each kind of failure, with its own rate limit."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import warnings
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Final, Protocol, cast

import sentry_sdk
from sentry_sdk.types import Event
from sentry_sdk.utils import BadDsn, Dsn

from wooshq.errors import SettingsInvalid
from wooshq.settings import Settings
from wooshq_worker.observe.sentry_event import TAGS, chain_of, only_known_fields, tag

FLUSH_S: Final = 2.0
"""How long the end of a process waits for Sentry."""
WINDOW_S: Final = 60.0
_MOST_KINDS: Final = 500
_MOST_APPLICATIONS_COUNTED: Final = 100
_MOST_APPLICATIONS_SENT: Final = 10
_NOISE: Final = ("celery.worker.consumer", "kombu", "amqp", "sentry_sdk")
"""Loggers that report each attempt to reconnect. Celery recovers by itself; if it does not, the gates and the watchdog report it."""


class Reporter(Protocol):
    """Reports failures by their kind."""

    def __call__(self, *, kind: str, reason: str, code: str, application: str, lane: str) -> None: ...

    def flush(self) -> None:
        """Send what waits, within `FLUSH_S`."""


class _Silent:
    """Sentry is off."""

    def __call__(self, *, kind: str, reason: str, code: str, application: str, lane: str) -> None:
        return None

    def flush(self) -> None:
        return None


silent: Final = _Silent()


class _HeldBack:
    """How often a kind failed since its last event, and for which applications."""

    def __init__(self) -> None:
        self.last_at: float | None = None
        self.times = 0
        self.applications: Counter[str] = Counter()


class SentryReporter:
    """
    At most `per_minute` events of this process in a minute, and one event of each kind. The next event of a kind counts what was held back.

    A kind is the kind's name, its reason and its code. Application and lane are only tags, and the message is not sent. Never raises and
    never waits: sentry-sdk sends in a thread of its own, and drops what its queue cannot take. May be called from any thread.
    """

    def __init__(self, client: sentry_sdk.Client, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._sent_at: deque[float] = deque()
        self._kinds: OrderedDict[tuple[str, ...], _HeldBack] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, *, kind: str, reason: str, code: str, application: str, lane: str) -> None:
        """A failure that wooshq has a name for."""
        tags = {name: tag(value) for name, value in zip(TAGS, (kind, reason, code, application, lane), strict=True) if value}
        key = (tags.get("kind", ""), tags.get("reason", ""), tags.get("code", ""))
        title = f"{key[0]}: {key[1]} {key[2]}".strip(": ")
        self._send(key, {"level": "error", "message": title, "tags": tags}, tags.get("application", ""))

    def unexpected(self, error: BaseException) -> None:
        """An error that wooshq has no name for: its types and places."""
        chain = chain_of(error)
        frames = chain[-1]["stacktrace"]["frames"]
        place = f"{frames[-1]['filename']}:{frames[-1]['function']}" if frames else "nowhere"
        key = ("unexpected", chain[-1]["type"], place)
        self._send(key, {"level": "fatal", "tags": {"kind": "unexpected"}, "exception": {"values": chain}}, "")

    def flush(self) -> None:
        """Send what waits, within `FLUSH_S`."""
        self._client.flush(timeout=FLUSH_S)

    def _send(self, key: tuple[str, ...], event: dict[str, Any], application: str) -> None:
        held_back = self._admit(key, application)
        if held_back is None:
            return
        applications = dict(held_back.applications.most_common(_MOST_APPLICATIONS_SENT))
        event["fingerprint"] = ["wooshq", *key]
        event["timestamp"] = datetime.now(UTC)
        event["contexts"] = {"wooshq": {"failures_since_last_event": held_back.times, "applications": applications}}
        try:
            self._client.capture_event(cast(Event, event))
        except Exception:  # a report that fails must not stop a settle
            logging.getLogger(__name__).warning("sentry_failed", exc_info=True)

    def _admit(self, key: tuple[str, ...], application: str) -> _HeldBack | None:
        """Count the failure. If an event may be sent now: what it must count, this failure included."""
        now = self._monotonic()
        with self._lock:
            while self._sent_at and self._sent_at[0] <= now - WINDOW_S:
                self._sent_at.popleft()
            held_back = self._kinds.setdefault(key, _HeldBack())
            self._kinds.move_to_end(key)
            while len(self._kinds) > _MOST_KINDS:
                self._kinds.popitem(last=False)
            held_back.times += 1
            if application in held_back.applications or len(held_back.applications) < _MOST_APPLICATIONS_COUNTED:
                held_back.applications.update([application] if application else [])
            just_sent = held_back.last_at is not None and held_back.last_at > now - WINDOW_S
            if just_sent or len(self._sent_at) >= self._per_minute:
                return None
            self._sent_at.append(now)
            fresh = self._kinds[key] = _HeldBack()
            fresh.last_at = now
            return held_back


class Unexpected(logging.Handler):
    """Reports every log event with an exception, of level ERROR or above, of any logger: wooshq's, Celery's, asyncio's."""

    def __init__(self, reporter: SentryReporter) -> None:
        super().__init__(logging.ERROR)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(_NOISE):
            return
        # The message of structlog's records is the event itself.
        given = record.msg.get("exc_info") if isinstance(record.msg, dict) else record.exc_info
        error = given[1] if isinstance(given, tuple) else given
        if error is True:
            error = sys.exc_info()[1]
        if isinstance(error, BaseException):
            self._reporter.unexpected(error)


def set_up(settings: Settings) -> Reporter:
    """
    Start sentry-sdk if `SENTRY_DSN` is set; otherwise nothing is started and nothing is sent.

    Call it after `log.set_up`, whose handlers it joins. Raises SettingsInvalid if the DSN is not valid.
    """
    if settings.sentry_dsn is None:
        return silent
    reporter = SentryReporter(a_client(settings.sentry_dsn.get_secret_value()), settings.sentry_per_minute)
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler, Unexpected)]
    root.addHandler(Unexpected(reporter))
    return reporter


def a_client(dsn: str) -> sentry_sdk.Client:
    """
    A client of its own, not sentry-sdk's global one: no other code of the process can send through it, and no scope, breadcrumb,
    integration or trace gets into its events. Raises SettingsInvalid.
    """
    try:
        Dsn(dsn)
    except BadDsn:
        raise SettingsInvalid("SENTRY_DSN: not a Sentry DSN; copy it again from Sentry's project settings, Client Keys") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer releases want some of these said otherwise; here each is to be seen
        return sentry_sdk.Client(
            dsn=dsn,
            release=os.environ.get("SENTRY_RELEASE") or _release(),  # without one sentry-sdk runs git to guess it
            send_default_pii=False,
            include_local_variables=False,
            include_source_context=False,
            attach_stacktrace=False,
            max_breadcrumbs=0,
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            send_client_reports=False,
            propagate_traces=False,
            spotlight=False,
            server_name="",
            before_send=only_known_fields,
            shutdown_timeout=FLUSH_S,
        )


def _release() -> str:
    try:
        return f"wooshq@{metadata.version('wooshq')}"
    except metadata.PackageNotFoundError:  # run from the source tree
        return "wooshq@source"
