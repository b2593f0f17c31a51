"""The request of every baseline that is not wooshq: the same body for all, and where it goes."""

from __future__ import annotations

import os
from typing import Any, Final

import httpx

URL: Final = os.environ.get("BENCH_API", "") + "/messaging/v2/notify"
HEADERS: Final = {"Authorization": "Token bench"}
LIMITS: Final = httpx.Limits(max_connections=256, max_keepalive_connections=256)
"""httpx keeps 20 connections by default, so every further call would pay for a TLS handshake. Nobody would leave that."""


def body(user: str) -> dict[str, Any]:
    return {
        "transactional": {
            "application": "AAAAA-BBBBB",
            "platforms": ["IOS", "ANDROID"],
            "users": {"list": [user]},
            "payload": {"content": {"localized_content": {"default": {p: {"title": "Hi", "body": "x"} for p in ("ios", "android")}}}},
            "schedule": {"at": "2026-05-01T12:00:00Z"},
        }
    }
