"""The verdict table: which verdict follows from each sign of an outcome. `python -m wooshq_worker.api.table` writes docs/verdicts.md."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from textwrap import dedent
from typing import Final

from wooshq.letters.acts import MEANS
from wooshq.letters.acts import TABLE as ACTS
from wooshq_worker.api.answer.origin import FORMS_503
from wooshq_worker.api.outcome import Broke
from wooshq_worker.api.signs import Code, Http, Says, Sign, described, http


class Then(StrEnum):
    """
    The verdicts that a row can name, the most careful one first: if two signs of one answer disagree, the earlier verdict counts.

    Each docstring lists everything that follows from the verdict, with the file of each. Files are below `worker/wooshq_worker/` or
    `tasks/wooshq/`; a test checks that they exist.
    """

    NOT_UNDERSTOOD = "unknown (not understood)"
    """
    A whole answer came, and wooshq does not understand it. The message was probably accepted. The next call would get the same answer.

    - Three such answers in ten minutes, or 100 recipients of such calls, shut the gate `answers` of the application. It shows one of the
      answers. It shuts in this process at once (`api/gates.py`), and then for all workers (`ledger/scripts/gates/report.lua`).
    - The gate lets one probe through at a time, for one recipient of a job (`ledger/scripts/chunks/begin.lua`), and none for an intent that is
      in doubt while another one waits (`ledger/scripts/intents/take.lua`). Two probes are up to an hour apart.
    - It does not count for the gate `circuit`. Otherwise the same as `unknown`.
    """
    UNKNOWN = "unknown"
    """
    The request may have been accepted, and no answer says so.

    - This claim does not call again: another call may send the message twice (`api/deliver.py`).
    - It counts as a failure: after `WOOSHQ_BREAKER_FAILURES` failures in a row, or 1,000 recipients of such calls, the circuit breaker opens
      (`api/gates.py`, `ledger/scripts/gates/report.lua`). A probe may leave somebody in doubt, so one goes at a time, to one recipient of a job,
      and two probes are up to ten times as far apart.
    - The intent is in doubt, which is recorded (`intents/settlement.py`, `ledger/scripts/intents/settle.lua`). `on_unknown` decides:
      `resend` makes it wait like a `retry`, `dead_letter` makes it a dead letter `unknown`. An intent that was sent again
      `WOOSHQ_UNKNOWN_RESENDS` times becomes a dead letter, too (`intents/render.py`).
    - The recipients of a job's call are in doubt, which is recorded (`jobs/call_ended.py`, `ledger/scripts/chunks/record.lua`); `on_unknown`
      decides for them, too.
    """
    HOLD_TOKEN = "hold (token)"
    """
    The API refuses the token; the messages are not the cause.

    - Gate `token` shuts in this process at once (`api/gates.py`), and then for all workers (`intents/settler.py`,
      `ledger/scripts/gates/report.lua`). `api/gates.py` logs it and reports it to Sentry.
    - No further call of the application starts here (`intents/batch.py`, `jobs/make_calls.py`) or in any worker
      (`ledger/scripts/intents/take.lua`, `ledger/scripts/chunks/begin.lua`).
    - The intent goes back to its queue, and no attempt is counted (`intents/settlement.py`, `ledger/scripts/intents/settle.lua`).
    - A chunk goes back to its queue, and its recipients wait (`jobs/call_ended.py`, `jobs/hold_chunk.py`).
    - The gate lets probes through from time to time; when one succeeds, workers take what waits (`process/dispatch.py`,
      `ledger/scripts/intents/take.lua`).
    """
    HOLD_APPLICATION = "hold (application)"
    """
    The API does not know the application; the messages are not the cause.

    - The same as `hold (token)`, with the gate `application`.
    """
    HOLD_CIRCUIT = "hold (circuit)"
    """
    No call can succeed now: TLS fails, or the address is wrong; the messages are not the cause.

    - The same as `hold (token)`, with the gate `circuit`.
    """
    RETRY_ALL = "retry, whole application waits"
    """
    The API limits the rate (status 429 or 425, or code 8, RESOURCE_EXHAUSTED): every call of this application would get the same answer.

    - No short retry in this claim (`api/deliver.py`).
    - Gate `not_before` shuts in this process at once, until the time that Retry-After names, or for a second (`api/answer/retry_after.py`,
      `api/gates.py`).
    - The ledger is told before anything else is settled (`intents/settler.py`), and shuts the gate for all workers
      (`ledger/scripts/gates/report.lua`). `api/gates.py` logs it and reports it to Sentry.
    - The rate of the application is lowered to what the API seems to allow, and rises again slowly
      (`ledger/scripts/shared/learned_rate.lua`). All lanes share it (`ledger/scripts/shared/pace.lua`).
    - No further call of the application starts here (`intents/batch.py`, `jobs/make_calls.py`) or in any worker
      (`ledger/scripts/intents/take.lua`, `ledger/scripts/chunks/begin.lua`).
    - The intent goes to the due set: never before Retry-After, with backoff and a small random delay (`intents/settlement.py`,
      `api/backoff.py`, `ledger/scripts/intents/settle.lua`). If it is too old it becomes a dead letter `exhausted`.
    - A chunk starts no further call and goes back to its queue. The recipients of this call are sent to again
      (`jobs/call_ended.py`, `jobs/hold_chunk.py`, `ledger/scripts/chunks/record.lua`).
    - After Retry-After the gate lets probes through; when one succeeds, workers take what waits (`process/dispatch.py`,
      `ledger/scripts/intents/take.lua`).
    - `wooshq gates` shows the gate (`ledger/gates.py`).
    """
    RETRY = "retry"
    """
    Not accepted, and another attempt may succeed.

    - A short retry in this claim, if its wait fits (`api/deliver.py`). The call before it is recorded first: if the worker is lost during the
      wait, nothing is in doubt (`intents/batch.py`, `ledger/scripts/intents/note.lua`).
    - It counts as a failure: after `WOOSHQ_BREAKER_FAILURES` failures in a row, the circuit breaker opens (`api/gates.py`, `ledger/scripts/gates/report.lua`).
    - The intent goes to the due set with exponential backoff, and never before Retry-After (`intents/settlement.py`, `api/backoff.py`,
      `ledger/scripts/intents/settle.lua`). If it is too old it becomes a dead letter `exhausted`.
    - The recipients of a job's call are sent to in the next round of their chunk (`jobs/call_ended.py`, `jobs/hold_chunk.py`).
    """
    RETRY_FREE = "retry, costs no attempt"
    """
    The cause is in this worker, and nothing was sent.

    - No short retry in this claim (`api/deliver.py`).
    - It does not count as a failure for the circuit breaker (`api/gates.py`).
    - Otherwise the same as `retry`.
    """
    TOO_LARGE = "dead (too_large)"
    """
    The API does not accept a request of this size.

    - The same as `dead (rejected)`, with the reason `too_large`. A shared call of a job is halved first (`jobs/blame.py`).
    """
    REJECTED = "dead (rejected)"
    """
    The API refuses this message and will refuse it again.

    - The API answers, so the circuit breaker counts a success (`api/gates.py`). If the body is not a JSON object, something else may have
      written it (a firewall), and the circuit breaker counts a failure.
    - The intent becomes a dead letter `rejected` (`intents/settlement.py`, `ledger/scripts/intents/settle.lua`), and is reported to
      Sentry (`intents/settler.py`).
    - A shared call of a job is halved until each bad recipient is alone (`jobs/blame.py`, `jobs/call_ended.py`); they become dead letters
      (`ledger/scripts/chunks/file_letters.lua`). A refusal that is not about recipients stops the job (`ledger/scripts/chunks/record.lua`).
    """
    SENT = "sent"
    """
    The API accepted the message.

    - The circuit breaker counts a success; if the call was a probe, the gate opens (`api/gates.py`, `ledger/scripts/gates/report.lua`).
    - The intent is final, with its message code and the identifiers that the API does not know (`intents/settlement.py`,
      `ledger/scripts/intents/settle.lua`). A letter that it replays is closed.
    - The recipients of a job's call are marked as sent, or as unknown to the API (`jobs/call_ended.py`, `ledger/scripts/chunks/record.lua`).
    """


RANK: Final = {then: rank for rank, then in enumerate(Then)}
"""0 is the most careful verdict."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. why: the reason, for a person. A detail begins with it, except the detail of a dead letter."""

    sign: Sign
    then: Then
    why: str


