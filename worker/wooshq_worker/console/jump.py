"""Where the search box leads: an id or a key to the page of what it names, a query to the list of messages."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode

from wooshq.aio import AsyncWooshq
from wooshq.errors import CauseUnknown, JobUnknown, LetterUnknown, QueryInvalid, ReplayUnknown
from wooshq.finding.found import Found
from wooshq.history.contract import HistoryAway
from wooshq.intents.status import Status
from wooshq.search.parse import parse
from wooshq.search.tree import Field, Is
from wooshq.search.write import written

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_APPLICATIONS: Final = 20
"""Of the settings, whose keys are looked up one by one."""
_CAUSE: Final = re.compile(r"[0-9a-f]{12}", re.ASCII)


async def place_of(client: AsyncWooshq, wanted: str) -> str:
    """The path of the page for what was typed. Raises LedgerUnavailable; HistoryAway for an id that the ledger does not have."""
    if not wanted:
        return "/messages"
    if _is_query(wanted):
        return _messages(wanted)
    return await _page_of_id(client, wanted.lower()) or await _page_of_name(client, wanted)


def _is_query(wanted: str) -> bool:
    """A key can look like a query with a field that does not exist, such as `order:77`. It is taken as a key."""
    try:
        parse(wanted, now=datetime.now(UTC))
    except QueryInvalid:
        return False
    return True


async def _page_of_id(client: AsyncWooshq, wanted: str) -> str | None:
    """The page of the one thing that has this id. A message that was replayed or died is its own page, whatever came of it."""
    if _CAUSE.fullmatch(wanted):
        return await _path(lambda: client.dead_letters.cause(wanted), f"/causes/{wanted}")
    if not _UUID.fullmatch(wanted):
        return None
    for look, path in (
        (lambda: client.status(wanted), f"/messages/{wanted}"),
        (lambda: client.bulk.show(wanted), f"/jobs/{wanted}"),
        (lambda: client.replays.show(wanted), f"/replays/{wanted}"),
        (lambda: client.dead_letters.show(wanted), f"/letters/{wanted}"),  # of a job's recipients: no message has its id
    ):
        if (found := await _path(look, path)) is not None:
            return found
    return None


async def _path(look: Callable[[], Awaitable[object]], path: str) -> str | None:
    """The path, if something is there. Raises HistoryAway."""
    try:
        return path if await look() is not None else None
    except (CauseUnknown, JobUnknown, LetterUnknown, ReplayUnknown):
        return None


async def _page_of_name(client: AsyncWooshq, wanted: str) -> str:
    """The message with this key, of any application; those that share it; else what names this recipient."""
    by_key = written(Is(Field.KEY, wanted))
    ids = await _with_key(client, wanted)
    if len(ids) == 1:
        return f"/messages/{quote(ids[0], safe='')}"
    is_word = not any(char.isspace() or char in ':()"' for char in wanted)
    if not ids and is_word:  # a mistyped query must not read the whole ledger
        found = await _found(client, by_key)
        if len(found) == 1:
            return f"/{'jobs' if found[0].kind == 'job' else 'messages'}/{quote(found[0].id, safe='')}"
        ids = [one.id for one in found]
    if ids:
        return _messages(by_key)
    return _messages(written(Is(Field.RECIPIENT, wanted)) if is_word else wanted)


async def _with_key(client: AsyncWooshq, key: str) -> list[str]:
    """Ids of the messages with this key, of the applications that the settings name. A key belongs to one of them."""
    settings = client.settings
    applications = {settings.application or "": None, **dict.fromkeys(settings.api_tokens)}
    found = [await _status(client, key, application) for application in list(applications)[:_APPLICATIONS]]
    return list(dict.fromkeys(one.id for one in found if one is not None))


async def _status(client: AsyncWooshq, key: str, application: str) -> Status | None:
    try:
        return await client.status(key, application=application)
    except HistoryAway:
        return None


async def _found(client: AsyncWooshq, by_key: str) -> list[Found]:
    """What has this key; of a message and its replays, the message."""
    try:
        found = (await client.find(by_key, most=20)).found
    except QueryInvalid:  # no key looks like this
        return []
    ids = {one.id for one in found}
    return [one for one in found if one.shown.get("replay_of") not in ids]


def _messages(query: str) -> str:
    return f"/messages?{urlencode({'q': query})}"
