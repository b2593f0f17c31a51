"""An error of a page: what is wrong, and what to do, in the words of the HTTP API. Never a trace."""

from __future__ import annotations

import json
from dataclasses import dataclass

from wooshq.errors import LedgerUnavailable
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.api import problems


@dataclass(frozen=True, slots=True)
class Told:
    """An error for a person. lines: what is wrong, one by one. do: what to do about it."""

    status: int
    title: str
    lines: tuple[str, ...]
    do: str
    retry_after: str | None = None


NOT_FOUND = Told(404, "Nothing is here", ("No page has this address, or what it showed is gone.",), "Check the address, or search for it.")
NOT_A_PAGE = Told(
    405, "This address is not a page", ("It takes what a form of the console sends, and shows nothing.",), "Go to the overview, or search."
)


def told(error: Exception) -> Told:
    """What to tell of an error. One that no visitor can mend is an event in the log, too."""
    answer = problems.answer(error)
    said = json.loads(bytes(answer.body))
    lines = tuple(line for line in str(said.get("detail", "")).splitlines() if line)
    retry_after = answer.headers.get("retry-after")
    if isinstance(error, LedgerUnavailable):
        do = "Messages that were accepted are safe. Check Redis and the network to it: wooshq doctor. This page tries again by itself."
        return Told(503, "The ledger is away", lines, do, retry_after or "5")
    return Told(answer.status_code, str(said["title"]), lines, _remedy(error, answer.status_code), retry_after)


def _remedy(error: Exception, status: int) -> str:
    match status:
        case 403 if isinstance(error, Refused) and error.kind == "cross-site":
            return ""
        case 403:
            return "Log in with a token that has the scope, or ask who operates this installation."
        case 404:
            return NOT_FOUND.do
        case 422 | 409:
            return "Go back, correct it, and send it again. Nothing was changed."
        case 429:
            return "Wait a moment, and try again."
        case 500:
            return "Nothing is known about it here: the log of this server has the details. Try again; if it fails again, use the command line."
    return "Go back, and try again."
