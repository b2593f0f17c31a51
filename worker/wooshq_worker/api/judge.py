"""Decides what became of a call, by the verdict table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, assert_never
from urllib.parse import urlsplit

from wooshq_schemas import Accepted, NotUnderstood, Refused, read_answer
from wooshq_worker.api.outcome import Answer, Break, Outcome
from wooshq_worker.api.table import CAREFUL, HTTP_OF, ROW_OF, Code, Http, Row, Says, Sign, Then, http, row_of_status
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown, Verdict
from wooshq_worker.observe.scrub import scrub

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
        row = ROW_OF[outcome.kind]
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
    return _Reading(ROW_OF[sign], sign.name, said, retry_delay_s)


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
            return Retry(code, told, not_before_s, application_waits=True)
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
