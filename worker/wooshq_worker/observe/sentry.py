"""Sentry: one issue for each kind of failure, rate-limited here, and nothing in it that a stranger wrote."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
import warnings
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from types import TracebackType
from typing import Any, Final, Protocol, cast

import sentry_sdk
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import BadDsn, Dsn

from wooshq.errors import SettingsInvalid
from wooshq.settings import Settings

FLUSH_S: Final = 2.0
"""How long the end of a process waits for Sentry."""
WINDOW_S: Final = 60.0
_MOST_KINDS: Final = 500
_MOST_NAMES: Final = 10
_MOST_FRAMES: Final = 50
_MOST_CAUSES: Final = 5

_TAGS: Final = ("kind", "reason", "code", "application", "lane")
_TAG: Final = re.compile(r"[A-Za-z0-9_.:-]{1,80}", re.ASCII)
"""What our own vocabularies are made of. Anything else came from outside, and stays here."""
_NOISE: Final = ("celery.worker.consumer", "kombu", "amqp", "sentry_sdk")
"""Loggers that tell of each try to reconnect: Celery recovers by itself, and the gates and the watchdog speak where it does not."""


class Reporter(Protocol):
    """Tells of a failure by its kind."""

    def __call__(self, *, kind: str, reason: str, code: str, application: str, lane: str) -> None: ...


def silent(*, kind: str, reason: str, code: str, application: str, lane: str) -> None:
    """Sentry is off."""


class _HeldBack:
    """How often a kind failed since its last event, and for which applications."""

    def __init__(self) -> None:
        self.last_at: float | None = None
        self.times = 0
        self.applications: Counter[str] = Counter()


class SentryReporter:
    """
    At most `per_minute` events of this process in any minute, and of one kind one: what was held back is counted in its next event.

    A kind is what it is, its reason and its code; not the message, nor the application or lane, which are tags. Never raises, never waits:
    sentry-sdk sends in a thread of its own and drops what does not fit its queue. Callable from any thread.
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
        tags = {name: _tag(value) for name, value in zip(_TAGS, (kind, reason, code, application, lane), strict=True) if value}
        key = (tags.get("kind", ""), tags.get("reason", ""), tags.get("code", ""))
        title = f"{key[0]}: {key[1]} {key[2]}".strip(": ")
        self._send(key, {"level": "error", "message": title, "tags": tags}, tags.get("application", ""))

    def unexpected(self, error: BaseException) -> None:
        """An error that no one foresaw: its types and places, no message and no value."""
        chain = _chain(error)
        frames = chain[-1]["stacktrace"]["frames"]
        place = f"{frames[-1]['filename']}:{frames[-1]['function']}" if frames else "nowhere"
        key = ("unexpected", chain[-1]["type"], place)
        self._send(key, {"level": "fatal", "tags": {"kind": "unexpected"}, "exception": {"values": chain}}, "")

    def flush(self) -> None:
        """Sends what waits, within `FLUSH_S`."""
        self._client.flush(timeout=FLUSH_S)

    def _send(self, key: tuple[str, ...], event: dict[str, Any], application: str) -> None:
        held_back = self._admit(key, application)
        if held_back is None:
            return
        event["fingerprint"] = ["wooshq", *key]
        event["timestamp"] = datetime.now(UTC)
        event["contexts"] = {
            "wooshq": {"failures_since_last_event": held_back.times, "applications": dict(held_back.applications.most_common(_MOST_NAMES))}
        }
        try:
            self._client.capture_event(cast(Event, event))
        except Exception:  # a report that fails must not cost a settle
            logging.getLogger(__name__).warning("sentry_failed", exc_info=True)

    def _admit(self, key: tuple[str, ...], application: str) -> _HeldBack | None:
        """Counts the failure; what has come together, this one included, where an event may go now."""
        now = self._monotonic()
        with self._lock:
            while self._sent_at and self._sent_at[0] <= now - WINDOW_S:
                self._sent_at.popleft()
            held_back = self._kinds.setdefault(key, _HeldBack())
            self._kinds.move_to_end(key)
            while len(self._kinds) > _MOST_KINDS:
                self._kinds.popitem(last=False)
            held_back.times += 1
            if application in held_back.applications or len(held_back.applications) < 100:
                held_back.applications.update([application] if application else [])
            just_sent = held_back.last_at is not None and held_back.last_at > now - WINDOW_S
            if just_sent or len(self._sent_at) >= self._per_minute:
                return None
            self._sent_at.append(now)
            fresh = self._kinds[key] = _HeldBack()
            fresh.last_at = now
            return held_back


