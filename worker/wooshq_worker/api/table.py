"""The verdict table: what can be seen of an answer, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias, assert_never

from wooshq_worker.api.outcome import Broke

# ── The table ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Code(IntEnum):
    """gRPC codes, as the API's gateway writes them into `code`."""

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
"""HTTP status of each gRPC code, as gRPC-Gateway maps them."""


class Says(StrEnum):
    """What a body says where neither an HTTP status nor a gRPC code decides."""

    MESSAGE_CODE = "MESSAGE_CODE"
    MESSAGE_CODE_IN_ERROR = "MESSAGE_CODE_IN_ERROR"
    APPLICATION_GONE = "APPLICATION_GONE"
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
"""One thing that can be seen of an outcome, and that the table has a row for."""


class Then(StrEnum):
    """The verdicts a row can name, the most careful first: where two signs of one answer disagree, the earlier one stands."""

    UNKNOWN = "unknown"
    HOLD_TOKEN = "hold (token)"
    HOLD_APPLICATION = "hold (application)"
    HOLD_CIRCUIT = "hold (circuit)"
    RETRY_ALL = "retry, whole application waits"
    RETRY = "retry"
    RETRY_FREE = "retry, costs no attempt"
    TOO_LARGE = "dead (too_large)"
    REJECTED = "dead (rejected)"
    SENT = "sent"