TABLE: Final[tuple[Row, ...]] = (
    # The transport broke: what counts is whether a byte of the request may have been sent.
    Row(Broke.REFUSED, Then.RETRY, "connection refused: nothing was sent"),
    Row(Broke.DNS, Then.RETRY, "the host name could not be resolved: nothing was sent"),
    Row(Broke.CONNECT_FAILED, Then.RETRY, "the connection could not be made: nothing was sent"),
    Row(Broke.CONNECT_TIMEOUT, Then.RETRY, "no connection within the connect timeout: nothing was sent"),
    Row(Broke.NOT_WRITTEN, Then.RETRY, "a kept connection was closed before the request was written: nothing was sent"),
    Row(
        Broke.TLS,
        Then.HOLD_CIRCUIT,
        "TLS failed (certificate, host name or version): the token goes only to a server that proves its identity",
    ),
    Row(Broke.POOL, Then.RETRY_FREE, "this worker has more calls than connections (its own fault): nothing was sent"),
    Row(Broke.CLOSED, Then.RETRY_FREE, "this worker is shutting down: nothing was sent"),
    Row(Broke.DISCONNECTED, Then.UNKNOWN, "the connection was closed without an answer: the message may have been accepted"),
    Row(Broke.RESET, Then.UNKNOWN, "the connection was reset without an answer: the message may have been accepted"),
    Row(Broke.SILENT, Then.UNKNOWN, "no answer within the read timeout: the message may have been accepted"),
    Row(Broke.DEADLINE, Then.UNKNOWN, "no complete answer within the total timeout: the message may have been accepted"),
    Row(Broke.MALFORMED, Then.NOT_UNDERSTOOD, "the answer is not valid HTTP: the message may have been accepted"),
    Row(Broke.STRANGE, Then.UNKNOWN, "the call failed in an unexpected way: the message may have been accepted"),
    # The body decides.
    Row(Says.MESSAGE_CODE, Then.SENT, "2xx with a message code: accepted"),
    Row(Says.MESSAGE_CODE_IN_ERROR, Then.NOT_UNDERSTOOD, "an error status with a message code in the body: the answer contradicts itself"),
    Row(Says.APPLICATION_GONE, Then.HOLD_APPLICATION, "the API does not know the application: the message itself is fine"),
    Row(
        Says.ROUTER,
        Then.HOLD_CIRCUIT,
        "a router or a web server answered, and not the API: not accepted; check PUSHWOOSH_BASE_URL",
    ),
    Row(Says.PROXY_LOST_IT, Then.UNKNOWN, "a proxy lost its connection to the API: the message may have been accepted"),
    Row(Says.PROXY_HAD_NO_CONNECTION, Then.RETRY, "a proxy did not pass the call on to the API: not accepted"),
    Row(Says.STATUS_210, Then.REJECTED, "the API refuses this message (status 210 of API 1.3), and will refuse it again"),
    Row(Says.OTHER_ERROR, Then.NOT_UNDERSTOOD, "2xx with an unknown error in the body: the message may have been accepted"),
    Row(Says.NO_MESSAGE_CODE, Then.NOT_UNDERSTOOD, "2xx without a message code: the message may have been accepted"),
    Row(Says.NOT_JSON, Then.NOT_UNDERSTOOD, "2xx with a body that is not JSON: the message may have been accepted"),
    Row(
        Says.HTML,
        Then.NOT_UNDERSTOOD,
        "2xx with a web page (a proxy or a login): check PUSHWOOSH_BASE_URL; the message may have been accepted",
    ),
    Row(Says.EMPTY, Then.NOT_UNDERSTOOD, "2xx without a body: the message may have been accepted"),
    Row(Says.CUT_LIMIT, Then.NOT_UNDERSTOOD, "2xx with a body longer than wooshq reads: the message may have been accepted"),
    Row(Says.CUT_BROKEN, Then.UNKNOWN, "2xx, but the connection ended inside the body: the message was probably accepted"),
    Row(Says.CUT_STALLED, Then.UNKNOWN, "2xx, but the body stopped halfway: the message was probably accepted"),
    Row(Says.CUT_DEADLINE, Then.UNKNOWN, "2xx, but the body did not end within the total timeout: the message was probably accepted"),
    Row(
        Says.CUT_ENCODING, Then.NOT_UNDERSTOOD, "2xx, but the body is not compressed as its header says: the message was probably accepted"
    ),
    # The API's own envelope, by gRPC code.
    Row(Code.CANCELLED, Then.RETRY, "the API cancelled the call: not accepted"),
    Row(Code.UNKNOWN, Then.RETRY, "the API failed without a reason"),
    Row(Code.INVALID_ARGUMENT, Then.REJECTED, "the API refuses this message, and will refuse it again"),
    Row(Code.DEADLINE_EXCEEDED, Then.UNKNOWN, "the API ran out of time: the message may have been accepted"),
    Row(Code.NOT_FOUND, Then.REJECTED, "the message names something that does not exist (segment, preset, template)"),
    Row(
        Code.ALREADY_EXISTS,
        Then.REJECTED,
        "the API says that this exists already: a retry would get the same answer, so a person must check it",
    ),
    Row(Code.PERMISSION_DENIED, Then.HOLD_TOKEN, "the token may not do this: check its rights; the message itself is fine"),
    Row(
        Code.RESOURCE_EXHAUSTED,
        Then.RETRY_ALL,
        "too many calls: not accepted, and every call of this application would get the same answer",
    ),
    Row(Code.FAILED_PRECONDITION, Then.REJECTED, "the API refuses this message until a person changes something"),
    Row(Code.ABORTED, Then.RETRY, "the call conflicted with another one, and the API dropped it: not accepted"),
    Row(Code.OUT_OF_RANGE, Then.REJECTED, "a value in this message is outside the range that the API accepts"),
    Row(Code.UNIMPLEMENTED, Then.HOLD_CIRCUIT, "this server does not know the call: check PUSHWOOSH_BASE_URL"),
    Row(Code.INTERNAL, Then.RETRY, "the API failed"),
    Row(Code.UNAVAILABLE, Then.RETRY, "the API is not available"),
    Row(Code.DATA_LOSS, Then.RETRY, "the API failed and lost data"),
    Row(Code.UNAUTHENTICATED, Then.HOLD_TOKEN, "the token is not accepted: check PUSHWOOSH_API_TOKEN; the message itself is fine"),
    # No envelope: the HTTP status alone decides, whether the API or a server in front of it sent it. The first row with the status counts.
    Row(
        http(300, 399),
        Then.HOLD_CIRCUIT,
        "a redirect, which wooshq never follows (the token must not go elsewhere): check PUSHWOOSH_BASE_URL",
    ),
    Row(http(400), Then.REJECTED, "refused as a bad request"),
    Row(http(401), Then.HOLD_TOKEN, "the token is not accepted: check PUSHWOOSH_API_TOKEN; the message itself is fine"),
    Row(http(402), Then.HOLD_TOKEN, "the account must be paid: the message itself is fine"),
    Row(http(403), Then.HOLD_TOKEN, "forbidden by the API or by a server in front of it: check the token; the message itself is fine"),
    Row(http(404), Then.HOLD_CIRCUIT, "not found, but not in the API's format: the API is not at this address; check PUSHWOOSH_BASE_URL"),
    Row(http(405), Then.HOLD_CIRCUIT, "POST is not allowed at this address: check PUSHWOOSH_BASE_URL"),
    Row(http(407), Then.HOLD_CIRCUIT, "a proxy requires a login: check the network in front of the API"),
    Row(http(408), Then.RETRY, "the server did not receive the whole request in time: not accepted (RFC 9110, 15.5.9)"),
    Row(http(409), Then.RETRY, "a conflict without a reason: wooshq assumes that it is temporary"),
    Row(http(410), Then.HOLD_CIRCUIT, "gone, but not in the API's format: the API is no longer at this address; check PUSHWOOSH_BASE_URL"),
    Row(http(413), Then.TOO_LARGE, "larger than the API accepts"),
    Row(http(415), Then.REJECTED, "the API does not accept the format of this message"),
    Row(http(421), Then.HOLD_CIRCUIT, "the wrong server for this host: check PUSHWOOSH_BASE_URL"),
    Row(http(425), Then.RETRY_ALL, "too early: not accepted, and every call of this application would get the same answer"),
    Row(http(426), Then.HOLD_CIRCUIT, "the server requires another protocol: check PUSHWOOSH_BASE_URL"),
    Row(http(429), Then.RETRY_ALL, "too many calls: not accepted, and every call of this application would get the same answer"),
    Row(http(431), Then.HOLD_CIRCUIT, "the headers are too large for this server: they are the same for every message"),
    Row(http(463, 464), Then.HOLD_CIRCUIT, "the load balancer (AWS) refuses every call: check the network in front of the API"),
    Row(http(494, 497), Then.HOLD_CIRCUIT, "the proxy (nginx) refuses every call: headers, certificate or port; check PUSHWOOSH_BASE_URL"),
    Row(http(499), Then.RETRY, "a server in front of the API dropped the call"),
    Row(http(400, 499), Then.REJECTED, "refused with a status that means a fault in the request"),
    Row(http(501), Then.HOLD_CIRCUIT, "this server does not know the call: check PUSHWOOSH_BASE_URL"),
    Row(
        http(502),
        Then.UNKNOWN,
        "a gateway got no usable answer from the API (nginx, haproxy and others say the same if they could not connect): the message may "
        "have been accepted",
    ),
    Row(http(504), Then.UNKNOWN, "a gateway got no answer from the API in time: the message may have been accepted"),
    Row(http(520), Then.UNKNOWN, "the gateway did not understand the API's answer: the message may have been accepted"),
    Row(http(521), Then.RETRY, "the API refused the gateway's connection: not accepted"),
    Row(http(522), Then.UNKNOWN, "the gateway's connection to the API timed out: the message may have been accepted"),
    Row(http(523), Then.RETRY, "the gateway could not reach the API: not accepted"),
    Row(http(524), Then.UNKNOWN, "the gateway waited too long for the API's answer: the message may have been accepted"),
    Row(http(525, 526), Then.HOLD_CIRCUIT, "TLS failed between the gateway and the API: not accepted; a person must fix it there"),
    Row(http(527), Then.UNKNOWN, "the gateway lost its connection to the API: the message may have been accepted"),
    Row(http(598, 599), Then.UNKNOWN, "a proxy waited too long for the API: the message may have been accepted"),
    Row(http(500, 599), Then.RETRY, "the API failed, or a server in front of it did"),
    Row(http(0, 199), Then.NOT_UNDERSTOOD, "a status that does not end a call: the message may have been accepted"),
    Row(http(600, 999), Then.NOT_UNDERSTOOD, "a status that HTTP does not define: the message may have been accepted"),
)

