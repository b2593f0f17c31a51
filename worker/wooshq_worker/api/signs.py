"""What can be seen of an outcome? A break, an HTTP status, a gRPC code, or what the body says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias, assert_never

from wooshq_worker.api.outcome import Broke


class Code(IntEnum):
    """gRPC codes. The API's gateway writes them into `code` of its envelope."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


HTTP_OF: Final[Mapping[Code, int]] = {
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
"""The HTTP status of each gRPC code. Source: gRPC-Gateway's `HTTPStatusFromCode`."""


class Says(StrEnum):
    """What a body says if neither an HTTP status nor a gRPC code decides."""

    MESSAGE_CODE = "MESSAGE_CODE"
    MESSAGE_CODE_IN_ERROR = "MESSAGE_CODE_IN_ERROR"
    APPLICATION_GONE = "APPLICATION_GONE"
    ROUTER = "ROUTER"
    PROXY_LOST_IT = "PROXY_LOST_IT"
    PROXY_HAD_NO_CONNECTION = "PROXY_HAD_NO_CONNECTION"
    STATUS_210 = "STATUS_210"
    OTHER_ERROR = "OTHER_ERROR"
    NO_MESSAGE_CODE = "NO_MESSAGE_CODE"
    NOT_JSON = "NOT_JSON"
    HTML = "HTML"
    EMPTY = "EMPTY"
    CUT_LIMIT = "CUT_LIMIT"
    CUT_BROKEN = "CUT_BROKEN"
    CUT_STALLED = "CUT_STALLED"
    CUT_DEADLINE = "CUT_DEADLINE"
    CUT_ENCODING = "CUT_ENCODING"


@dataclass(frozen=True, slots=True)
class Http:
    """HTTP statuses from `first` to `last`, both included."""

    first: int
    last: int

    def __contains__(self, status: int) -> bool:
        return self.first <= status <= self.last

    def __str__(self) -> str:
        return f"HTTP {self.first}" if self.first == self.last else f"HTTP {self.first}–{self.last}"


def http(first: int, last: int | None = None) -> Http:
    return Http(first, first if last is None else last)


Sign: TypeAlias = Broke | Says | Code | Http
"""One thing that can be seen of an outcome. The table has a row for each."""


def described(sign: Sign) -> str:
    """The sign, for a person."""
    match sign:
        case Broke():
            return f"no answer: {sign.replace('_', ' ')}"
        case Says():
            return f"body: {sign.replace('_', ' ').lower()}"
        case Code():
            return f"gRPC {sign.value} {sign.name} (HTTP {HTTP_OF[sign]})"
        case Http():
            return str(sign)
        case _:
            assert_never(sign)
