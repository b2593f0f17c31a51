"""What a person sees of the log on a terminal."""

from __future__ import annotations

from typing import Any

import structlog

from wooshq_worker.observe.terminal import START, for_people

STARTED: dict[str, Any] = {
    "event": START,
    "level": "info",
    "timestamp": "2026-11-28T02:49:28.123456Z",
    "version": "1.2.3",
    "environment": "production",
    "host": "web-1",
    "pid": 7,
    "queues": ["transactional", "bulk"],
    "concurrency": 256,
    "api": "https://api.pushwoosh.com",
    "application": "AAAAA-BBBBB",
    "rate": 100.0,
    "rates": {"CCCCC-DDDDD": 5.0},
    "redis": "10.0.0.5:6379/0",
    "broker": "the same Redis",
    "history": "off",
    "tells": "nobody",
    "push_platforms": ["IOS", "ANDROID"],
    "metrics": "off",
    "tracing": "http://collector:4318/v1/traces",
    "sentry": "on",
}


def rendered(event: dict[str, Any], *, colours: bool = False) -> str:
    return for_people(structlog.dev.plain_traceback, colours=colours)(None, "info", dict(event))


def test_a_start_is_a_few_lines_that_say_what_the_worker_is_and_does() -> None:
    assert rendered(STARTED).splitlines() == [
        "",
        "wooshq 1.2.3  worker 7 on web-1  production",
        "  sends         256 calls at a time to https://api.pushwoosh.com for AAAAA-BBBBB",
        "  listens to    transactional, bulk",
        "  rate          100 calls a second for each application; CCCCC-DDDDD 5",
        "  redis         10.0.0.5:6379/0",
        "  broker        the same Redis",
        "  history       off",
        "  tells         nobody",
        "  push goes to  IOS, ANDROID",
        "  is seen at    metrics off   tracing http://collector:4318/v1/traces   sentry on",
    ]


def test_a_start_without_a_limit_and_without_names_says_so() -> None:
    bare = {**STARTED, "rate": None, "rates": {}, "application": None, "environment": None}
    lines = rendered(bare).splitlines()
    assert lines[1:3] == ["wooshq 1.2.3  worker 7 on web-1", "  sends         256 calls at a time to https://api.pushwoosh.com"]
    assert lines[4] == "  rate          no limit until the API answers 429"


def test_of_many_limits_five_are_named() -> None:
    many = {**STARTED, "rate": None, "rates": {f"A{n}": n for n in range(1, 8)}}
    assert rendered(many).splitlines()[4].endswith("; A1 1, A2 2, A3 3, A4 4, A5 5 and 2 more")


def test_any_other_event_is_one_line_without_what_is_empty() -> None:
    event = {
        "event": "intent_dead",
        "level": "warning",
        "timestamp": "2026-11-28T02:49:28.123456Z",
        "code": None,
        "intent_ids": list(range(9)),
    }
    assert " ".join(rendered(event).split()) == "2026-11-28 02:49:28 [warning ] intent_dead intent_ids='0, 1, 2 and 6 more'"


def test_colours_are_only_where_they_are_wanted() -> None:
    assert "\x1b" not in rendered(STARTED)
    assert "\x1b[1m" in rendered(STARTED, colours=True)
