"""What does an answer of the API say? Reads every form of success and of the error envelopes. No JSON value makes it raise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

from wooshq_schemas.validation.times import seconds_of

GRPC_CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""gRPC's codes by number (google.rpc.Code)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The API made a message. unknown_identifiers: recipients that the API does not know; that is not a failure."""

    message_code: str
    unknown_identifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """
    An error envelope.

    code: of gRPC; None for an envelope of API 1.3. violations: (field, description) from `BadRequest`. retry_delay_s: from `RetryInfo`.
    status_code: of API 1.3. reason: from `ErrorInfo`.
    """

    code: int | None
    code_name: str
    message: str
    violations: tuple[tuple[str, str], ...] = ()
    retry_delay_s: float | None = None
    status_code: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """An answer that is neither a success nor an error that we know."""

    why: str


Answer: TypeAlias = Accepted | Refused | NotUnderstood


def read_answer(body: object) -> Answer:
    """What a JSON body says. A success needs a message code. An error envelope is an error, even with status 200."""
    if not isinstance(body, Mapping):
        return NotUnderstood(f"the body is {_kind(body)}, not an object")
    inner = body.get("result")
    inner = inner if isinstance(inner, Mapping) else body
    refusal = _refusal(body) or (_refusal(inner) if inner is not body else None)
    if refusal is not None:
        return refusal
    given = [(name, inner[name]) for name in ("message_code", "messageCode") if name in inner]
    for _, code in given:
        if isinstance(code, str) and code.strip():
            return Accepted(code, tuple(_identifiers(inner.get("unknown_identifiers", inner.get("unknownIdentifiers")))))
    for name, code in given:
        return NotUnderstood(f"{name} is empty" if isinstance(code, str) else f"{name} is {_kind(code)}, not a string")
    return NotUnderstood("the body has no message_code and no error envelope")


def _refusal(body: Mapping[Any, Any]) -> Refused | None:
    nested = body.get("error")
    if isinstance(nested, Mapping) and "code" in nested:
        body = nested
    code, status = _code(body), body.get("status_code")
    if _is_int(code) and code != 0:
        details = [d for d in _list(body.get("details")) if isinstance(d, Mapping)]
        return Refused(
            code=code,
            code_name=GRPC_CODES[code] if 0 <= code < len(GRPC_CODES) else f"CODE_{code}",
            message=_string(body.get("message")),
            violations=tuple(_violations(details)),
            retry_delay_s=_retry_delay(details),
            reason=next((_string(d.get("reason")) for d in details if _is(d, "ErrorInfo") and d.get("reason")), None),
        )
    if _is_int(status) and status != 200:
        return Refused(None, f"STATUS_{status}", _string(body.get("status_message")), status_code=status)
    return None


def _code(body: Mapping[Any, Any]) -> object:
    """The code of an envelope. A gRPC code may be a name (`INVALID_ARGUMENT`, `invalid_argument`, `InvalidArgument`) or digits."""
    code, status = body.get("code"), body.get("status")
    for name in (code, status):
        if isinstance(name, str) and (number := _BY_NAME.get(name.replace("_", "").replace(" ", "").upper())) is not None:
            return number
    return int(code) if isinstance(code, str) and len(code) <= 3 and code.isascii() and code.isdigit() else code


_BY_NAME: Mapping[str, int] = {name.replace("_", ""): number for number, name in enumerate(GRPC_CODES)}


def _violations(details: Iterable[Mapping[Any, Any]]) -> Iterator[tuple[str, str]]:
    for detail in details:
        for violation in _list(detail.get("fieldViolations", detail.get("field_violations"))):
            if isinstance(violation, Mapping):
                yield _string(violation.get("field")), _string(violation.get("description"))


def _retry_delay(details: Iterable[Mapping[Any, Any]]) -> float | None:
    for detail in details:
        raw = detail.get("retryDelay", detail.get("retry_delay"))
        if isinstance(raw, str) and (delay_s := seconds_of(raw)) is not None:
            return delay_s
        if isinstance(raw, Mapping):  # a gateway may leave the protobuf message as an object
            seconds, nanos = raw.get("seconds", 0), raw.get("nanos", 0)
            if _is_int(seconds) and _is_int(nanos) and seconds >= 0 and 0 <= nanos < 10**9:
                return float(min(seconds, 10**12)) + nanos / 1e9
    return None


def _identifiers(raw: object) -> Iterator[str]:
    lists = raw.values() if isinstance(raw, Mapping) else [raw]
    for some in lists:
        if isinstance(some, Mapping):
            some = some.get("list")
        for one in _list(some):
            if isinstance(one, str):
                yield one


def _is(detail: Mapping[Any, Any], name: str) -> bool:
    return _string(detail.get("@type")).rpartition(".")[2] == name


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_int(value: object) -> TypeGuard[int]:
    # A larger integer is not a code or a duration, and Python cannot write or divide integers of any size.
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "true or false", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names.get(type(value), "an object")
