"""Judge: which verdict does an outcome get? Pure; the table says it, the rules below say which row counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, assert_never

from wooshq_schemas import Accepted, NotUnderstood, Refused
from wooshq_worker.api.answer.body import NOT_JSON, glimpse, is_page, is_usable_code, parsed, storable, understood
from wooshq_worker.api.answer.origin import is_own_envelope, is_routers, proxy_form
from wooshq_worker.api.answer.retry_after import not_before
from wooshq_worker.api.answer.words import are_bare, beginning, says_more, sentences
from wooshq_worker.api.outcome import Answer, Break, Outcome
from wooshq_worker.api.signs import HTTP_OF, Code, Http, Says, Sign, http
from wooshq_worker.api.table import RANK, ROW_OF, Row, Then, row_of_status
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown, Verdict
from wooshq_worker.observe.scrub import scrub


def judge(
    outcome: Outcome,
    *,
    now: datetime,
    retry_after_ceiling_s: float,
    secrets: Callable[[], Collection[str]] = tuple,
) -> Verdict:
    """
    The verdict on one call. Never raises, whatever the answer is.

    now: aware UTC; used for a Retry-After date if the answer has no Date of its own. secrets: token and recipients of the request. They
    are asked for only when a detail is written, and no detail contains one.
    """
    if isinstance(outcome, Break):
        row = ROW_OF[outcome.kind]
        return _verdict(row, outcome.kind.upper(), outcome.text, None, secrets)
    body = parsed(outcome.body)
    said = understood(body)
    found = _find_row(outcome, body, said)
    if isinstance(found, Sent):
        return found
    wait_s = not_before(outcome.headers, found.retry_delay_s, now, retry_after_ceiling_s)
    verdict = _verdict(found.row, found.code, found.said, wait_s, secrets)
    if isinstance(verdict, Dead):
        by_api = isinstance(body, Mapping) or verdict.reason == "too_large"  # a size is always the message's own
        return replace(verdict, refused=said if isinstance(said, Refused) else None, by_api=by_api)
    return verdict


@dataclass(frozen=True, slots=True)
class _Found:
    """The row that counts. code: of the verdict. said: the answer's own words, not yet scrubbed. retry_delay_s: RetryInfo of the body."""

    row: Row
    code: str
    said: str = ""
    retry_delay_s: float | None = None


def _find_row(answer: Answer, body: object, said: Accepted | Refused | NotUnderstood) -> Sent | _Found:
    """The rules of `RULES`, in their order."""
    is_2xx = 200 <= answer.status <= 299
    if isinstance(said, Accepted):
        if not is_usable_code(said.message_code):
            said = NotUnderstood("its message code cannot be stored")
        elif is_2xx:
            return Sent(said.message_code, tuple(map(storable, said.unknown_identifiers)))
        else:
            return _found(Says.MESSAGE_CODE_IN_ERROR, beginning(answer.body))
    if isinstance(said, Refused) and not _says_ok(said):
        found = _row_of_envelope(answer.status, said, _words(said, body, answer.body))
        return found if is_own_envelope(said) else _row_of_proxy(found, beginning(answer.body))
    if not is_2xx:
        return _row_of_error(answer, body)
    if answer.cut is not None:
        return _found(Says(f"CUT_{answer.cut.name}"), beginning(answer.body))
    if not answer.body.strip():
        return _found(Says.EMPTY)
    if body is not NOT_JSON:
        why = said.why if isinstance(said, NotUnderstood) else ""
        return _found(Says.NO_MESSAGE_CODE, " — ".join(filter(None, (why, beginning(answer.body)))))
    return _found(Says.HTML, glimpse(answer)) if is_page(answer) else _found(Says.NOT_JSON, beginning(answer.body))


def _row_of_error(answer: Answer, body: object) -> _Found:
    """The row of an error without an envelope: that of its status, unless its words show that a router or a proxy wrote it."""
    said = sentences(body) if body is not NOT_JSON else []
    words = glimpse(answer) or " — ".join(said) or beginning(answer.body)
    found = _Found(row_of_status(answer.status), f"HTTP_{answer.status}", words)
    if answer.status == 400 and (is_page(answer) or is_routers(words)):
        return _found(Says.ROUTER, words)
    return _row_of_proxy(replace(found, said=_with_beginning(words, body, answer.body)), beginning(answer.body))


def _row_of_proxy(found: _Found, text: str) -> _Found:
    """If the status says only that something failed, and a proxy says what: the row of that. text: how the body begins."""
    form = proxy_form(text) if found.row is row_of_status(500) or found.code == Code.UNAVAILABLE.name else None
    if form is None:
        return found
    return replace(found, row=ROW_OF[Says.PROXY_LOST_IT if form.carried else Says.PROXY_HAD_NO_CONNECTION])