class Unexpected(logging.Handler):
    """Every log event with an exception, of level ERROR or above, of any logger: wooshq's, Celery's, asyncio's."""

    def __init__(self, reporter: SentryReporter) -> None:
        super().__init__(logging.ERROR)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(_NOISE):
            return
        given = record.msg.get("exc_info") if isinstance(record.msg, dict) else record.exc_info  # structlog's events are the message
        error = given[1] if isinstance(given, tuple) else given
        if error is True:
            error = sys.exc_info()[1]
        if isinstance(error, BaseException):
            self._reporter.unexpected(error)


_active: SentryReporter | None = None


def set_up(settings: Settings) -> Reporter:
    """
    Start sentry-sdk when `SENTRY_DSN` is set; otherwise nothing is started and nothing sent.

    After `log.set_up`, whose handlers it joins. Raises SettingsInvalid where the DSN is none.
    """
    global _active
    _active = None
    if settings.sentry_dsn is None:
        return silent
    _active = SentryReporter(a_client(settings.sentry_dsn.get_secret_value()), settings.sentry_per_minute)
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler, Unexpected)]
    root.addHandler(Unexpected(_active))
    return _active


def flush() -> None:
    """Send what waits, within two seconds."""
    if _active is not None:
        _active.flush()


def a_client(dsn: str) -> sentry_sdk.Client:
    """
    A client of its own, not sentry-sdk's global one: nothing else in the process can send through it, and no scope, breadcrumb,
    integration or trace gets into its events. Raises SettingsInvalid.
    """
    try:
        Dsn(dsn)
    except BadDsn:
        raise SettingsInvalid("SENTRY_DSN: not a Sentry DSN; copy it again from Sentry's project settings, Client Keys") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # off is meant to be seen here, although newer releases want it said otherwise
        return sentry_sdk.Client(
            dsn=dsn,
            release=os.environ.get("SENTRY_RELEASE") or _release(),  # else sentry-sdk runs git to guess one
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
            before_send=only_what_is_known,
            shutdown_timeout=FLUSH_S,
        )


def only_what_is_known(event: Event, _: Hint) -> Event | None:
    """
    The event built anew from the fields that wooshq itself fills: whatever a release of sentry-sdk adds stays here. An event without
    our own mark is nobody's.
    """
    tags = event.get("tags")
    if not isinstance(tags, Mapping) or "kind" not in tags:
        return None
    kept: dict[str, Any] = {
        name: event.get(name)
        for name in ("event_id", "timestamp", "level", "platform", "fingerprint", "message", "sdk", "environment", "release")
        if name in event
    }
    kept["tags"] = {name: _tag(str(tags[name])) for name in _TAGS if name in tags}
    contexts = event.get("contexts") or {}
    if "wooshq" in contexts:
        kept["contexts"] = {"wooshq": contexts["wooshq"]}
    values = (event.get("exception") or {}).get("values") or []
    if values:
        kept["exception"] = {"values": [_bare(value) for value in values]}
    return cast(Event, kept)


def _bare(value: Mapping[str, Any]) -> dict[str, Any]:
    frames = (value.get("stacktrace") or {}).get("frames") or []
    names = ("filename", "function", "lineno", "module", "in_app")
    bare = {name: value[name] for name in ("type", "module") if name in value}
    return {**bare, "stacktrace": {"frames": [{name: frame[name] for name in names if name in frame} for frame in frames]}}


def _chain(error: BaseException) -> list[dict[str, Any]]:
    """The error and what led to it, the first cause first, as Sentry wants them."""
    chain: list[dict[str, Any]] = []
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen and len(chain) < _MOST_CAUSES:
        seen.add(id(current))
        kind = type(current)
        chain.append({"type": kind.__qualname__, "module": kind.__module__, "stacktrace": {"frames": _frames(current.__traceback__)}})
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain[::-1]


def _frames(trace: TracebackType | None) -> list[dict[str, Any]]:
    """Places in code. A file is named by its module: a path may hold the name of who installed it."""
    frames: deque[dict[str, Any]] = deque(maxlen=_MOST_FRAMES)
    while trace is not None:
        code, module = trace.tb_frame.f_code, str(trace.tb_frame.f_globals.get("__name__", "?"))
        frames.append(
            {
                "filename": module.replace(".", "/") + ".py",
                "module": module,
                "function": code.co_name,
                "lineno": trace.tb_lineno,
                "in_app": module.startswith("wooshq"),
            }
        )
        trace = trace.tb_next
    return list(frames)


def _tag(value: str) -> str:
    return value if _TAG.fullmatch(value) else "other"


def _release() -> str:
    try:
        return f"wooshq@{metadata.version('wooshq')}"
    except metadata.PackageNotFoundError:  # run from the source tree
        return "wooshq@source"
