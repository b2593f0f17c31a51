"""Log events as a person reads them on a terminal: a line each, and the start of a worker as a few lines under a title."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Final, TypeAlias

import structlog

Event: TypeAlias = MutableMapping[str, Any]

START: Final = "worker_starts"
_WIDTH: Final = 14


class ForPeople:
    """A renderer of structlog."""

    def __init__(self, line: Callable[[Any, str, Event], str], *, colours: bool) -> None:
        """line: renders all other events."""
        self._line = line
        self._bold, self._dim, self._plain = ("\x1b[1m", "\x1b[2m", "\x1b[0m") if colours else ("", "", "")

    def __call__(self, logger: Any, name: str, event: Event) -> str:
        if event.get("event") != START:
            return self._line(logger, name, event)
        title = f"{self._bold}wooshq {event.get('version', '')}{self._plain}  worker {event.get('pid', '')} on {event.get('host', '')}"
        if event.get("environment"):
            title += f"  {self._bold}{event['environment']}{self._plain}"
        lines = [f"  {self._dim}{what:<{_WIDTH}}{self._plain}{said}" for what, said in _of_a_start(event)]
        return "\n".join(["", title, *lines, ""])


def _of_a_start(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    calls = f"{event['concurrency']} calls at a time to {event['api']}"
    yield "sends", f"{calls} for {event['application']}" if event["application"] else calls
    yield "listens to", ", ".join(event["queues"])
    yield "rate", _rate(event["rate"], event["rates"])
    yield "redis", event["redis"]
    yield "broker", event["broker"]
    yield "history", event["history"]
    yield "tells", event["tells"]
    yield "push goes to", ", ".join(event["push_platforms"])
    yield "is seen at", "   ".join(f"{name} {event[name]}" for name in ("metrics", "tracing", "sentry"))


def _rate(rate: float | None, rates: Mapping[str, float]) -> str:
    all_of_them = "no limit until the API answers 429" if rate is None else f"{rate:g} calls a second for each application"
    own = ", ".join(f"{application} {limit:g}" for application, limit in sorted(rates.items())[:5])
    more = f" and {len(rates) - 5} more" if len(rates) > 5 else ""
    return all_of_them + (f"; {own}{more}" if own else "")


def for_people(exception_formatter: Callable[..., Any], *, colours: bool) -> ForPeople:
    """The renderer. exception_formatter: of structlog."""
    columns = structlog.dev.ConsoleRenderer(
        colors=colours, exception_formatter=exception_formatter, pad_event_to=24, sort_keys=False, timestamp_key="timestamp"
    )
    return ForPeople(lambda logger, name, event: columns(logger, name, _shorter(event)), colours=colours)


def _shorter(event: Event) -> Event:
    """The time without what nobody reads, no empty fields, and lists as people write them."""
    made: Event = {}
    for name, value in event.items():
        if value is None or value == "":
            continue
        if name == "timestamp" and isinstance(value, str):
            made[name] = f"{value[:10]} {value[11:19]}"
        elif isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 5:
            made[name] = f"{', '.join(map(str, value[:3]))} and {len(value) - 3} more"
        else:
            made[name] = value
    return made
