"""Letters of all kinds, moved to the history or not, and what every call says of them."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.databases import a_database
from tests.integration.worker.history.desk import ATTEMPT, KEYS, Desk
from tests.rig import APPLICATION, GENEROUS_S
from wooshq.errors import IntentInvalid, LetterUnknown
from wooshq.intents.entry import new_id
from wooshq.ledger.intents import Settlement
from wooshq.ledger.states import Event, Reason
from wooshq.letters.find import list_letters
from wooshq.letters.replays.ledger import ReplayLedger
from wooshq.letters.replays.run import run_replay

QUERIES: Final = (
    "state:dead", "state:closed", "state:discarded", "state:closed OR state:discarded", "NOT state:open", "state:dead reason:rejected",
    "state:dead NOT reason:rejected", "state:dead tag.order:77", "state:dead NOT tag.order:77", "state:dead campaign:SALE", "state:dead recipient:u0",
    "state:dead recipient:nobody", "state:dead text:hello", 'state:dead text:"is wrong"', "state:dead status:400", "state:dead status:200",
    "state:dead code:INVALID_ARGUMENT", "state:dead code:OK", "state:dead NOT status:400", 'state:dead detail:"the title is wrong, request 1"',
    "state:dead lane:transactional since:1h", "state:dead until:1h", "state:dead key:k1",
)  # fmt: skip
FAILED: Final = {**ATTEMPT, "outcome": "dead", "http_status": 400, "code": "INVALID_ARGUMENT", "error": "it is wrong"}


@contextmanager
def a_desk(kind: str, redis_url: str, folder: Path, **given: Any) -> Iterator[Desk]:
    with a_database(kind, folder) as url:
        made = Desk(redis_url, folder, **{"history_url": url, **given})
        try:
            yield made
        finally:
            made.close()


def died(desk: Desk, reason: Reason = Reason.REJECTED, detail: str = "no", code: str = "INVALID_ARGUMENT", **fields: Any) -> str:
    (letter,) = desk.accepted(1, **fields)
    settle(desk, Event.GIVEN_UP, reason=reason, detail=detail, code=code, payload='{"x": 1}')
    return letter


def settle(desk: Desk, event: Event, **given: Any) -> None:
    """Whatever waits ends so."""
    claims = desk.wooshq.do(desk.ledger.take("transactional", 100, token=new_id(), taker="a")).claims
    attempt = ATTEMPT if event is Event.ACCEPTED else FAILED
    more = {"message_code": "M-1"} if event is Event.ACCEPTED else {"reason": Reason.REJECTED, "detail": "no", **given}
    assert all(desk.wooshq.do(desk.ledger.settle([Settlement(claim, event, [attempt], **more) for claim in claims])))


def replayed(desk: Desk, letter: str, event: Event | None, **given: Any) -> None:
    """A replay of a letter, that ends so."""
    made = desk.wooshq.dead_letters.replay(letter, **given)
    assert made.replayed == 1, made.why
    if event is not None:
        settle(desk, event, detail="the title is wrong, request 2", code="INVALID_ARGUMENT")
    assert made.id is not None
    desk.wooshq.do(run_replay(ReplayLedger(desk.settings), desk.settings, made.id))


def letters_of_all_kinds(desk: Desk) -> dict[str, str]:
    """Letters, by what became of them."""
    made = {
        "closed": died(desk, detail="the title is wrong, request 1", tags={"order": "77"}, campaign="SALE", idempotency_key="k1"),
        "discarded": died(desk, Reason.UNKNOWN, "no answer", ""),
        "edited": died(desk),
        "patched": died(desk, tags={"order": "78"}),
        "open": died(desk),
        "tried": died(desk),
        "replaying": died(desk),
        "broken": new_id(),
    }
    calls = desk.wooshq.dead_letters
    replayed(desk, made["closed"], Event.GIVEN_UP)
    replayed(desk, made["closed"], Event.ACCEPTED)
    calls.discard(made["discarded"], why="she has it", by="ana")
    calls.edit(made["edited"], {"message": {"push": {"title": "hello"}}})
    replayed(desk, made["edited"], Event.ACCEPTED)
    replayed(desk, made["patched"], Event.ACCEPTED, patch={"message": {"push": {"title": "hello"}}})
    replayed(desk, made["tried"], Event.GIVEN_UP)
    replayed(desk, made["replaying"], None)
    assert desk.wooshq.do(desk.ledger.letters.file(made["broken"], "not JSON", Reason.INVALID, "is not JSON", lane="bulk"))
    calls.discard(made["broken"], why="a test")
    return made


UNKNOWN: Final = "01a22113-43ae-7610-bad3-bc8d84743441"
GONE: Final = ("closed", "discarded", "edited", "patched", "broken")


async def left(desk: Desk, made: dict[str, str]) -> None:
    """All that may leave has left."""
    stay = sorted(id for name, id in made.items() if name not in GONE)
    await desk.consumed(lambda: sorted(letter_rows(desk)) == stay and not desk.redis.xlen(KEYS.fixed("events")))


def letter_rows(desk: Desk) -> list[str]:
    return [key.decode().rpartition(":")[2] for key in desk.redis.keys(KEYS.letter("*"))]


def plain(value: Any) -> Any:
    """An answer with every field, also those that are not shown."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def tried(call: Callable[[], Any]) -> Any:
    """What it answers, or raises."""
    try:
        return plain(call())
    except (LetterUnknown, IntentInvalid, ValueError) as error:
        return type(error).__name__, str(error)


