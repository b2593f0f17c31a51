"""What an HTTP client is told about an error of wooshq: problem details as in RFC 9457, for any web framework."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from wooshq.errors import (
    CauseUnknown,
    Conflict,
    FeedInterrupted,
    IntentInvalid,
    JobRefused,
    JobUnknown,
    LedgerUnavailable,
    LetterUnknown,
    NotAccepted,
    Problem,
    RecipientsChanged,
    RecipientsUnreadable,
    ReplayUnknown,
    WebhookUnknown,
)

MEDIA_TYPE: Final = "application/problem+json"
_IN_A_FRAGMENT: Final = "/~!$&'()*+,;=:@-._?"
RETRY_AFTER_S: Final = 5
"""What a client is asked to wait while Redis is away."""

EXPLAINED: Final[tuple[type[Exception], ...]] = (
    IntentInvalid,
    Conflict,
    NotAccepted,
    LedgerUnavailable,
    JobRefused,
    JobUnknown,
    CauseUnknown,
    LetterUnknown,
    ReplayUnknown,
    WebhookUnknown,
    FeedInterrupted,
    RecipientsChanged,
    RecipientsUnreadable,
)
"""Errors that an HTTP client can do something about. The others (such as SettingsInvalid) are for the operator, and stay a 500."""


@dataclass(frozen=True, slots=True)
class ProblemDetails:
    """The answer to an HTTP client. members: of the JSON object. Texts name fields, and never contain a value."""

    status: int
    members: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The JSON object, to be sent as MEDIA_TYPE."""
        return json.dumps(self.members, ensure_ascii=False, separators=(",", ":")).encode()


def problem_details(error: Exception) -> ProblemDetails:
    """
    The answer for an error. Raises TypeError for one that is not in EXPLAINED.

    `type` is `urn:wooshq:` and the kind of the error. IntentInvalid and JobRefused: `errors`, a list of `{pointer, field, problem, hint}`.
    Conflict: `accepted_id`, and `fields` that differ. NotAccepted: `ids` of the intents to repeat with, `id` if it is one, and `maybe_done`.
    """
    match error:
        case IntentInvalid():
            return _answer(422, "intent-invalid", "The message is not valid", error, errors=_errors(error.problems))
        case JobRefused():
            return _answer(422, "job-refused", "The recipients do not fit the template", error, errors=_errors(error.problems))
        case Conflict():
            title = "Already accepted with different content"
            return _answer(422, "conflict", title, error, accepted_id=error.accepted_id, fields=list(error.fields))
        case RecipientsChanged() | RecipientsUnreadable():
            return _answer(422, "recipients", "These recipients cannot be used", error)
        case CauseUnknown() | JobUnknown() | LetterUnknown() | ReplayUnknown() | WebhookUnknown():
            return _answer(404, "unknown-id", "Nothing has this id", error)
        case NotAccepted():
            more = {"id": error.intent_id, "ids": list(error.intent_ids), "maybe_done": error.maybe_done}
            return _answer(503, "not-accepted", "The message was not accepted; try again", _without_address(error), **more)
        case FeedInterrupted():
            title = "Only a part of the recipients was accepted; continue"
            return _answer(503, "feed-interrupted", title, _without_address(error), job_id=error.job_id)
        case LedgerUnavailable():
            return _answer(503, "unavailable", "Try again later", _without_address(error), maybe_done=error.maybe_done)
        case _:
            raise TypeError(f"{type(error).__name__} has no problem details: it is for the operator, and not for an HTTP client")


def _answer(status: int, kind: str, title: str, detail: object, **more: Any) -> ProblemDetails:
    members = {"type": f"urn:wooshq:{kind}", "title": title, "status": status, "detail": str(detail), **more}
    return ProblemDetails(status, members, {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {})


def _errors(problems: Sequence[Problem]) -> list[Any]:
    return [{"pointer": pointer_to(problem.field), **problem.as_dict()} for problem in problems]


def pointer_to(field: str) -> str:
    """A problem's field as a JSON pointer in a URI fragment, as in RFC 9457: `#/to/users/0`; `#` for the whole."""
    parts = (part.replace("~", "~0").replace("/", "~1") for part in field.split("."))
    return f"#/{quote('/'.join(parts), safe=_IN_A_FRAGMENT)}" if field else "#"


def _without_address(error: Exception) -> str:
    """For a client: the error's own text says where Redis is, and that is nobody's business outside."""
    if isinstance(error, FeedInterrupted):
        return "Repeat the request with the same recipients and this job_id. Nobody gets the message twice."
    if isinstance(error, LedgerUnavailable):
        return "The record of messages does not answer." + (" What was asked may have been done." if error.maybe_done else "")
    if isinstance(error, NotAccepted) and error.maybe_done:
        return "It may have been accepted. Repeat it with the same id: nobody gets the message twice."
    return "Nothing was accepted. Repeat it; with the same id, nobody gets the message twice."
