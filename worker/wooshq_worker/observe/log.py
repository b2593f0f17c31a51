"""Log events with fields: JSON lines for machines, colours for a terminal; no secret in either."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Collection, Mapping, MutableMapping
from types import TracebackType
from typing import Any, Final, TypeAlias

import structlog
from celery.signals import setup_logging

from wooshq_worker.observe.scrub import MASK

Event: TypeAlias = MutableMapping[str, Any]
ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

_USERINFO: Final = re.compile(r"(\w[\w+.-]*://)[^\s\"'<>]*@")
_NAMED: Final = re.compile(
    r"(?i)\b((?:api_)?token|password|passwd|secret|authorization|dsn)(['\"]?\s*[=:]\s*['\"]?)(?:(?:token|bearer|basic)\s+)?[^\s,;&'\"]+"
)
_WEBHOOK: Final = re.compile(r"whsec_[A-Za-z0-9+/=]+")
_SECRET_FIELDS: Final = frozenset({"token", "api_token", "password", "secret", "authorization", "dsn"})
_CONTENT: Final = re.compile(r"(?is)\b(body|args|kwargs|payload)(\s*(?:was)?\s*[:=]).*")
"""Here Celery and kombu begin to quote a message that they cannot handle. It may contain recipients and texts."""
_FOREIGN_LIMIT: Final = 2000

QUIET: Final = ("amqp", "asyncio", "httpcore", "httpx", "kombu", "urllib3")
"""Loggers whose events below WARNING are dropped."""

SAFE: Final = (OSError, ImportError, AttributeError, NameError, NotImplementedError, MemoryError, RecursionError, AssertionError)
"""Errors whose message is about machines or code, never about a recipient."""
_SAFE_FROM: Final = ("redis.", "kombu.", "amqp.", "celery.", "wooshq.", "httptools.")


def set_up(level: str, style: str, secrets: Collection[str]) -> None:
    """
    Route structlog and the standard library's loggers (Celery's, kombu's) to standard error in one form.

    style: `json`, `console`, or `auto` (console on a terminal). secrets: texts that are masked everywhere.
    Uncaught errors of any thread become events. Celery does not add handlers of its own.
    """
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, without_quotation],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.ExceptionRenderer(describe_traceback),
            Masked(secrets),
            _console() if console else structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    logging.captureWarnings(True)
    setup_logging.connect(_leave_logging_alone, weak=False, dispatch_uid="wooshq.log")
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _console() -> structlog.dev.ConsoleRenderer:
    colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)


def _leave_logging_alone(**_: Any) -> None:
    """If this signal has a receiver, Celery does not set up logging."""


class Masked:
    """Masks in every text of an event, at any depth: the secrets, what follows a word like `password=`, user and password of URLs."""

    def __init__(self, secrets: Collection[str]) -> None:
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    def __call__(self, _: Any, __: str, event: Event) -> Event:
        for name, value in event.items():
            event[name] = self._value(name, value, 0)
        return event

    def text(self, text: str) -> str:
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode()  # half a character could not be written
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        if "://" in text:
            text = _USERINFO.sub(rf"\1{MASK}@", text)
        if "whsec_" in text:
            text = _WEBHOOK.sub(MASK, text)
        return _NAMED.sub(rf"\1\2{MASK}", text)

    def _value(self, name: str, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if name.lower() in _SECRET_FIELDS:
            return MASK
        if isinstance(value, Mapping) and depth < 8:
            return {self.text(str(key)): self._value(str(key), inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset) and depth < 8:
            return [self._value("", inner, depth + 1) for inner in value]
        if isinstance(value, BaseException):
            return self.text(describe_error(value))
        return self.text(value if isinstance(value, str) else repr(value))


def without_quotation(_: Any, __: str, event: Event) -> Event:
    """The event of another library's logger, without the message that it quotes, and cut to a limit."""
    text = str(event.get("event", ""))
    text = _CONTENT.sub(rf"\1\2 {MASK}", text)
    event["event"] = text if len(text) <= _FOREIGN_LIMIT else text[:_FOREIGN_LIMIT] + "…"
    return event


def describe_error(error: BaseException) -> str:
    """The error's type, and its message if that cannot quote a recipient, a text or a value."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    is_safe = isinstance(error, SAFE) or f"{kind.__module__}.".startswith(_SAFE_FROM)
    message = str(error)
    if not message:
        return name
    return f"{name}: {message[:_FOREIGN_LIMIT]}" if is_safe else f"{name} (its message is left out: it may contain personal data)"


def describe_traceback(exc_info: ExcInfo) -> str:
    """Types, places and lines of code; messages only as `describe_error` shows them. The cause comes first, as in Python."""
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    seen: set[int] = set()
    while error is not None and id(error) not in seen and len(seen) < 10:
        seen.add(id(error))
        parts.append("".join([*traceback.format_tb(error.__traceback__, limit=-30), describe_error(error)]))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nled to\n".join(reversed(parts))


_log: Final = structlog.get_logger("wooshq")


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    _log.critical("uncaught_error", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        thread = args.thread.name if args.thread else None
        _log.critical("uncaught_error", thread=thread, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))