CAREFUL: Final = {then: rank for rank, then in enumerate(Then)}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. why: the reason, as a person reads it; of Hold and Unknown it is the beginning of the detail."""

    sign: Sign
    then: Then
    why: str


TABLE: Final[tuple[Row, ...]] = (
    # The transport broke: what counts is whether a byte of ours may have left
    Row(Broke.REFUSED, Then.RETRY, "the port is closed: nothing was sent"),
    Row(Broke.DNS, Then.RETRY, "the host's name was not found: nothing was sent"),
    Row(Broke.CONNECT_FAILED, Then.RETRY, "no connection could be made: nothing was sent"),
    Row(Broke.CONNECT_TIMEOUT, Then.RETRY, "no connection within the time for connecting: nothing was sent"),
    Row(Broke.NOT_WRITTEN, Then.RETRY, "the kept connection was gone before the first byte was written: nothing was sent"),
    Row(Broke.TLS, Then.HOLD_CIRCUIT, "TLS failed (certificate, host name, version): the token goes to nobody who cannot prove who it is"),
    Row(Broke.POOL, Then.RETRY_FREE, "more calls than connections in this worker, our own fault: nothing was sent"),
    Row(Broke.CLOSED, Then.RETRY_FREE, "this worker's client is closed, it is shutting down: nothing was sent"),
    Row(Broke.DISCONNECTED, Then.UNKNOWN, "the connection was closed without an answer: the request may have been read"),
    Row(Broke.RESET, Then.UNKNOWN, "the connection was reset without an answer: the request may have been read"),
    Row(Broke.SILENT, Then.UNKNOWN, "no answer within the time for reading: the request may have been carried out"),
    Row(Broke.DEADLINE, Then.UNKNOWN, "no whole answer within the total time of a call: the request may have been carried out"),
    Row(Broke.MALFORMED, Then.UNKNOWN, "the answer is not HTTP: somebody read the request, and nothing tells what they did"),
    Row(Broke.STRANGE, Then.UNKNOWN, "the call failed in a way that this table does not know: the request may have left"),
    # The body decides
    Row(Says.MESSAGE_CODE, Then.SENT, "2xx with a message code: accepted"),
    Row(Says.MESSAGE_CODE_IN_ERROR, Then.UNKNOWN, "an error's status over a body with a message code: the answer contradicts itself"),
    Row(Says.APPLICATION_GONE, Then.HOLD_APPLICATION, "the API does not know the application: nothing is wrong with the message"),
    Row(Says.STATUS_210, Then.REJECTED, "API 1.3's way to refuse a request: it was read and will never do"),
    Row(Says.OTHER_ERROR, Then.UNKNOWN, "2xx with an error of a kind that nobody knows in its body"),
    Row(Says.NO_MESSAGE_CODE, Then.UNKNOWN, "2xx without a message code: the message may have been accepted"),
    Row(Says.NOT_JSON, Then.UNKNOWN, "2xx whose body is not JSON: the message may have been accepted"),
    Row(Says.HTML, Then.UNKNOWN, "2xx with a web page (a proxy, a login): check PUSHWOOSH_BASE_URL; the message may have been accepted"),
    Row(Says.EMPTY, Then.UNKNOWN, "2xx without a body: the message may have been accepted"),
    Row(Says.CUT_LIMIT, Then.UNKNOWN, "2xx with more body than is read: the message may have been accepted"),
    Row(Says.CUT_BROKEN, Then.UNKNOWN, "2xx, and the connection ended within the body: probably accepted"),
    Row(Says.CUT_STALLED, Then.UNKNOWN, "2xx, and the body stopped half-way: probably accepted"),
    Row(Says.CUT_DEADLINE, Then.UNKNOWN, "2xx, and the body dripped beyond the total time of a call: probably accepted"),
    Row(Says.CUT_ENCODING, Then.UNKNOWN, "2xx, and the body is not compressed as it says: probably accepted"),
    # The API's own envelope, by gRPC code
    Row(Code.CANCELLED, Then.RETRY, "the API gave the call up before it was done"),
    Row(Code.UNKNOWN, Then.RETRY, "the API failed without saying how"),
    Row(Code.INVALID_ARGUMENT, Then.REJECTED, "the API refuses this message, and will again"),
    Row(Code.DEADLINE_EXCEEDED, Then.UNKNOWN, "the API ran out of time: the message may have been accepted before"),
    Row(Code.NOT_FOUND, Then.REJECTED, "something that the message names (segment, preset, template) does not exist"),
    Row(Code.ALREADY_EXISTS, Then.REJECTED, "the API says it has this already: the same call would say so again; a person must look"),
    Row(Code.PERMISSION_DENIED, Then.HOLD_TOKEN, "the token may not do this: check its rights; nothing is wrong with the message"),
    Row(Code.RESOURCE_EXHAUSTED, Then.RETRY_ALL, "too many calls: not accepted, and every call of this application would hear the same"),
    Row(Code.FAILED_PRECONDITION, Then.REJECTED, "the API refuses this message until something is changed by hand"),
    Row(Code.ABORTED, Then.RETRY, "the API met a conflict with another call, and gave this one up"),
    Row(Code.OUT_OF_RANGE, Then.REJECTED, "a value of this message is outside what the API takes"),
    Row(Code.UNIMPLEMENTED, Then.HOLD_CIRCUIT, "this server does not know the call: check PUSHWOOSH_BASE_URL"),
    Row(Code.INTERNAL, Then.RETRY, "the API failed"),
    Row(Code.UNAVAILABLE, Then.RETRY, "the API is not available now"),
    Row(Code.DATA_LOSS, Then.RETRY, "the API failed and lost data of its own"),
    Row(Code.UNAUTHENTICATED, Then.HOLD_TOKEN, "the token is not accepted: check PUSHWOOSH_API_TOKEN; nothing is wrong with the message"),
    # No envelope: the HTTP status alone, whoever answered. The first row that has the status decides
    Row(http(300, 399), Then.HOLD_CIRCUIT, "a redirect, never followed (the token goes nowhere else): check PUSHWOOSH_BASE_URL"),
    Row(http(400), Then.REJECTED, "refused as a bad request"),
    Row(http(401), Then.HOLD_TOKEN, "the token is not accepted: check PUSHWOOSH_API_TOKEN; nothing is wrong with the message"),
    Row(http(402), Then.HOLD_TOKEN, "the account has to be paid: nothing is wrong with the message"),
    Row(http(403), Then.HOLD_TOKEN, "forbidden, by the API or by something before it: check the token; nothing is wrong with the message"),
    Row(http(404), Then.HOLD_CIRCUIT, "not found, and not in the API's own words: no API at this address; check PUSHWOOSH_BASE_URL"),
    Row(http(405), Then.HOLD_CIRCUIT, "POST is not taken at this address: check PUSHWOOSH_BASE_URL"),
    Row(http(407), Then.HOLD_CIRCUIT, "a proxy wants a login: check the network before the API"),
    Row(http(408), Then.RETRY, "the server did not get the whole request in time: not carried out (RFC 9110, 15.5.9)"),
    Row(http(409), Then.RETRY, "a conflict without its reason: of the two that the API knows, the one that passes is supposed"),
    Row(http(410), Then.HOLD_CIRCUIT, "gone, and not in the API's own words: no API at this address any more; check PUSHWOOSH_BASE_URL"),
    Row(http(413), Then.TOO_LARGE, "larger than the API takes"),
    Row(http(415), Then.REJECTED, "the form of this message is not taken"),
    Row(http(421), Then.HOLD_CIRCUIT, "the wrong server for this host: check PUSHWOOSH_BASE_URL"),
    Row(http(425), Then.RETRY_ALL, "too early: not carried out, and every call of this application would hear the same"),
    Row(http(426), Then.HOLD_CIRCUIT, "another protocol is wanted: check PUSHWOOSH_BASE_URL"),
    Row(http(429), Then.RETRY_ALL, "too many calls: not accepted, and every call of this application would hear the same"),
    Row(http(431), Then.HOLD_CIRCUIT, "our headers are too large for this server: they are the same for every message"),
    Row(http(499), Then.RETRY, "a server on the way gave the call up"),
    Row(http(400, 499), Then.REJECTED, "refused with a status that stands for the sender's fault"),
    Row(http(501), Then.HOLD_CIRCUIT, "this server does not know the call: check PUSHWOOSH_BASE_URL"),
    Row(http(504), Then.UNKNOWN, "a gateway waited in vain for the API: the message may have been accepted"),
    Row(http(520), Then.UNKNOWN, "the API's answer did not make sense to the gateway before it: the message may have been accepted"),
    Row(http(521), Then.RETRY, "the API refused the gateway's connection: not accepted"),
    Row(http(522), Then.UNKNOWN, "the gateway lost the API while connected or connecting: the message may have been accepted"),
    Row(http(523), Then.RETRY, "the gateway could not reach the API: not accepted"),
    Row(http(524), Then.UNKNOWN, "the gateway waited in vain for the API's answer: the message may have been accepted"),
    Row(http(525, 526), Then.HOLD_CIRCUIT, "TLS failed between the gateway and the API: it takes a person there; not accepted"),
    Row(http(500, 599), Then.RETRY, "the API, or something before it, failed"),
    Row(http(0, 199), Then.UNKNOWN, "a status that ends no call: nothing tells what became of it"),
    Row(http(600, 999), Then.UNKNOWN, "a status that HTTP does not know: nothing tells what became of it"),
)

RULES: Final[tuple[str, ...]] = (
    "An outcome is a break of the transport or an answer. An answer shows one or two signs: its HTTP status, and what its body says.",
    "2xx: the status only carries the body, the body decides. What is read of a cut body counts if it is whole JSON all the same.",
    "Else, an envelope whose gRPC code belongs to the HTTP status (gRPC-Gateway's map) decides alone: it is finer than the status.",
    "Else, an envelope of another code than the status stands for: both are judged, and the more careful verdict stands: unknown "
    "before hold before retry before dead. A message is dead only where nothing in the answer says that it could still go.",
    "NOT_FOUND, or API 1.3's 210, that names the application as what is missing is APPLICATION_GONE.",
    "A `status_code` (API 1.3), or a `code` of 400 to 599, is read as that HTTP status: as its gRPC code where there is just one.",
    "An error's body that cannot be read says nothing: the status decides.",
    "Retry-After (seconds, or a date against the answer's own Date) and RetryInfo: the longest counts, up to the ceiling; in the past, "
    "negative or not readable counts as none.",
)


def table_markdown() -> str:
    """The table and its rules for the docs."""
    lines = [f"{number}. {rule}" for number, rule in enumerate(RULES, 1)]
    lines += ["", "| what is seen | verdict | reason |", "| --- | --- | --- |"]
    lines += [f"| {described(row.sign)} | {row.then} | {row.why} |" for row in TABLE]
    return "\n".join(lines) + "\n"


def described(sign: Sign) -> str:
    """The sign as a person reads it."""
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


ROW_OF: Final[Mapping[Sign, Row]] = {row.sign: row for row in TABLE if not isinstance(row.sign, Http)}
_BY_STATUS: Final[tuple[tuple[Http, Row], ...]] = tuple((row.sign, row) for row in TABLE if isinstance(row.sign, Http))


def row_of_status(status: int) -> Row:
    """The row of an HTTP status; a number outside 0–999 counts as a status that HTTP does not know."""
    for statuses, row in _BY_STATUS:
        if status in statuses:
            return row
    return _BY_STATUS[-1][1]
