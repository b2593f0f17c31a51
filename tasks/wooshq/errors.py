"""
The errors that a caller can meet: one class for each thing that the caller can do about it.

    WooshqError
    ├── SettingsInvalid        fix the configuration
    ├── EmbeddedRedisError     fix the data folder, or name a Redis
    ├── LedgerUnavailable      wait, and call again
    ├── NotAccepted            retry with the same id
    ├── Conflict               use another key, or the same content
    ├── LetterUnknown          check the id of the dead letter
    ├── CauseUnknown           check the id of the cause
    ├── JobUnknown             check the id of the job
    ├── WebhookUnknown         check the name of the webhook
    ├── JobRefused             fix the recipients or the template, or allow the job
    ├── RecipientsChanged      give the same recipients, in the same order
    ├── FeedInterrupted        give the same recipients again, with `resume`
    ├── RecipientsUnreadable   fix the file of recipients
    └── FolderUnusable         make room in a folder, or name another one
    IntentInvalid (ValueError) fix the intent; from `wooshq_schemas`
    QueryInvalid (ValueError)  fix the query, at the column
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from pydantic import ValidationError

from wooshq_schemas import IntentInvalid, Problem

__all__ = [
    "CauseUnknown",
    "Conflict",
    "EmbeddedRedisError",
    "FeedInterrupted",
    "FolderUnusable",
    "IntentInvalid",
    "JobRefused",
    "JobUnknown",
    "LedgerUnavailable",
    "LetterUnknown",
    "NotAccepted",
    "Problem",
    "QueryInvalid",
    "RecipientsChanged",
    "RecipientsUnreadable",
    "SettingsInvalid",
    "WebhookUnknown",
    "WooshqError",
    "explain_settings",
]


#: How pydantic begins what it says.
_PYDANTICS_WAY: Final = re.compile(r"^(?:Input|String|Value) should ")


class WooshqError(Exception):
    """The base of all errors of wooshq, except IntentInvalid."""


class SettingsInvalid(WooshqError):
    """The configuration contradicts itself, or something is missing. Fix it and start again."""


class HistoryMissing(SettingsInvalid):
    """The whole answer needs the history, and this process has none. Set `WOOSHQ_HISTORY_URL` as the workers have it, or ask for less."""


class EmbeddedRedisError(WooshqError):
    """The embedded Redis cannot be used. The message says why, and what to do."""


class LedgerUnavailable(WooshqError):
    """
    Redis did not answer. Wait, and call again.

    maybe_done: the request was sent, so it may have been carried out although no answer came.
    done: for a call of several steps (a replay), what was done before the error; otherwise None.
    """

    def __init__(self, message: str, *, maybe_done: bool) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done
        self.done: object = None


class NotAccepted(WooshqError):
    """
    Accepting was not confirmed. Retry with the id that this error carries: it will not be duplicated.

    intent_ids: the ids of the intents that were not confirmed. The same id is never accepted twice.
    maybe_done: they may have been accepted. False: they were certainly not accepted.
    report: (enqueue_many) what was accepted before this error, with its ids. indexes: the place of each of `intent_ids` in the iterable.
    """

    def __init__(
        self,
        message: str,
        *,
        intent_ids: Sequence[str] = (),
        report: object = None,
        maybe_done: bool = False,
        indexes: Sequence[int] = (),
    ) -> None:
        super().__init__(message)
        self.intent_ids = tuple(intent_ids)
        self.report = report
        self.maybe_done = maybe_done
        self.indexes = tuple(indexes)

    @property
    def intent_id(self) -> str | None:
        """The id to retry with, if the call was about one intent; otherwise None."""
        return self.intent_ids[0] if len(self.intent_ids) == 1 else None


class Conflict(WooshqError):
    """The same id or idempotency key was accepted before, with different content. Use another key, or the same content."""

    def __init__(self, what: str, accepted_id: str, fields: Sequence[str]) -> None:
        """what: `id` or `idempotency_key`. accepted_id: the intent (or job) that was accepted before. fields: those that differ, if known."""
        self.accepted_id = accepted_id
        self.fields = tuple(fields)
        unknown = "the differences are not known, because the accepted content is no longer kept"
        differ = f"these fields differ: {', '.join(fields)}" if fields else unknown
        super().__init__(
            f"{what}: already accepted as {accepted_id} with different content; {differ}. Use another {what}, or the same content"
        )


class LetterUnknown(WooshqError):
    """No dead letter has this id: the id is wrong, the letter's retention time is over, or its intent did not fail."""


class CauseUnknown(WooshqError):
    """No cause of dead letters has this id: the id is wrong, or none of its letters is kept."""


class JobUnknown(WooshqError):
    """No job has this id: the id is wrong, or the job's retention time is over."""


class JobRefused(WooshqError):
    """
    A job was not started, because its recipients do not fit its template. Nobody was sent to. Fix them, or allow the job.

    problems: everything that is wrong. The message has one line for each.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class RecipientsChanged(WooshqError):
    """
    These are not the recipients with which the job began, so it cannot continue with them. Give the same ones, in the same order.

    Another job with them would send a second time to those that were sent to.
    """


class FeedInterrupted(WooshqError):
    """
    Only a part of a job's recipients was accepted. These are sent to. Give the same recipients again with `resume=job_id` to continue:
    no recipient is accepted twice.
    """

    def __init__(self, message: str, *, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class WebhookUnknown(WooshqError):
    """No webhook has this name."""


class ReplayUnknown(WooshqError):
    """No replay has this id. It may have ended longer ago than WOOSHQ_DEAD_RETENTION_S, or it was planned and not started within a day."""


class RecipientsUnreadable(WooshqError):
    """
    A file of recipients cannot be read, or only up to some line. Fix it and give it again.

    problem: what is wrong, without anything from the file. hint: what to do; "" without advice.
    source: the name of the file; set when it is known. line: where reading stopped, from 1; None for the file as a whole.
    """

    def __init__(self, problem: str, hint: str = "", *, source: str = "", line: int | None = None) -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint
        self.source = source
        self.line = line

    def __str__(self) -> str:
        where = f"{self.source}: " if self.source else ""
        where += f"line {self.line}: " if self.line is not None else ""
        return f"{where}{self.problem}." + (f" {self.hint}" if self.hint else "")


class FolderUnusable(WooshqError):
    """A folder for temporary files is full, or cannot be written to. Make room in it, or name another folder."""


class QueryInvalid(ValueError):
    """
    A query cannot be read. Fix it at the column and ask again. Nothing in the message repeats a value, because it may be personal.

    problem: what is wrong, and what would be right. column: where, from 1, in characters.
    """

    def __init__(self, problem: str, column: int) -> None:
        super().__init__(problem, column)
        self.problem = problem
        self.column = column

    def __str__(self) -> str:
        return f"column {self.column}: {self.problem}{'' if self.problem.endswith('?') else '.'}"


def explain_settings(error: ValidationError) -> list[str]:
    """One line for each problem, with the name of the variable. Never a value, because it may be secret."""
    lines = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(str(part) for part in problem["loc"]).upper()
        if where and not where.startswith(("PUSHWOOSH_", "SENTRY_", "WOOSHQ_")):
            where = f"WOOSHQ_{where}"
        text = _PYDANTICS_WAY.sub("must ", problem["msg"].removeprefix("Value error, "))
        lines.append(f"{where}: {text}" if where else text)
    return lines
