"""What has left the ledger is found in the history, as one answer with what is in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import Rig, an_intent, some_settings, wait_until
from tests.stand_in import Reply, StandIn
from tests.unit.history.records import a_record, an_id
from wooshq import Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.history.contract import History
from wooshq.history.store import open_history

AT = 1_777_000_000_000


@pytest.fixture
def client(redis_url: str, broker_url: str, tmp_path: Path) -> Iterator[Wooshq]:
    """An installation with an empty history in a file."""
    url = f"sqlite:///{tmp_path / 'history.db'}"
    with Wooshq(some_settings(redis_url=redis_url, broker_url=broker_url, history_url=url)) as made:
        yield made


@pytest.fixture
def history(client: Wooshq) -> Iterator[History]:
    opened = open_history(client.settings)
    assert opened is not None
    yield opened
    opened.close()


class WhenMessagesAreInTheHistory:
    def test_they_are_found_with_those_of_the_ledger_newest_first(self, client: Wooshq, history: History) -> None:
        history.write([a_record(n, at_ms=AT + n) for n in range(3)])
        waiting = client.enqueue(an_intent("u1"))
        page = client.find("recipient:u1")
        assert [(one.id, one.kept_in, one.state) for one in page.found] == [
            (waiting, "ledger", "queued"),
            *((an_id(n), "history", "sent") for n in (2, 1, 0)),
        ]
        assert page.history == "searched"
        assert page.not_searched == (
            "recipients of fan-out jobs that ended longer ago than 7 days (WOOSHQ_RETENTION_S): they are not kept one by one",
        )
        assert client.find("recipient:u1 since:1d").not_searched == ()
        assert page.found[1].shown["message_codes"] == ["0123-4567-89AB"]
        assert client.count("recipient:u1").count == 4
        assert [one.id for one in client.find("recipient:u1 state:sent until:2026-04-24T03:06:40.001Z").found] == [an_id(0)]
        assert client.find("recipient:nobody").found == ()

    def test_pages_go_on_through_both_and_show_everything_once(self, client: Wooshq, history: History) -> None:
        history.write([a_record(n, at_ms=AT + n // 3) for n in range(10)])  # several in one millisecond
        waiting = {i for i in client.enqueue_many(an_intent("u1") for _ in range(4)).ids if i is not None}
        seen: list[str] = []
        after: str | None = None
        while True:
            page = client.find("recipient:u1", most=3, after=after)
            seen += [one.id for one in page.found]
            if (after := page.after) is None:
                break
        assert len(seen) == 14
        assert set(seen) == waiting | {an_id(n) for n in range(10)}

    def test_the_row_of_the_ledger_wins(self, client: Wooshq, history: History) -> None:
        intent_id = client.enqueue(an_intent("u1", id=an_id(1)))
        history.write([a_record(1), a_record(2)])
        assert [(one.id, one.kept_in) for one in client.find("recipient:u1").found] == [(intent_id, "ledger"), (an_id(2), "history")]
        assert [one.id for one in client.find("recipient:u1 state:sent").found] == [an_id(2)], "the ledger says that it is queued"
        assert client.count("recipient:u1").kinds == {"intent": 2}

    def test_asyncio_finds_the_same(self, client: Wooshq, history: History) -> None:
        history.write([a_record(1)])

        async def found() -> list[str]:
            async with AsyncWooshq(client.settings) as other:
                return [one.id for one in (await other.find("recipient:u1")).found]

        assert asyncio.run(found()) == [an_id(1)]


class WhenAWorkerMovesWhatHasEnded:
    def test_it_is_found_before_and_after_and_so_is_a_double(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(cut=True) if n == 1 else None
        rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent("u1", tags={"order": "77"}))
        rig.ended([intent_id])

        def kept_in() -> list[str]:
            found = rig.wooshq.find("recipient:u1 tag.order:77 state:sent").found
            assert [one.id for one in found] == [intent_id], "it is always found, and once"
            return [one.kept_in for one in found]

        wait_until(lambda: kept_in() == ["history"], saw=kept_in)
        (double,) = rig.wooshq.doubles().found
        assert (double.id, double.kept_in, double.recipients, double.reached) == (intent_id, "history", ("u1",), 2)
        assert rig.cli("find", "recipient:u1", "--count").stdout == b"1\n"


class WhenTheHistoryIsAway:
    def test_the_ledger_is_searched_and_the_answer_says_what_is_missing(self, redis_url: str, broker_url: str) -> None:
        url = "postgresql+psycopg://nobody:secret-word@127.0.0.1:9/none"
        with Wooshq(some_settings(redis_url=redis_url, broker_url=broker_url, history_url=url)) as client:
            waiting = client.enqueue(an_intent("u1"))
            page = client.find("recipient:u1")
            assert [one.id for one in page.found] == [waiting]
            assert page.history == "away"
            assert any(part.startswith("the history: ") for part in page.not_searched)
            assert "secret-word" not in str(page)
            assert client.count("recipient:u1").history == "away"
