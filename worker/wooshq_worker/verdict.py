"""What became of a call? One table: HTTP status × gRPC code × body × what the transport did → sent, retry, dead, hold, unknown."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import IntEnum, StrEnum
from typing import ClassVar, Final, Literal, TypeAlias, assert_never
from urllib.parse import quote, urlsplit

from wooshq_schemas.answer import Accepted, NotUnderstood, Refused, read_answer

# ── What goes in: an answer, or what broke instead ──────────────────────────────────────────────────────────────────────────────────


class Broke(StrEnum):
    """What the transport did instead of bringing an answer. The comment says whether our bytes may have left."""

    REFUSED = "refused"  #: not left
    DNS = "dns"  #: not left
    CONNECT_FAILED = "connect_failed"  #: not left
    CONNECT_TIMEOUT = "connect_timeout"  #: not left
    TLS = "tls"  #: not left
    NOT_WRITTEN = "not_written"  #: not left: the connection out of the pool was gone before the first byte
    POOL = "pool"  #: not left: our own fault
    CLOSED = "closed"  #: not left: our own client was closed
    DISCONNECTED = "disconnected"  #: may have left
    RESET = "reset"  #: may have left
    SILENT = "silent"  #: may have left
    DEADLINE = "deadline"  #: may have left
    MALFORMED = "malformed"  #: may have left
    STRANGE = "strange"  #: may have left


NOT_LEFT: Final = frozenset(
    {Broke.REFUSED, Broke.DNS, Broke.CONNECT_FAILED, Broke.CONNECT_TIMEOUT, Broke.TLS, Broke.NOT_WRITTEN, Broke.POOL, Broke.CLOSED}
)


class Cut(StrEnum):
    """Why the body of an answer is not whole."""

    LIMIT = "limit"  #: longer than we read
    BROKEN = "broken"  #: the connection ended in the middle
    STALLED = "stalled"  #: silence in the middle
    DEADLINE = "deadline"  #: it dripped until the total deadline
    ENCODING = "encoding"  #: a Content-Encoding that is unknown to us or not what it says


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An answer of whoever answered: the API, or something before it.

    headers: lower-case name → every value given, in order; only the names in `HEADERS` are looked at.
    body: decompressed, at most `answer_limit_bytes`. cut: why it is not the whole body; None: it is.
    """

    status: int
    headers: Mapping[str, Sequence[str]]
    body: bytes
    cut: Cut | None = None


@dataclass(frozen=True, slots=True)
class Break:
    """No answer. text: for a person, of the transport's own words, not yet scrubbed."""

    kind: Broke
    text: str = ""

    @property
    def may_have_left(self) -> bool:
        """Whether a byte of the request may have reached the other side."""
        return self.kind not in NOT_LEFT


Outcome: TypeAlias = Answer | Break

HEADERS: Final = frozenset({"retry-after", "date", "content-type", "location"})


# ── What comes out ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Sent:
    """The API accepted the message and gave it a code."""

    outcome: ClassVar[Literal["sent"]] = "sent"
    message_code: str
    unknown_identifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """
    It was not accepted, and another attempt may do.

    code: machine-readable (`UNAVAILABLE`, `HTTP_502`, `REFUSED`). not_before_s: seconds from now that the API asked for, capped.
    gate: 429 and its like: the whole application has to wait, not only this message.
    costs_attempt: False where the fault is our own and nothing was tried.
    """

    outcome: ClassVar[Literal["retry"]] = "retry"
    code: str
    detail: str
    not_before_s: float | None = None
    gate: bool = False
    costs_attempt: bool = True


@dataclass(frozen=True, slots=True)
class Dead:
    """This message will never do. refused: the API's own envelope, unscrubbed, where there is one; it stays in this process."""

    outcome: ClassVar[Literal["dead"]] = "dead"
    reason: Literal["rejected", "too_large"]
    code: str
    detail: str
    refused: Refused | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is wrong with this message: a gate shuts, and the message waits without an attempt being counted."""

    outcome: ClassVar[Literal["hold"]] = "hold"
    gate: Literal["circuit", "token", "application"]
    code: str
    detail: str
    not_before_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request left, and nothing tells whether the message was accepted: `on_unknown` decides. not_before_s: as in Retry."""

    outcome: ClassVar[Literal["unknown"]] = "unknown"
    code: str
    detail: str
    not_before_s: float | None = None


Verdict: TypeAlias = Sent | Retry | Dead | Hold | Unknown


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


