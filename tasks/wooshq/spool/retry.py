"""Try again what was set aside: it leaves the spool at once if Redis answers, and says what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wooshq.errors import LedgerUnavailable, WooshqError
from wooshq.intents.edited import UNCHANGED
from wooshq.ledger.replies import Result
from wooshq.spool.aside import retry_aside, show_aside
from wooshq.spool.client import Client
from wooshq.spool.folder import SpoolFolder
from wooshq.spool.look import SET_ASIDE, SPOOLED, find
from wooshq.spool.moving import Moved, move_spool

MOVED: Final = "moved"
"""The ledger has it."""


class MaySendTwice(WooshqError):
    """It may have been sent. Somebody must have looked before it is tried again."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key}: it may have been sent. Look whether the message arrived, then discard it, or retry with --may-double")


@dataclass(frozen=True)
class Retried(Result):
    """
    What became of it. state: moved, set_aside (again) or spooled (it waits). says: for a person.

    moved: of all that the call moved.
    """

    id: str
    state: str
    says: str
    moved: Moved


def retry(client: Client, folder: SpoolFolder, key: str, *, may_double: bool = False, why: str = "", by: str | None = None) -> Retried:
    """
    Let it be moved again, and move what waits. may_double: also if it may have been sent; then it is among the doubles. why, by: for the audit log.

    Raises AsideUnknown, MaySendTwice, FolderUnusable, SettingsInvalid; ValueError: it is not an intent, so it can only be discarded.
    """
    was = show_aside(folder, key)
    if was.may_be_sent and not may_double:
        raise MaySendTwice(key)
    retry_aside(folder, key, why=why, by=by)
    try:
        moved = move_spool(client)
    except LedgerUnavailable as error:
        in_vain = f" {UNCHANGED}" if was.was_refused else ""
        return Retried(key, SPOOLED, f"It waits until Redis is back: {error}.{in_vain}", Moved())
    found = find(folder, key, "")
    if found is None:
        return Retried(key, MOVED, "It is in the ledger.", moved)
    if found.state == SET_ASIDE:
        return Retried(key, SET_ASIDE, f"It was set aside again: {show_aside(folder, key).reason}", moved)
    return Retried(key, SPOOLED, "It waits: another process is moving the spool.", moved)
