"""The errors a caller can meet: one class for each thing that can be done about it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from wooshq_schemas import IntentInvalid, Problem

__all__ = [
    "Conflict",
    "FeedInterrupted",
    "FolderUnusable",
    "IntentInvalid",
    "JobUnknown",
    "LedgerUnavailable",
    "LetterUnknown",
    "NotAccepted",
    "Problem",
    "RecipientsChanged",
    "RecipientsUnreadable",
    "SettingsInvalid",
    "WooshqError",
    "explain_settings",
]


class WooshqError(Exception):
    """What every error of wooshq is (IntentInvalid, of the schemas, is a ValueError beside it)."""


class SettingsInvalid(WooshqError):
    """The configuration contradicts itself or lacks something. Mend it and start again."""


class LedgerUnavailable(WooshqError):
    """
    Redis cannot be asked now. Wait and call again.

    maybe_done: the question had left, so that it may have been carried out although no answer came.
    done: of a call in several steps (a replay), what was done before; None for the others.
    """

    def __init__(self, message: str, *, maybe_done: bool) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done
        self.done: object = None


class NotAccepted(WooshqError):
    """
    Nothing is known to have been accepted. It is safe to call again with the id that the error carries.

    intent_ids: the ids of what was not accepted; giving the same id again can never make two.
    maybe_done: whether it may have been accepted all the same; False: certainly not.
    report: (enqueue_many) what had been accepted before this, with its ids. indexes: where in the iterable each of intent_ids stands.
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
        """The id to give again, where it was one intent."""
        return self.intent_ids[0] if len(self.intent_ids) == 1 else None


class Conflict(WooshqError):
    """The same id or idempotency key was accepted before with another body. Use another key, or the same body."""

    def __init__(self, what: str, accepted_id: str, fields: Sequence[str]) -> None:
        self.accepted_id = accepted_id
        self.fields = tuple(fields)
        differ = ", ".join(fields) if fields else "its content (the earlier body is no longer kept)"
        super().__init__(f"{what}: already accepted as intent {accepted_id} with another body; what differs: {differ}")


class LetterUnknown(WooshqError):
    """No dead letter has this id: mistyped, purged after its retention time, or never dead."""


class JobUnknown(WooshqError):
    """No job has this id: mistyped, forgotten after its retention time, or never made."""


class RecipientsChanged(WooshqError):
    """A job cannot be fed on with these recipients: they are others than those it was begun with."""


class FeedInterrupted(WooshqError):
    """
    Recipients of a job were taken in, and then no more could be. Those go out; give the same recipients again with `resume=job_id` to go
    on with the others: nobody is taken twice.
    """

    def __init__(self, message: str, *, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class RecipientsUnreadable(WooshqError):
    """
    A file of recipients cannot be used, or not from some line on: what was read of it is not all of it. Mend it and give it again.

    problem: what is wrong, never with what stands in the file. hint: what would be right, "" where there is nothing to say.
    source: what the file is called, set by whoever knows. line: where reading stopped, from 1; None for the file as a whole.
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
    """A folder for temporary files is full, or cannot be written. Make room in it, or name another one."""


def explain_settings(error: ValidationError) -> list[str]:
    """A line a problem, with the variable's name; never a value, for it may be a secret."""
    lines = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(str(part) for part in problem["loc"]).upper()
        if where and not where.startswith(("PUSHWOOSH_", "SENTRY_", "WOOSHQ_")):
            where = f"WOOSHQ_{where}"
        text = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {text}" if where else text)
    return lines