_BY_SIGN: Final[Mapping[Sign, Row]] = {row.sign: row for row in TABLE if not isinstance(row.sign, Http)}
_BY_STATUS: Final[tuple[tuple[Http, Row], ...]] = tuple((row.sign, row) for row in TABLE if isinstance(row.sign, Http))


def row_of_status(status: int) -> Row:
    """The row of an HTTP status; a number outside 0–999 counts as a status that HTTP does not know."""
    for statuses, row in _BY_STATUS:
        if status in statuses:
            return row
    return _BY_STATUS[-1][1]


# ── Judging ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def judge(
    outcome: Outcome,
    *,
    now: datetime,
    retry_after_ceiling_s: float,
    secrets: Callable[[], Collection[str]] = tuple,
) -> Verdict:
    """
    The verdict on one call. Pure; never raises, whatever the answer is.

    now: aware UTC; against it a Retry-After date counts where the answer has no Date of its own. secrets: token and recipients of the
    request, asked for only where a detail is written; none of them is in any detail.
    """
    if isinstance(outcome, Break):
        row = _BY_SIGN[outcome.kind]
        return _verdict(row, outcome.kind.upper(), outcome.text, None, secrets)
    reading = _read(outcome)
    if isinstance(reading, Sent):
        return reading
    not_before_s = _not_before(outcome.headers, reading.retry_delay_s, now, retry_after_ceiling_s)
    verdict = _verdict(reading.row, reading.code, reading.said, not_before_s, secrets)
    if isinstance(verdict, Dead):
        said = _understood(_parsed(outcome.body))
        return replace(verdict, refused=said if isinstance(said, Refused) else None)
    return verdict


@dataclass(frozen=True, slots=True)
class _Reading:
    row: Row
    code: str
    said: str = ""
    retry_delay_s: float | None = None


def _read(answer: Answer) -> Sent | _Reading:
    """Which row an answer falls in: the rules of `RULES`, in their order."""
    carries = 200 <= answer.status <= 299
    body = _parsed(answer.body)
    said = _understood(body)
    if isinstance(said, Accepted):
        if not _usable(said.message_code):
            said = NotUnderstood("its message code cannot be stored")
        elif carries:
            return Sent(said.message_code, tuple(map(_storable, said.unknown_identifiers)))
        else:
            return _reading(Says.MESSAGE_CODE_IN_ERROR)
    if isinstance(said, Refused) and not (said.code in (None, 0) and said.status_code in (None, 0, 200)):
        sign = _sign_of(said)
        words = _words(said)
        if carries:
            return _reading(sign or Says.OTHER_ERROR, words, said.retry_delay_s)
        by_status = row_of_status(answer.status)
        if sign is None or (isinstance(sign, Http) and answer.status in sign):
            return _Reading(by_status, f"HTTP_{answer.status}", words, said.retry_delay_s)
        by_body = _reading(sign, words, said.retry_delay_s)
        agrees = HTTP_OF.get(_code_of(said) or Code.UNKNOWN) == answer.status and _code_of(said) is not None
        if agrees or CAREFUL[by_body.row.then] <= CAREFUL[by_status.then]:
            return by_body
        return _Reading(by_status, f"HTTP_{answer.status}", words, said.retry_delay_s)
    if not carries:
        return _Reading(row_of_status(answer.status), f"HTTP_{answer.status}", _glimpse(answer))
    if answer.cut is not None:
        return _reading(Says(f"CUT_{answer.cut.name}"))
    if not answer.body.strip():
        return _reading(Says.EMPTY)
    if body is not _NOT_JSON:
        return _reading(Says.NO_MESSAGE_CODE, said.why if isinstance(said, NotUnderstood) else "")
    return _reading(Says.HTML, _glimpse(answer)) if _is_page(answer) else _reading(Says.NOT_JSON)


def _reading(sign: Sign, said: str = "", retry_delay_s: float | None = None) -> _Reading:
    if isinstance(sign, Http):
        return _Reading(row_of_status(sign.first), f"HTTP_{sign.first}", said, retry_delay_s)
    return _Reading(_BY_SIGN[sign], sign.name, said, retry_delay_s)


def _code_of(said: Refused) -> Code | None:
    """The gRPC code of an envelope; a number that HTTP uses (API 1.3's status_code, or a proxy's code) as the one code it stands for."""
    if said.code is not None and said.code in _CODES:
        return Code(said.code)
    return _CODE_OF_HTTP.get(said.code if said.code is not None else said.status_code or 0)