RULES: Final[tuple[str, ...]] = (
    "A call ends with an answer, or it fails without one. An answer shows one or two signs: its HTTP status, and the content of its body.",
    "2xx: the body decides. If the body is incomplete, the part that was read counts if it is valid JSON.",
    "Other statuses: the body may be an error envelope, which is a JSON object with a gRPC code. If the code belongs to the HTTP status (by "
    "gRPC-Gateway's map), the code alone decides, because it says more than the status.",
    "If the code belongs to another HTTP status, the code and the status are both judged, and the more careful verdict counts (unknown "
    "before hold before retry before dead). A message is dead only if no part of the answer says that it could still be accepted.",
    "If NOT_FOUND, or status 210 of API 1.3, says that the application does not exist, the sign is `application gone`.",
    "A `status_code` (API 1.3), or a `code` from 400 to 599, is read as that HTTP status. If exactly one gRPC code has that status, it is "
    "read as that gRPC code.",
    "The text of an answer is kept: what the fields of its JSON say, the title and the text of a page, or how the body begins.",
    "If the body of an error has no envelope, the status decides. The sign is `router` if a "
    "400 is a web page, or if the text is that of a router. An envelope with the text of a router (gRPC-Gateway's `Not Found`, `Bad Request`) has "
    "this sign with every status.",
    "502 is `unknown`. A 500 or 503 that mentions a lost connection is judged by its form (see below). If the body has the API's own envelope (a "
    "gRPC code from 1 to 16), the rules above count, because a proxy does not write envelopes.",
    "Retry-After and RetryInfo: the longest wait counts, up to the ceiling. Retry-After is seconds, a duration (`4s`, `1m0s`), or a date (of "
    "HTTP, of ISO 8601, or a number above 10⁹, which counts from 1970), compared with the answer's own Date. A value that is in the past, "
    "negative or not readable is ignored.",
)