def _row_of_envelope(status: int, said: Refused, words: str) -> _Found:
    """The row of an error envelope: its own sign, or that of the HTTP status if that is more careful."""
    sign = _sign_of(said)
    if 200 <= status <= 299:
        return _unless_routers(_found(sign or Says.OTHER_ERROR, words, said.retry_delay_s), said)
    # A 502 is the gateway's own if it has the gateway's envelope.
    row = row_of_status(500 if status == 502 and is_own_envelope(said) else status)
    by_status = _Found(row, f"HTTP_{status}", words, said.retry_delay_s)
    if sign is None or (isinstance(sign, Http) and status in sign):
        return _unless_routers(by_status, said)
    by_body = _found(sign, words, said.retry_delay_s)
    code = _code_of(said)
    belong_together = code is not None and HTTP_OF[code] == status
    return _unless_routers(by_body if belong_together or RANK[by_body.row.then] <= RANK[by_status.row.then] else by_status, said)


def _unless_routers(found: _Found, said: Refused) -> _Found:
    """No message is dead because of a router, which never saw it: the address is wrong, or a deployment lacks the route."""
    if found.row.then is Then.REJECTED and not said.violations and is_routers(said.message):
        return _found(Says.ROUTER, found.said)
    return found


def _found(sign: Sign, said: str = "", retry_delay_s: float | None = None) -> _Found:
    if isinstance(sign, Http):
        return _Found(row_of_status(sign.first), f"HTTP_{sign.first}", said, retry_delay_s)
    return _Found(ROW_OF[sign], sign.name, said, retry_delay_s)


def _says_ok(said: Refused) -> bool:
    """An envelope that reports no error: gRPC OK, or status 200 of API 1.3."""
    return said.code in (None, 0) and said.status_code in (None, 0, 200)


_CODES: Final = frozenset(map(int, Code))
_CODE_OF_HTTP: Final = {status: code for code, status in HTTP_OF.items() if list(HTTP_OF.values()).count(status) == 1}


def _code_of(said: Refused) -> Code | None:
    """The gRPC code of an envelope. An HTTP status (API 1.3's status_code, or a proxy's code) gives the only code that has this status."""
    if said.code is not None and said.code in _CODES:
        return Code(said.code)
    return _CODE_OF_HTTP.get(said.code if said.code is not None else said.status_code or 0)


def _sign_of(said: Refused) -> Sign | None:
    code = _code_of(said)
    legacy = said.code if said.code is not None else said.status_code
    if (code is Code.NOT_FOUND or legacy == 210) and _says_application_is_gone(said):
        return Says.APPLICATION_GONE
    if code is not None:
        return code
    if legacy == 210:
        return Says.STATUS_210
    return http(legacy) if legacy is not None and 400 <= legacy <= 599 else None


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


def _says_application_is_gone(said: Refused) -> bool:
    """
    Whether the application itself is missing. False if it is only mentioned ("segment not found in application X"): one message with a
    wrong segment must not hold all others.
    """
    fields = {path.rsplit(".", 1)[-1].lower() for path, _ in said.violations}
    return "application" in fields or _APPLICATION_IS_GONE.search(said.message[:4096]) is not None


def _with_beginning(words: str, body: object, raw: bytes) -> str:
    """The words; and how the body begins, if they say no more than the status does, and the body says more."""
    if not are_bare(words) or (body is not NOT_JSON and not says_more(body, words)):
        return words
    begins = beginning(raw)
    return words if begins in words else " — ".join(filter(None, (words, begins)))


def _words(said: Refused, body: object, raw: bytes) -> str:
    """The API's message, and whatever the body says that the message does not: violations, lists of errors, a reason."""
    named = [
        f"{path}: {what}" if path else what for path, what in said.violations[:20] if not (path in said.message and what in said.message)
    ]
    words = " — ".join(part for part in (said.message, "; ".join(named)) if part)
    more = [one for one in sentences(body) if one not in words]
    return _with_beginning(" — ".join(part for part in (words, *more) if part), body, raw)


def _verdict(row: Row, code: str, said: str, not_before_s: float | None, secrets: Callable[[], Collection[str]]) -> Verdict:
    words = scrub(said, secrets()) if said else ""
    detail = f"{row.why} ({words})" if words else row.why
    match row.then:
        case Then.RETRY:
            return Retry(code, detail, not_before_s)
        case Then.RETRY_ALL:
            return Retry(code, detail, not_before_s, application_waits=True)
        case Then.RETRY_FREE:
            return Retry(code, detail, not_before_s, costs_attempt=False)
        case Then.REJECTED:
            return Dead("rejected", code, words or row.why)  # only the API's words: letters with the same words are one group
        case Then.TOO_LARGE:
            return Dead("too_large", code, words or row.why)
        case Then.HOLD_CIRCUIT:
            return Hold("circuit", code, detail, not_before_s)
        case Then.HOLD_TOKEN:
            return Hold("token", code, detail, not_before_s)
        case Then.HOLD_APPLICATION:
            return Hold("application", code, detail, not_before_s)
        case Then.NOT_UNDERSTOOD:
            return Unknown(code, detail, not_before_s, understood=False)
        case Then.UNKNOWN | Then.SENT:  # SENT: `_find_row` returns Sent itself, because only it has the message code
            return Unknown(code, detail, not_before_s)
        case _:
            assert_never(row.then)
