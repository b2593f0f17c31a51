"""Why a request is refused before it is carried out. Each has the status that the client gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Refused(Exception):
    """
    A request that is not carried out. kind: the last part of the problem's `type`. detail: for a person; never a value of the request.

    errors: what is wrong with it, as in problem details. headers: for the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def unauthorized(detail: str) -> Refused:
    """No token, or one that nobody knows."""
    return Refused(401, "unauthorized", "A bearer token is needed", detail, headers={"WWW-Authenticate": 'Bearer realm="wooshq"'})


def forbidden(scope: str) -> Refused:
    """A token without the scope."""
    said = f'Bearer realm="wooshq", error="insufficient_scope", scope="{scope}"'
    detail = f"The token does not have the scope {scope}. Make one that has it: wooshq tokens make NAME --scope {scope}"
    return Refused(403, "forbidden", "The token may not do this", detail, headers={"WWW-Authenticate": said})


def too_many(wait_s: int) -> Refused:
    """A token that makes more requests than it may."""
    detail = "This token makes more requests per second than WOOSHQ_CONSOLE_RATE_PER_S allows. Wait, and repeat the request"
    return Refused(429, "too-many-requests", "Too many requests", detail, headers={"Retry-After": str(wait_s)})
