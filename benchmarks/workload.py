"""What the benchmarks send: intents, templates and recipients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

PERSONAL: Final[dict[str, Any]] = {"message": {"push": {"title": "Hi {name}", "body": "Your order left"}}}
SHARED: Final[dict[str, Any]] = {"message": {"push": {"title": "Sale", "body": "Free delivery, today only"}}}


def an_intent(user: str, n: int) -> dict[str, Any]:
    return {"to": {"users": [user]}, "message": {"push": {"title": "Hi", "body": f"Order {n} left"}}}


def intents(prefix: str, n: int) -> Iterator[dict[str, Any]]:
    return (an_intent(f"{prefix}{i}", i) for i in range(n))


def personal_recipients(n: int, *, first: int = 0) -> Iterator[dict[str, str]]:
    """Recipients for PERSONAL: each needs a call of its own."""
    return ({"user": f"user-{i}", "name": f"N{i}"} for i in range(first, first + n))