ROW_OF: Final[Mapping[Sign, Row]] = {row.sign: row for row in TABLE if not isinstance(row.sign, Http)}
_BY_STATUS: Final[tuple[tuple[Http, Row], ...]] = tuple((row.sign, row) for row in TABLE if isinstance(row.sign, Http))


def row_of_status(status: int) -> Row:
    """The row of an HTTP status. A number outside 0–999 counts as a status that HTTP does not define."""
    for statuses, row in _BY_STATUS:
        if status in statuses:
            return row
    return _BY_STATUS[-1][1]


# docs/verdicts.md

PAGE: Final = Path("docs", "verdicts.md")


def what_follows() -> dict[Then, str]:
    """The docstring of each verdict."""
    (the_class,) = ast.parse(inspect.getsource(Then)).body
    assert isinstance(the_class, ast.ClassDef)
    found: dict[Then, str] = {}
    for member, text in zip(the_class.body, the_class.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(member.targets[0], ast.Name) and isinstance(text, ast.Expr):
            assert isinstance(text.value, ast.Constant)
            found[Then[member.targets[0].id]] = dedent(str(text.value.value)).strip()
    return found


def table_markdown() -> str:
    """The rules, the table, and what follows from each verdict: the text of `PAGE`."""
    lines = [
        "# Verdicts",
        "",
        "The meaning of each answer of the API, and of each failed call, for a message. Written by `python -m wooshq_worker.api.table`; edit",
        "`worker/wooshq_worker/api/table.py`, not this file.",
        "",
        "A *claim* is one worker's turn to send an intent; its calls are one attempt. The *due set* has the intents that wait for their next",
        "attempt. A *probe* is a call that tests whether a shut gate can open. [architecture.md](architecture.md) explains the steps.",
        "",
        "## Rules",
        "",
        *(f"{number}. {rule}" for number, rule in enumerate(RULES, 1)),
        "",
        "## The table",
        "",
        "| answer or failure | verdict | reason |",
        "| --- | --- | --- |",
        *(f"| {described(row.sign)} | {row.then} | {row.why} |" for row in TABLE),
        "",
        "## The 503 of proxies",
        "",
        "For a 503, or a 500 with such a text, without the API's own envelope. The first form that matches counts. Any other 503 is `retry`.",
        "",
        "| proxy | may the API have accepted the message? | why |",
        "| --- | --- | --- |",
        *(f"| {form.name} | {'yes: unknown' if form.carried else 'no: retry'} | {form.why} |" for form in FORMS_503),
        "",
        "## What fits dead letters",
        "",
        "`wooshq dead groups` says it of each group (`letters/acts.py`). The first row that fits counts.",
        "",
        "| reason | what fits | why |",
        "| --- | --- | --- |",
        *(f"| `{row.reason}` | {row.act} | {row.why} |" for row in ACTS),
        "",
        *(f"- **{act}**: {means}." for act, means in MEANS.items()),
        "",
        "## The consequences of each verdict",
        "",
        "Files are below `worker/wooshq_worker/` or `tasks/wooshq/`.",
    ]
    for then, text in what_follows().items():
        lines += ["", f"### {then}", "", text]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (Path(__file__).parents[3] / PAGE).write_text(table_markdown(), encoding="utf-8")
