"""Whatever was accepted is found by a query, wherever it is and whatever became of it."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.fan_outs import PERSONAL, TEMPLATE, personal
from tests.integration.letters.dead_letters import letters_of, users
from tests.rig import APPLICATION, Rig, an_intent, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq import QueryInvalid, Wooshq
from wooshq.aio import AsyncWooshq


def ids(wooshq: Wooshq, query: str) -> set[tuple[str, str]]:
    return {(one.kind, one.id) for one in wooshq.find(query).found}


class WhenACustomerAsksWhetherItCame:
    @pytest.mark.settings(on_unknown="dead_letter", history_url="off")
    def test_every_message_to_the_customer_is_found_with_what_became_of_it(self, rig: Rig, api: StandIn) -> None:
        def answer(call: Call, n: int) -> Reply | None:
            title = json.dumps(call.body)
            return refusal(400, 3, "no such preset") if "bad" in title else Reply(cut=True) if "lost" in title else None

        api.answer = answer
        rig.start_worker()
        made = {
            what: rig.wooshq.enqueue(an_intent("u1", message={"push": {"title": what}}, tags={"order": what}))
            for what in ("good", "bad", "lost")
        }
        rig.wooshq.enqueue(an_intent("u11"))
        rig.ended(made.values())
        rig.wooshq.shut_gate("hand", why="maintenance")
        made["held"] = rig.wooshq.enqueue(an_intent("u1"))
        wait_until(lambda: rig.status(made["held"]).state == "held")

        page = rig.wooshq.find("recipient:u1")
        assert {(one.kind, one.id, one.state) for one in page.found} == {
            ("intent", made["good"], "sent"),
            ("letter", made["bad"], "open"),
            ("letter", made["lost"], "open"),
            ("intent", made["held"], "held"),
        }
        assert [one.at for one in page.found] == sorted((one.at for one in page.found), reverse=True)
        (good,) = rig.wooshq.find("recipient:u1 state:sent").found
        assert good.shown["message_codes"] == rig.status(made["good"]).message_codes
        for query, found in (
            ("tag.order:good", {"good"}),
            ("text:LOST", {"lost"}),
            ("status:200 recipient:u1", {"good"}),
            ("code:INVALID_ARGUMENT", {"bad"}),
            ("reason:unknown OR state:held", {"lost", "held"}),
            (f"recipient:u1 NOT id:{made['good']} NOT state:open", {"held"}),
            ("state:dead recipient:u1", {"bad", "lost"}),
            ("recipient:u1 until:1h", set()),
        ):
            assert {one.id for one in rig.wooshq.find(query).found} == {made[one] for one in found}, query
            assert rig.wooshq.count(query).count == len(found), query

        told = rig.cli("find", "recipient:u1")
        assert told.returncode == 0
        assert all(i in told.stdout.decode() for i in made.values())
        assert "Not searched: what ended longer ago than 7 days" in told.stderr.decode()
        said = rig.cli("find", "recipient:u1", "since:1d", "--json")
        assert {json.loads(line)["id"] for line in said.stdout.splitlines()} == set(made.values())
        assert said.stderr == b"", "nothing that ended within a day is missing"
        assert rig.cli("find", "recipient:u1", "--count").stdout == b"4\n"

    def test_it_is_said_of_every_job_whether_the_customer_was_among_its_recipients(self, rig: Rig, api: StandIn) -> None:
        def answer(call: Call, n: int) -> Reply | None:
            return refusal(400, 3, "a recipient is not valid") if call.recipients == ["u1"] else None

        api.answer = answer
        rig.start_worker()
        done = rig.wooshq.fan_out({**PERSONAL, "application": APPLICATION}, personal(3))
        assert done.wait().dead == 1
        rig.wooshq.pause(lane="bulk")
        waits = rig.wooshq.fan_out({**TEMPLATE, "application": APPLICATION, "campaign": "summer"}, ["u0", "u2"])

        dead = rig.wooshq.find("recipient:u1")
        assert [(one.kind, one.shown["bulk_id"]) for one in dead.found] == [("letter", done.id)]
        waiting = rig.wooshq.find("recipient:u2 since:1d")
        assert [(one.job, one.outcome) for one in waiting.recipients] == [(waits.id, "waiting")]
        (said,) = [part for part in waiting.not_searched if "fan-out" in part]
        assert done.id in said and "was sent to" in said
        assert (
            rig.wooshq.find("recipient:u2 campaign:summer").not_searched == rig.wooshq.find("recipient:nobody campaign:summer").not_searched
        )
        assert rig.wooshq.find("recipient:nobody").recipients == ()
        lines = [json.loads(line) for line in rig.cli("find", "recipient:u2", "--json").stdout.splitlines()]
        assert [(one["kind"], one["job"], one["outcome"]) for one in lines] == [("recipient", waits.id, "waiting")]
        assert b"waiting" in rig.cli("find", "recipient:u2").stdout


class WhenThingsAreFound:
    def test_an_id_a_key_and_a_job_are_looked_up(self, wooshq: Wooshq) -> None:
        one = wooshq.enqueue(an_intent("u1", idempotency_key="order 7"))
        job = wooshq.fan_out({**TEMPLATE, "application": APPLICATION, "tags": {"team": "a"}}, ["u1"])
        (letter,) = letters_of(wooshq, ["u1"])
        assert ids(wooshq, f"id:{one}") == {("intent", one)}
        assert ids(wooshq, f"id:{one.upper()} OR id:{letter} OR id:{job.id}") == {("intent", one), ("letter", letter), ("job", job.id)}
        assert ids(wooshq, f'key:"order 7" app:{APPLICATION}') == ids(wooshq, 'key:"order 7"') == {("intent", one)}
        assert ids(wooshq, f"job:{job.id}") == ids(wooshq, "tag.team:a") == ids(wooshq, "campaign:spring") == {("job", job.id)}
        assert ids(wooshq, "state:running") == {("job", job.id)}
        assert ids(wooshq, "key:order app:CCCCC-DDDDD") == set()

    def test_a_replay_is_found_by_the_id_of_its_letter(self, wooshq: Wooshq) -> None:
        (letter,) = letters_of(wooshq, ["u1"])
        (again,) = wooshq.dead_letters.replay(letter).ids.values()
        assert ids(wooshq, f"id:{letter}") == {("letter", letter), ("intent", again)}
        assert ids(wooshq, f"id:{again}") == {("intent", again), ("letter", letter)}

    def test_pages_come_newest_first_and_together_are_everything_once(self, wooshq: Wooshq) -> None:
        letters = {("letter", i) for i in letters_of(wooshq, users(7))}
        intents = {("intent", i) for i in wooshq.enqueue_many(an_intent(user) for user in users(8)).ids if i is not None}
        seen: list[tuple[str, str]] = []
        places: list[str] = []
        after: str | None = None
        while True:
            page = wooshq.find("app:AAAAA-BBBBB", most=4, after=after)
            seen += [(one.kind, one.id) for one in page.found]
            places += [one.place for one in page.found]
            if (after := page.after) is None:
                break
            assert after == places[-1] and len(page.found) == 4
        assert len(seen) == 15
        assert set(seen) == letters | intents
        assert wooshq.count("app:AAAAA-BBBBB").kinds == {"letter": 7, "intent": 8}

    def test_waiting_intents_are_found_without_reading_all_others(self, wooshq: Wooshq) -> None:
        waiting = wooshq.enqueue(an_intent())
        assert ids(wooshq, "state:queued") == {("intent", waiting)}
        wooshq.pause()
        assert ids(wooshq, "state:queued OR state:held") == ids(wooshq, "state:held") == {("intent", waiting)}
        assert ids(wooshq, "state:queued") == ids(wooshq, "state:sending OR state:retrying") == set()
        wooshq.cancel(waiting)
        assert ids(wooshq, "state:cancelled") == {("intent", waiting)}

    def test_asyncio_finds_the_same(self, wooshq: Wooshq) -> None:
        one = wooshq.enqueue(an_intent())

        async def found() -> tuple[str, int]:
            async with AsyncWooshq(wooshq.settings) as client:
                return (await client.find("state:queued")).found[0].id, (await client.count("state:queued")).count

        assert asyncio.run(found()) == (one, 1)


class WhenTheQuestionIsWrong:
    def test_it_is_refused(self, wooshq: Wooshq) -> None:
        with pytest.raises(QueryInvalid, match="column 7"):
            wooshq.find("state:lost")
        with pytest.raises(QueryInvalid, match="empty"):
            wooshq.find(" ")
        with pytest.raises(ValueError, match="most: must be a number from 1"):
            wooshq.find("state:sent", most=0)
        for after in ("", "x", "12.letter", "12.thing.a", "-1.letter.a"):
            with pytest.raises(ValueError, match="after: is not the place"):
                wooshq.find("state:sent", after=after)

    def test_the_command_says_where(self, rig: Rig) -> None:
        told = rig.cli("find", "state:sent", "lnae:bulk")
        assert (told.returncode, told.stderr.decode().splitlines()[1].index("^")) == (2, 11)
        assert rig.cli("find").returncode == 2


class WhenTheLedgerHasNoIndex:
    @pytest.mark.settings(history_url="off")
    def test_so_many_intents_are_read_and_the_rest_is_named(self, rig: Rig) -> None:
        wooshq = rig.wooshq
        report = wooshq.enqueue_many(an_intent(f"u{n}", tags={"n": "x"}) for n in range(1500))
        read: list[int] = []
        page = wooshq.find("tag.n:x", most=10_000, most_read=500, progress=read.append)
        assert 500 <= len(page.found) == read[-1] < 1500
        (why,) = (part for part in page.not_searched if part.startswith("all intents of the ledger"))
        assert f"{read[-1]:,} were read" in why
        assert wooshq.count("tag.n:x", most_read=500).not_searched[0].startswith("all intents of the ledger")
        assert not any("all intents" in part for part in wooshq.find("tag.n:x", most_read=None).not_searched)
        assert wooshq.count("tag.n:x").count == 1500
        for query in (f"id:{report.ids[7]}", "state:queued recipient:u7", f"state:queued app:{APPLICATION} recipient:u7"):
            found = wooshq.find(query, most_read=1)
            assert [one.id for one in found.found] == [report.ids[7]], "by an index"
            assert not any("all intents" in part for part in found.not_searched)
        assert wooshq.find("state:queued app:OTHER-OTHER").found == ()
        for wrong in (0, True, -1):
            with pytest.raises(ValueError, match="most_read"):
                wooshq.find("tag.n:x", most_read=wrong)
