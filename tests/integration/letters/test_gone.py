"""A letter that is closed or discarded leaves Redis for the history, and every call says of it what it said before."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.integration.letters.dead_letters import letters_of, users
from tests.integration.letters.gone import QUERIES, a_desk, answers, cli, left, letter_rows, letters_of_all_kinds, plain
from tests.integration.worker.console.served import served
from tests.integration.worker.history.desk import KEYS, Desk
from wooshq import Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.errors import HistoryMissing
from wooshq.history.contract import HistoryAway
from wooshq.letters.replays.ledger import ReplayLedger
from wooshq.letters.replays.run import run_replay
from wooshq_worker.doctor import history


class WhenLettersHaveLeft:
    async def test_every_call_says_the_same_as_before(self, desk: Desk) -> None:
        made = letters_of_all_kinds(desk)
        intents = [one for one in desk.rows() if one not in made.values()]
        before = answers(desk, made, intents)
        await left(desk, made)
        stays = {made["open"], made["tried"], made["replaying"]}
        assert {one for one in desk.rows() if one in made.values()} == stays, "their intents have left with them"
        after = answers(desk, made, intents)
        assert after.keys() == before.keys()
        for name, value in after.items():
            assert value == before[name], name
        assert len(before["list state:dead"]) == len(made)

    async def test_asyncio_says_the_same(self, desk: Desk) -> None:
        made = letters_of_all_kinds(desk)
        await left(desk, made)
        async with AsyncWooshq(desk.settings) as client:
            for query in QUERIES:
                assert plain(await client.dead_letters.list(where=query)) == plain(desk.wooshq.dead_letters.list(where=query))
                assert await client.dead_letters.count(where=query) == desk.wooshq.dead_letters.count(where=query)
            assert await client.dead_letters.show(made["closed"]) == desk.wooshq.dead_letters.show(made["closed"])


class WhenTheCommandLineIsAsked:
    async def test_it_says_the_same_before_and_after(self, quick: None, redis_url: str, tmp_path: Path) -> None:
        commands = [
            ("dead", "list", "--state", "any", "--json"),
            ("dead", "list", "state:closed OR tag.order:78"),
            ("dead", "groups", "--state", "any", "--json"),
            ("dead", "export", "--state", "any", "letters.ndjson"),
            ("dead", "export", "--state", "any", "letters.csv"),
        ]
        with a_desk("sqlite", redis_url, tmp_path) as desk:
            desk.listen()
            made = letters_of_all_kinds(desk)

            def said() -> list[Any]:
                (tmp_path / "letters.ndjson").unlink(missing_ok=True)
                (tmp_path / "letters.csv").unlink(missing_ok=True)
                found: list[Any] = [cli(desk, tmp_path, *one) for one in commands]
                found += [(tmp_path / f"letters.{ending}").read_text() for ending in ("ndjson", "csv")]
                for one in ("show", "edit", "replay", "discard"):
                    more = ("--set", "lane=bulk") if one == "edit" else ()
                    found.append(cli(desk, tmp_path, "dead", one, made["closed"], *more))
                return found

            before = await asyncio.to_thread(said)
            assert before[0][1].count("\n") == len(made)
            assert before[5].count("\n") == len(made)
            await left(desk, made)
            for one, was in zip(await asyncio.to_thread(said), before, strict=True):
                assert one == was


class WhenHttpIsAsked:
    async def test_it_says_the_same_before_and_after(self, quick: None, redis_url: str, tmp_path: Path) -> None:
        with a_desk("sqlite", redis_url, tmp_path) as desk, served(desk.settings) as http:
            desk.listen()
            made = letters_of_all_kinds(desk)
            query = {"query": "state:closed OR state:discarded"}

            def said() -> list[Any]:
                found: list[Any] = []
                for given in ({"total": "true"}, {"state": "closed", "total": "true"}, query):
                    found.append(http.get("/v1/dead-letters", params=given).json())
                    found.append(http.get("/v1/dead-letters", params=given, headers={"Accept": "application/x-ndjson"}).text)
                    found.append(http.get("/v1/dead-letters", params={**given, "limit": 2}).json())
                    found.append(http.get("/v1/dead-letters/groups", params=given if "state" in given else {"state": "discarded"}).json())
                found += [http.get(f"/v1/dead-letters/{one}").json() for one in made.values()]
                found += [http.patch(f"/v1/dead-letters/{made['closed']}", json={"lane": "bulk"}).json()]
                return found

            before = await asyncio.to_thread(said)
            assert len(before[0]["data"]) == before[0]["total"] == len(made)
            await left(desk, made)
            for one, was in zip(await asyncio.to_thread(said), before, strict=True):
                assert one == was
        with served(desk.settings.model_copy(update={"history_url": SecretStr("off")})) as http:
            refused = await asyncio.to_thread(http.get, "/v1/dead-letters", params={"state": "closed"})
            assert (refused.status_code, refused.json()["type"]) == (503, "urn:wooshq:history-missing")
            assert len((await asyncio.to_thread(http.get, "/v1/dead-letters", params={"state": "open"})).json()["data"]) == 2


class WhenThereIsNoHistoryHere:
    async def test_a_call_says_so_instead_of_showing_fewer(self, desk: Desk, redis_url: str) -> None:
        made = letters_of_all_kinds(desk)
        await left(desk, made)
        plain_settings = desk.settings.model_copy(update={"history_url": SecretStr("off")})
        with Wooshq(plain_settings) as other:
            calls = other.dead_letters
            for call in (
                lambda: calls.list(),
                lambda: calls.count(state="closed"),
                lambda: calls.groups(state="any"),
                lambda: calls.show(made["closed"]),
                lambda: calls.discard(made["closed"]),
                lambda: calls.replay(made["closed"]),
                lambda: calls.preview(state="any"),
            ):
                with pytest.raises(HistoryMissing, match="WOOSHQ_HISTORY_URL"):
                    call()
            assert len(calls.list(state="open")) == 2
            found = other.find("state:dead")
            assert any("5 letters that are closed or discarded" in one for one in found.not_searched)
            assert any("5 letters that are closed or discarded" in one for one in other.count("state:dead").not_searched)

    async def test_one_that_is_away_is_named(self, quick: None, redis_url: str, tmp_path: Path) -> None:
        with a_desk("sqlite", redis_url, tmp_path) as desk:
            desk.listen()
            made = letters_of_all_kinds(desk)
            await left(desk, made)
            away = SecretStr("postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=2")
            with Wooshq(desk.settings.model_copy(update={"history_url": away})) as other:
                with pytest.raises(HistoryAway):
                    other.dead_letters.list(state="closed")
                assert len(other.dead_letters.list(state="open")) == 2
                assert any(one.startswith("the history: ") for one in other.find("state:dead").not_searched)


class WhenTheHistoryIsAnotherOne:
    async def test_a_call_says_so_instead_of_showing_fewer(self, desk: Desk, tmp_path: Path) -> None:
        made = letters_of_all_kinds(desk)
        await left(desk, made)
        empty = SecretStr(f"sqlite:///{tmp_path / 'another.db'}")
        with Wooshq(desk.settings.model_copy(update={"history_url": empty})) as other:
            calls = other.dead_letters
            for call in (
                lambda: calls.list(),
                lambda: calls.count(state="closed"),
                lambda: calls.groups(state="any"),
                lambda: calls.show(made["closed"]),
                lambda: calls.discard(made["closed"]),
            ):
                with pytest.raises(HistoryMissing, match="another database than letters have left for"):
                    call()
            assert len(calls.list(state="open")) == 2
            for answer in (other.find("state:dead"), other.count("state:dead")):
                assert any("5 letters that are closed or discarded" in one for one in answer.not_searched)
                assert any("another database" in one for one in answer.not_searched)
            assert ("bad", True) in [(one.level, "not the only one" in one.says) for one in history.check(other)]
        assert not any("another database" in one for one in desk.wooshq.find("state:dead").not_searched)
        assert ("ok", True) in [(one.level, one.says.endswith(" answers")) for one in history.check(desk.wooshq)]

    async def test_one_that_was_forgotten_is_not_missed(self, desk: Desk) -> None:
        made = letters_of_all_kinds(desk)
        await left(desk, made)
        before = len(desk.wooshq.dead_letters.list())
        desk.wooshq.forget("u0", why="a test")
        assert len(desk.wooshq.dead_letters.list()) < before


class WhenTheHistoryWouldSayLess:
    @pytest.mark.parametrize("given", [{"history_bodies": False}, {"history_retention_s": 86400.0}])
    async def test_letters_stay(self, quick: None, redis_url: str, tmp_path: Path, given: dict[str, Any]) -> None:
        with a_desk("sqlite", redis_url, tmp_path, **given) as desk:
            desk.listen()
            made = letters_of_all_kinds(desk)
            await desk.consumed(lambda: not desk.redis.xlen(KEYS.fixed("events")))
            assert sorted(letter_rows(desk)) == sorted(made.values())
            assert not desk.redis.exists(KEYS.fixed("letters_gone"))


class WhenItsTimeIsOver:
    async def test_it_leaves_the_lists_and_the_history_still_shows_it(self, desk: Desk) -> None:
        made = letters_of_all_kinds(desk)
        await left(desk, made)
        ((gone, score),) = desk.redis.zrange(KEYS.fixed("letters_gone"), 0, 0, withscores=True)
        assert desk.wooshq.do(desk.ledger.letters.trim(100)) == 0, "nothing was filed so long ago"
        letter = gone.decode()
        assert letter in [one.id for one in desk.wooshq.dead_letters.list()]
        desk.redis.zadd(KEYS.fixed("letters_gone"), {letter: score % 2})
        desk.redis.zadd(KEYS.fixed("letters"), {letter: 1})
        assert letter not in [one.id for one in desk.wooshq.dead_letters.list()]
        assert desk.wooshq.do(desk.ledger.letters.trim(100)) == 1
        assert desk.redis.zscore(KEYS.fixed("letters"), letter) is None
        assert desk.redis.zscore(KEYS.fixed("letters_gone"), letter) is None
        assert desk.wooshq.dead_letters.show(letter).state in ("closed", "discarded")
        assert [one.kept_in for one in desk.wooshq.find(f"id:{letter} state:dead").found] == ["history"]


class WhenAPlanHasLettersThatLeaveMeanwhile:
    async def test_they_are_left_out_with_the_reason(self, desk: Desk) -> None:
        ids = letters_of(desk.wooshq, users(4))
        plan = desk.wooshq.dead_letters.replay(reason="rejected", start=False)
        running = desk.wooshq.dead_letters.replay(*ids[2:], start=False)
        assert plan.id is not None and running.id is not None
        desk.wooshq.dead_letters.discard(ids[0])
        await desk.consumed(lambda: ids[0] not in letter_rows(desk))
        desk.wooshq.replays.start(plan.id)
        said = {one.letter: (one.left_out, one.why) for one in desk.wooshq.replays.outcomes(plan.id) if one.left_out}
        assert said == {ids[0]: ("discarded", "it is discarded by now")}

    async def test_also_while_the_replay_holds_them(self, desk: Desk) -> None:
        ids = letters_of(desk.wooshq, users(3))
        made = desk.wooshq.dead_letters.replay(*ids, rate=0.001, first=0)
        assert made.id is not None and len(made.ids) == 1, "one call at a time"
        desk.wooshq.dead_letters.discard(ids[2])
        await desk.consumed(lambda: ids[2] not in letter_rows(desk))
        desk.redis.hset(KEYS.replay(made.id), "rate", "1000")
        desk.redis.hdel(KEYS.replay(made.id), "paced_at")
        desk.wooshq.do(run_replay(ReplayLedger(desk.settings), desk.settings, made.id))
        said = {one.letter: (one.left_out, one.why) for one in desk.wooshq.replays.outcomes(made.id) if one.left_out}
        assert said == {ids[2]: ("discarded", "is discarded")}