def _sign_of(said: Refused) -> Sign | None:
    code = _code_of(said)
    legacy = said.code if said.code is not None else said.status_code
    if (code is Code.NOT_FOUND or legacy == 210) and _names_application(said):
        return Says.APPLICATION_GONE
    if code is not None:
        return code
    if legacy == 210:
        return Says.STATUS_210
    return http(legacy) if legacy is not None and 400 <= legacy <= 599 else None


_CODES: Final = frozenset(map(int, Code))
_CODE_OF_HTTP: Final = {status: code for code, status in HTTP_OF.items() if list(HTTP_OF.values()).count(status) == 1}

_APPLICATION_IS_GONE: Final = re.compile(
    r"""
    \bapp(lication)?([ _]code)?                                  # "application …
    (\s*[:=]?\s*["'`(]?[A-Z0-9]{5}-[A-Z0-9]{5}["'`)]?)?          #  … XXXXX-XXXXX …
    \s*(is\s+|was\s+|has\s+been\s+)?                             #  … is …
    (not\s+found|unknown|deleted|disabled|does\s+not\s+exist|doesn't\s+exist)
    | \b(unknown|no\s+such)\s+app(lication)?\b
    | \bnot\s+found:\s*app(lication)?\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


def _names_application(said: Refused) -> bool:
    """
    Whether the application is what is missing. Not where it is only mentioned ("segment not found in application X"): one message
    with a wrong segment must not hold everybody else's.
    """
    fields = {path.rsplit(".", 1)[-1].lower() for path, _ in said.violations}
    return "application" in fields or _APPLICATION_IS_GONE.search(said.message[:4096]) is not None


def _words(said: Refused) -> str:
    """What the API said, with the fields it names where the message does not name them."""
    named = [
        f"{path}: {what}" if path else what for path, what in said.violations[:20] if not (path in said.message and what in said.message)
    ]
    return " — ".join(part for part in (said.message, "; ".join(named)) if part)


def _verdict(row: Row, code: str, said: str, not_before_s: float | None, secrets: Callable[[], Collection[str]]) -> Verdict:
    words = scrub(said, secrets()) if said else ""
    told = f"{row.why} ({words})" if words else row.why
    match row.then:
        case Then.RETRY:
            return Retry(code, told, not_before_s)
        case Then.RETRY_ALL:
            return Retry(code, told, not_before_s, gate=True)
        case Then.RETRY_FREE:
            return Retry(code, told, not_before_s, costs_attempt=False)
        case Then.REJECTED:
            return Dead("rejected", code, words or row.why)  # the API's own words, so that letters group by what they have in common
        case Then.TOO_LARGE:
            return Dead("too_large", code, words or row.why)
        case Then.HOLD_CIRCUIT:
            return Hold("circuit", code, told, not_before_s)
        case Then.HOLD_TOKEN:
            return Hold("token", code, told, not_before_s)
        case Then.HOLD_APPLICATION:
            return Hold("application", code, told, not_before_s)
        case Then.UNKNOWN | Then.SENT:  # Sent is made where the message code is read; without one there is no Sent
            return Unknown(code, told, not_before_s)
        case _:
            assert_never(row.then)


# ── Reading bodies and headers that strangers wrote ─────────────────────────────────────────────────────────────────────────────────

_NOT_JSON: Final = object()
_TITLE: Final = re.compile(r"<title[^>]*>(.{0,200}?)</title>", re.IGNORECASE | re.DOTALL)


def _parsed(body: bytes) -> object:
    """The JSON in the body, or `_NOT_JSON`. Broken UTF-8 in a message is no reason not to read the rest."""
    try:
        return json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):  # ValueError also for integers of thousands of digits
        return _NOT_JSON


def _understood(body: object) -> Accepted | Refused | NotUnderstood:
    """What the body says. A number that is no number (a retryDelay beyond floats) must not cost us the verdict."""
    if body is _NOT_JSON:
        return NotUnderstood("not JSON")
    try:
        return read_answer(body)
    except (ArithmeticError, TypeError, ValueError) as error:
        return NotUnderstood(f"reading it failed with {type(error).__name__}")


def _usable(message_code: str) -> bool:
    """Whether a message code can be stored and shown: anything else is no message code."""
    return 0 < len(message_code) <= 256 and message_code.isprintable() and not message_code.isspace()


def _storable(identifier: str) -> str:
    """Lone surrogates out: an identifier that no UTF-8 can carry must not stop the settle."""
    return identifier if identifier.isprintable() else identifier.encode("utf-8", "replace").decode()


def _is_page(answer: Answer) -> bool:
    kinds = " ".join(answer.headers.get("content-type", ())).lower()
    return "html" in kinds or answer.body.lstrip()[:1] == b"<"


def _glimpse(answer: Answer) -> str:
    """Where a redirect points, or a page's title: for the person who has to find out who answered."""
    if 300 <= answer.status <= 399:
        for location in answer.headers.get("location", ()):
            try:
                parts = urlsplit(location)
                return f"to {parts.scheme}://{parts.hostname}" if parts.hostname else "to the same host"
            except ValueError:
                return "to an address that is none"
    if _is_page(answer):
        title = _TITLE.search(answer.body[:16384].decode("utf-8", "replace"))
        return f"a page titled {title[1].strip()!r}" if title and title[1].strip() else "a page"
    return ""


_SECONDS: Final = re.compile(r"\d{1,300}(\.\d{1,20})?(e\+?\d{1,3})?", re.IGNORECASE | re.ASCII)


def _not_before(headers: Mapping[str, Sequence[str]], retry_delay_s: float | None, now: datetime, ceiling_s: float) -> float | None:
    """Seconds from now that the API asked for; the longest of all that it gave; None where it gave none that can be used."""
    asked = [retry_delay_s] if retry_delay_s is not None else []
    given = headers.get("retry-after", ())
    if given:
        dates = headers.get("date", ())
        answered_at = _date(dates[0]) if len(dates) == 1 else None
        for value in given:
            asked += _retry_after(value.strip(), answered_at or now)
    usable = [seconds for seconds in asked if seconds > 0]  # NaN is not greater than 0 either
    return min(max(usable), ceiling_s) if usable else None


def _retry_after(value: str, since: datetime) -> Iterable[float]:
    """Seconds, a date, or a list of seconds (two headers that a proxy joined with a comma)."""
    parts = [part.strip() for part in value.split(",")]
    if all(_SECONDS.fullmatch(part) for part in parts):
        return [float(part) for part in parts]
    date = _date(value)
    return [(date - since).total_seconds()] if date else []


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


# ── Scrubbing ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

DETAIL_LIMIT: Final = 500
"""Characters of a detail: enough for a person, too few to fill a log."""
_LOOKED_AT: Final = 20_000
_ESCAPES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]?|\x9b[0-?]*[ -/]*[@-~]")
_TOKEN_HEADER: Final = re.compile(
    r"""(?i)\b(authorization\s*[:=]\s*(?:token|bearer|basic)?|token)(\s*[:=]?\s+|\s*[:=]\s*)["']?[A-Za-z0-9._~+/=-]{16,}"""
)
MASK: Final = "[…]"


