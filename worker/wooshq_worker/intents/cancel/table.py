"""The table of cancellations: what an answer to a request to cancel means. `python -m wooshq_worker.intents.cancel.table` writes its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

from wooshq_worker.api.outcome import NOT_SENT, Broke
from wooshq_worker.api.signs import Code, Http, described, http


class Then(StrEnum):
    """What follows, the most careful first. A second request does no harm, so everything that may pass is asked again."""

    AGAIN_IN_DOUBT = "ask again; it may have been cancelled"
    AGAIN = "ask again"
    REFUSED = "not cancelled"
    CANCELLED = "cancelled"


class Seen(StrEnum):
    """What a body says if neither an HTTP status nor a gRPC code decides."""

    OBJECT = "2xx with a JSON object"
    NOT_UNDERSTOOD = "2xx with anything else"
    NO_ROUTE = "gRPC 5 whose message is only `Not Found`"
    NO_TOKEN = "no token for the application"


Sign: TypeAlias = Broke | Seen | Code | Http


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. why: the reason, for a person."""

    sign: Sign
    then: Then
    why: str


_D, _A, _R, _C = Then.AGAIN_IN_DOUBT, Then.AGAIN, Then.REFUSED, Then.CANCELLED

TABLE: Final[tuple[Row, ...]] = (
    Row(Seen.OBJECT, _C, "Pushwoosh cancelled the message"),
    Row(Seen.NOT_UNDERSTOOD, _D, "the answer could not be understood"),
    Row(Seen.NO_ROUTE, _A, "the API does not have this call at this address: check PUSHWOOSH_BASE_URL"),
    Row(Seen.NO_TOKEN, _A, "this process has no token for the application: set PUSHWOOSH_API_TOKEN"),
    *(
        Row(kind, _A if kind in NOT_SENT else _D, "the API could not be asked" if kind in NOT_SENT else "no answer came from the API")
        for kind in Broke
    ),
    Row(Code.CANCELLED, _D, "the API dropped the call"),
    Row(Code.UNKNOWN, _D, "the API failed without a reason"),
    Row(Code.INVALID_ARGUMENT, _R, "Pushwoosh cannot cancel the message any more, or does not accept its code"),
    Row(Code.DEADLINE_EXCEEDED, _D, "the API ran out of time"),
    Row(Code.NOT_FOUND, _R, "Pushwoosh does not know the message"),
    Row(Code.ALREADY_EXISTS, _R, "Pushwoosh refuses to cancel the message"),
    Row(Code.PERMISSION_DENIED, _R, "the message belongs to another account, or the token may not cancel it"),
    Row(Code.RESOURCE_EXHAUSTED, _A, "too many calls"),
    Row(Code.FAILED_PRECONDITION, _R, "Pushwoosh cannot cancel the message any more"),
    Row(Code.ABORTED, _A, "the call conflicted with another one"),
    Row(Code.OUT_OF_RANGE, _R, "Pushwoosh refuses to cancel the message"),
    Row(Code.UNIMPLEMENTED, _A, "this server does not know the call: check PUSHWOOSH_BASE_URL"),
    Row(Code.INTERNAL, _D, "the API failed"),
    Row(Code.UNAVAILABLE, _A, "the API is not available"),
    Row(Code.DATA_LOSS, _D, "the API failed and lost data"),
    Row(Code.UNAUTHENTICATED, _A, "the token is not accepted: check PUSHWOOSH_API_TOKEN"),
    # No envelope: the HTTP status alone decides. The first row with the status counts.
    Row(http(300, 399), _A, "a redirect, which wooshq never follows: check PUSHWOOSH_BASE_URL"),
    Row(http(400), _R, "refused as a bad request"),
    Row(http(401, 407), _A, "the API, or a server in front of it, did not let the call through: check token and PUSHWOOSH_BASE_URL"),
    Row(http(408, 409), _A, "the server did not process the call"),
    Row(http(410), _A, "the API is not at this address: check PUSHWOOSH_BASE_URL"),
    Row(http(421), _A, "the wrong server for this host: check PUSHWOOSH_BASE_URL"),
    Row(http(425, 429), _A, "too many calls, or too early"),
    Row(http(499), _D, "a server in front of the API dropped the call"),
    Row(http(400, 499), _R, "refused with a status that means a fault in the request"),
    Row(http(0, 999), _D, "the API failed, or a server in front of it did"),
)

ROW_OF: Final[Mapping[Sign, Row]] = {row.sign: row for row in TABLE if not isinstance(row.sign, Http)}
_BY_STATUS: Final = tuple((row.sign, row) for row in TABLE if isinstance(row.sign, Http))
RANK: Final = {then: rank for rank, then in enumerate(Then)}
"""0 is the most careful."""


def row_of_status(status: int) -> Row:
    """The row of an HTTP status without an envelope."""
    return next((row for statuses, row in _BY_STATUS if status in statuses), TABLE[-1])


PAGE: Final = Path("docs", "cancels.md")


def table_markdown() -> str:
    """The text of `PAGE`."""
    lines = [
        "# Cancelling a sent message",
        "",
        "The meaning of each answer to `POST /messaging/v2/cancel`. Written by `python -m wooshq_worker.intents.cancel.table`; edit",
        "`worker/wooshq_worker/intents/cancel/table.py`, not this file. The answers to a message are in [verdicts.md](verdicts.md).",
        "",
        "1. If the body has a gRPC code that belongs to the HTTP status, the code decides. If it belongs to another status, the more careful row counts.",
        "2. *Ask again*: wooshq asks again with backoff, never before Retry-After, until a minute after the schedule. Gates do not hold these requests.",
        "3. *It may have been cancelled*: the answer counts as lost. If a later request is refused, the outcome is `unknown`: the earlier request may",
        "   have cancelled the message.",
        "4. *Cancelled* and *not cancelled* are final. `wooshq status` shows the outcome and the API's own words.",
        "",
        "| answer or failure | what wooshq does | reason |",
        "| --- | --- | --- |",
        *(f"| {row.sign if isinstance(row.sign, Seen) else described(row.sign)} | {row.then} | {row.why} |" for row in TABLE),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (Path(__file__).parents[4] / PAGE).write_text(table_markdown(), encoding="utf-8")
