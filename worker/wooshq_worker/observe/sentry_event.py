"""What may an event for Sentry say? Types, places in code and wooshq's own words. Never a message, a value or a path."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, cast

from sentry_sdk.types import Event, Hint

TAGS: Final = ("kind", "reason", "code", "application", "lane")
_TAG: Final = re.compile(r"[A-Za-z0-9_.:-]{1,80}", re.ASCII)
"""wooshq's own words match this. Everything else came from outside, and is not sent."""
_MOST_FRAMES: Final = 50
_MOST_CAUSES: Final = 5


def tag(value: str) -> str:
    """The value if it is one of wooshq's own words; otherwise `other`."""
    return value if _TAG.fullmatch(value) else "other"


def only_known_fields(event: Event, _: Hint) -> Event | None:
    """
    The event made again from the fields that wooshq fills: what a release of sentry-sdk adds is not sent.

    None for an event without wooshq's own tag: another library made it.
    """
    tags = event.get("tags")
    if not isinstance(tags, Mapping) or "kind" not in tags:
        return None
    kept: dict[str, Any] = {
        name: event.get(name)
        for name in ("event_id", "timestamp", "level", "platform", "fingerprint", "message", "sdk", "environment", "release")
        if name in event
    }
    kept["tags"] = {name: tag(str(tags[name])) for name in TAGS if name in tags}
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


def chain_of(error: BaseException) -> list[dict[str, Any]]:
    """The error and its causes, as Sentry takes them: the first cause first."""
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
    """Places in code. A file is named by its module: a path may contain the name of the user who installed it."""
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