def scrub(text: str, secrets: Collection[str]) -> str:
    """
    `text` as it may be logged, stored and shown: no control characters, escapes or invisible ones; none of the secrets, whatever
    their case, also where they are escaped for a URL or JSON; at most `DETAIL_LIMIT` characters.

    A secret of up to 3 characters is masked only where it stands alone: a user "1" must not blacken every 1.

    >>> scrub("no user Ann@Example.com \\x1b[31m!", ["ann@example.com"])
    'no user […] !'
    """
    looked_at = _plain(text[:_LOOKED_AT])
    cut_by = max(map(len, secrets), default=0) * 6 if len(text) > _LOOKED_AT else 0  # the end may hold half a secret; 6: \\u00e9 for é
    folded = looked_at.casefold()
    forms: dict[str, None] = {}
    for secret in secrets:
        for form in {plain for plain in (_plain(secret), quote(secret, safe="", errors="replace"), json.dumps(secret)[1:-1]) if plain}:
            if form.casefold() in folded:
                forms[form] = None
    if forms:
        longest_first = sorted(forms, key=len, reverse=True)
        pattern = "|".join(re.escape(form) if len(form) > 3 else rf"(?<!\w){re.escape(form)}(?!\w)" for form in longest_first)
        looked_at = re.sub(pattern, MASK, looked_at, flags=re.IGNORECASE)
    looked_at = looked_at[:-cut_by] if cut_by else looked_at
    looked_at = _TOKEN_HEADER.sub(rf"\1\2{MASK}", looked_at)
    return looked_at if len(looked_at) <= DETAIL_LIMIT else looked_at[: DETAIL_LIMIT - 1] + "…"


def _plain(text: str) -> str:
    """One line of visible characters."""
    if text.isprintable():
        return text.strip()
    text = _ESCAPES.sub("", text)
    seen = (char if char.isprintable() else " " if char.isspace() or unicodedata.category(char) == "Zs" else "" for char in text)
    return " ".join("".join(seen).split())