def answers(desk: Desk, made: dict[str, str], intents: list[str]) -> dict[str, Any]:
    """What every call says."""
    client, calls, found = desk.wooshq, desk.wooshq.dead_letters, dict[str, Any]()
    keys = client.ledger.keys
    for query in QUERIES:
        found[f"list {query}"] = plain(calls.list(where=query))
        found[f"count {query}"] = calls.count(where=query)
        found[f"count of 2 {query}"] = calls.count(where=query, most=2)
        found[f"groups {query}"] = plain(calls.groups(where=query))
        found[f"find {query}"] = [{**plain(one), "kept_in": ""} for one in client.find(query).found]
        found[f"find, counted {query}"] = client.count(query).kinds
        found[f"pages {query}"] = paged(desk, lambda after, q=query: client.do(list_letters(keys, {"where": q}, most=2, after=after)))
        found[f"preview {query}"] = plain(calls.preview(where=query))
        found[f"plan {query}"] = tried(lambda q=query: calls.replay(where=q, reason="rejected", dry_run=True))
        found[f"discard {query}"] = tried(lambda q=query: calls.discard(where=q, reason="rejected", dry_run=True))
    for state in ("open", "closed", "discarded", "replaying", "any"):
        found[f"state {state}"] = plain(calls.list(state=state, most=3))
    for one in [*made.values(), *intents, UNKNOWN]:
        found[f"show {one}"] = tried(lambda i=one: calls.show(i))
        found[f"named {one}"] = plain(calls.list(ids=[one]))
        found[f"by query {one}"] = plain(calls.list(where=f"id:{one} state:dead"))
        found[f"found {one}"] = [{**plain(x), "kept_in": ""} for x in client.find(f"id:{one}").found]
        found[f"replay {one}"] = tried(lambda i=one: calls.replay(i, dry_run=True))
        found[f"discard {one}"] = tried(lambda i=one: calls.discard(i, dry_run=True))
        if one in [made[name] for name in GONE]:
            found[f"edit {one}"] = tried(lambda i=one: calls.edit(i, {"lane": "bulk"}))
        found[f"status {one}"] = plain(client.status(one))
    found["doubles"] = [{**plain(one), "kept_in": ""} for one in client.doubles().found]
    replays = client.replays.list()
    found["replays"] = plain(replays)
    found["outcomes"] = [plain(list(client.replays.outcomes(one.id))) for one in replays]
    found["examples"] = [plain(client.replays.examples(one.id)) for one in replays]
    found["audit"] = [plain(one) for one in client.audit()]
    return found


def paged(desk: Desk, page: Callable[[tuple[int, str] | None], list[Any]]) -> list[str]:
    ids: list[str] = []
    after: tuple[int, str] | None = None
    while some := page(after):
        ids += [one.id for one in some]
        after = some[-1].filed_ms, some[-1].id
    return ids


def cli(desk: Desk, folder: Path, *args: str) -> tuple[int, str, str]:
    url = desk.settings.history_url.get_secret_value() if desk.settings.history_url is not None else "off"
    env = {**os.environ, "WOOSHQ_REDIS_URL": desk.url, "WOOSHQ_HISTORY_URL": url, "WOOSHQ_APPLICATION": APPLICATION}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, map(os.path.abspath, sys.path)))
    done = subprocess.run([sys.executable, "-m", "wooshq_worker", *args], env=env, cwd=folder, capture_output=True, timeout=GENEROUS_S)
    return done.returncode, done.stdout.decode(), done.stderr.decode()
