"""Causes of dead letters: counted as letters are filed and closed, ignored until a time, back again; the same as a look at each letter finds."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.letters.dead_letters import letters_of, users
from tests.rig import APPLICATION, Rig, some_settings, wait_until
from wooshq import CauseUnknown, Wooshq
from wooshq.installation.memory.ledger import MemoryLedger
from wooshq.ledger import scripts
from wooshq.ledger.letters import LetterLedger
from wooshq.ledger.run import carry_out
from wooshq.ledger.states import Reason
from wooshq.ledger.steps import Steps
from wooshq.letters.causes import HALF_HOUR_MS, LINE, estimate, later, line_of, read_causes
from wooshq.letters.filter import cause_of, comparable
from wooshq.letters.groups import group_letters
from wooshq.letters.letter import Group

SOON = timedelta(hours=1)


@pytest.fixture
def ledger(wooshq: Wooshq, redis_url: str) -> Iterator[redis.Redis]:
    """The ledger's Redis, in which letters are counted as they are filed."""
    all_are_counted(wooshq)
    with redis.Redis.from_url(redis_url) as client:
        yield client


def all_are_counted(wooshq: Wooshq) -> None:
    while wooshq.do(wooshq.ledger.letters.count(50)):
        pass


def a_cause(wooshq: Wooshq, detail: str = "no") -> Group:
    return wooshq.dead_letters.cause(cause_of(Reason.REJECTED, detail, APPLICATION))


def seen(groups: list[Group]) -> list[tuple[object, ...]]:
    return sorted((g.cause, g.reason, g.detail, g.application, g.count, g.first_at, g.last_at, g.example, g.act) for g in groups)


def looked_at(wooshq: Wooshq) -> list[tuple[object, ...]]:
    """The groups as they are found by reading every open letter: a condition on the lane needs that."""
    return seen(wooshq.dead_letters.groups(where="lane:transactional OR lane:bulk"))


class WhenLettersAreFiledAndClosed:
    @pytest.mark.usefixtures("ledger")
    def test_the_counts_are_those_that_a_look_at_every_letter_finds(self, wooshq: Wooshq) -> None:
        dice = random.Random(13)
        dead = wooshq.dead_letters
        for step in range(12):
            details = {"detail": dice.choice(["no", "gone", "users[1]: no"]), "reason": dice.choice([Reason.REJECTED, Reason.TOO_LARGE])}
            ids = letters_of(wooshq, [f"u{step}-{i}" for i in range(dice.randrange(1, 9))], **details)
            if gone := dice.sample(ids, dice.randrange(len(ids))):
                dead.discard(*gone)
            if step % 3 == 0:
                dead.replay(where="reason:rejected")
                assert seen(dead.groups()) == looked_at(wooshq), "letters that are being replayed do not count"
                for running in wooshq.replays.list(most=1):
                    wooshq.replays.cancel(running.id)
            assert seen(dead.groups()) == looked_at(wooshq)
            assert dead.count() == len(dead.list(state="open"))
            assert dead.count(where="NOT reason:rejected") == dead.count(where="lane:transactional NOT reason:rejected")

    @pytest.mark.usefixtures("ledger")
    def test_a_cause_says_how_many_people_and_when(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, [*users(40), *users(40)], detail="no")
        group = a_cause(wooshq)
        assert (group.count, group.state, group.act) == (80, "open", "fix and replay")
        assert group.people is not None
        assert abs(group.people - 40) <= 3
        letters_of(wooshq, users(1500), detail="gone")
        many = a_cause(wooshq, "gone").people
        assert many is not None
        assert 1380 <= many <= 1500, "roughly, and never more than the letters name"
        assert (len(group.line), sum(group.line), sum(group.line[-2:])) == (LINE, 80, 80)

    @pytest.mark.usefixtures("ledger")
    def test_a_cause_finds_its_letters(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(3), detail="no")
        others = letters_of(wooshq, users(2), detail="gone")
        cause = cause_of(Reason.REJECTED, "gone", APPLICATION)
        assert {one.id for one in wooshq.dead_letters.list(where=f"cause:{cause}", state="open")} == set(others)
        wooshq.dead_letters.discard(others[0], why="a test")
        assert [one.id for one in wooshq.dead_letters.list(where=f"cause:{cause}", state="open")] == [others[1]]
        assert len(wooshq.dead_letters.list(where=f"cause:{cause}")) == 2, "also those that are not open"
        assert wooshq.dead_letters.replay(where=f"cause:{cause}", dry_run=True).replayed == 1

    def test_letters_whose_time_is_over_do_not_count(self, wooshq: Wooshq, ledger: redis.Redis) -> None:
        kept, over, moved = letters_of(wooshq, users(3), detail="no")
        keys = wooshq.ledger.keys
        ledger.delete(keys.letter(over))
        ledger.hset(keys.letter(moved), "state", "discarded")  # as a worker of the version before does
        cause = cause_of(Reason.REJECTED, "no", APPLICATION)
        assert wooshq.do(wooshq.ledger.letters.tidy([cause], 50)) == 2
        assert (a_cause(wooshq).count, a_cause(wooshq).example) == (1, kept)

    def test_a_cause_is_forgotten_with_its_last_trace(self, wooshq: Wooshq, ledger: redis.Redis) -> None:
        letters_of(wooshq, users(1), detail="no")
        cause = cause_of(Reason.REJECTED, "no", APPLICATION)
        for key in ledger.keys(f"{wooshq.ledger.keys.cause(cause)}*"):
            assert ledger.pttl(key) > 0, "its time comes"
            ledger.delete(key)
        wooshq.do(wooshq.ledger.letters.tidy([cause], 50))
        assert ledger.zcard(wooshq.ledger.keys.fixed("causes")) == 0

    def test_a_person_who_is_forgotten_is_in_no_cause(self, wooshq: Wooshq, ledger: redis.Redis) -> None:
        letters_of(wooshq, ["ann"], detail="ann is not known")
        letters_of(wooshq, users(1), detail="bob is not known")
        wooshq.dead_letters.discard(reason="rejected", detail="bob is not known")
        for who in ("ann", "bob"):
            wooshq.forget(recipient=who)
            assert who.encode() not in b"".join(ledger.dump(key) or b"" for key in ledger.keys("*cause:*"))


class WhenTheVersionBeforeFiledLetters:
    def test_they_are_counted_once(self, wooshq: Wooshq, redis_url: str) -> None:
        letters_of(wooshq, users(120), detail="no")
        with redis.Redis.from_url(redis_url) as client:
            client.delete(*client.keys("*cause*"))
            assert wooshq.dead_letters.groups()[0].count == 120, "until then each letter is read"
            all_are_counted(wooshq)
            for _ in range(2):
                assert (a_cause(wooshq).count, sum(a_cause(wooshq).line)) == (120, 120)
                assert seen(wooshq.dead_letters.groups()) == looked_at(wooshq)
                client.set(wooshq.ledger.keys.fixed("counted"), "all 1")  # an hour is over
                all_are_counted(wooshq)

    def test_a_worker_does_it_by_itself(self, rig: Rig) -> None:
        letters_of(rig.wooshq, users(30), detail="no")
        with rig.redis() as client:
            client.delete(*client.keys("*cause*"))
        rig.start_worker()
        counted = rig.wooshq.ledger.keys.cause_part(cause_of(Reason.REJECTED, "no", APPLICATION), "letters")
        with rig.redis() as client:
            wait_until(lambda: client.zcard(counted) == 30)


@pytest.mark.usefixtures("ledger")
class WhenACauseIsIgnored:
    def test_it_is_ignored_until_the_time_and_says_who_and_why(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(2), detail="no")
        cause = a_cause(wooshq).cause
        until = datetime.now(UTC) + SOON
        group = wooshq.dead_letters.ignore(cause, until, why="known", by="ana")
        assert (group.state, group.ignored_by, group.ignored_why, group.count) == ("ignored", "ana", "known", 2)
        letters_of(wooshq, users(1), detail="no")
        assert wooshq.dead_letters.groups()[0].state == "ignored", "letters that come meanwhile are ignored, too"
        assert wooshq.dead_letters.reopen(cause, by="bob").state == "open"
        assert [(act.did, act.what, act.by) for act in wooshq.audit(most=2).found] == [
            ("reopened", f"cause {cause}", "bob"),
            ("ignored", f"cause {cause}", "ana"),
        ]

    def test_letters_that_come_after_the_time_say_that_it_is_back(self, wooshq: Wooshq, redis_url: str) -> None:
        letters_of(wooshq, users(1), detail="no")
        cause = a_cause(wooshq).cause
        wooshq.dead_letters.ignore(cause, datetime.now(UTC) + SOON)
        with redis.Redis.from_url(redis_url) as client:
            (before,) = wooshq.do(read_causes(wooshq.ledger.keys, [cause]))
            client.hset(wooshq.ledger.keys.cause(cause), "until", before.newest + 1)
        assert wooshq.dead_letters.cause(cause).state == "open", "none came after that"
        letters_of(wooshq, users(1), detail="no")
        group = wooshq.dead_letters.cause(cause)
        assert (group.state, group.back_at, group.ignored_until) == ("back again", group.last_at, None)

    def test_letters_that_come_after_there_was_none_say_that_it_is_back(self, wooshq: Wooshq) -> None:
        first = letters_of(wooshq, users(2), detail="no")
        cause = a_cause(wooshq).cause
        wooshq.dead_letters.discard(*first)
        assert wooshq.dead_letters.cause(cause).state == "empty"
        assert wooshq.dead_letters.groups() == []
        letters_of(wooshq, ["somebody"], detail="no")
        group = wooshq.dead_letters.cause(cause)
        assert (group.state, group.count, group.people, sum(group.line)) == ("back again", 1, 1, 3)
        assert wooshq.dead_letters.reopen(cause).state == "open"

    def test_what_cannot_be_is_refused(self, wooshq: Wooshq) -> None:
        with pytest.raises(CauseUnknown):
            wooshq.dead_letters.ignore("0" * 12, datetime.now(UTC) + SOON)
        with pytest.raises(CauseUnknown):
            wooshq.dead_letters.cause("0" * 12)
        with pytest.raises(ValueError, match="future"):
            wooshq.dead_letters.ignore("0" * 12, datetime.now(UTC) - SOON)
        with pytest.raises(ValueError, match="time zone"):
            wooshq.dead_letters.ignore("0" * 12, datetime(2099, 1, 1))

    def test_its_commands(self, rig: Rig) -> None:
        letters_of(rig.wooshq, users(2), detail="no")
        (group,) = [json.loads(line) for line in rig.cli("dead", "groups", "--json").stdout.splitlines()]
        told = rig.cli("dead", "ignore", group["cause"], "--until", "2h", "--why", "known", "--by", "ana")
        assert b"The cause is ignored until 2" in told.stderr
        assert json.loads(rig.cli("dead", "reopen", group["cause"], "--json").stdout)["state"] == "open"
        assert rig.cli("dead", "reopen", "0" * 12).returncode == 1
        assert rig.cli("dead", "ignore", group["cause"], "--until", "yesterday").returncode == 2


_WORDS = st.text("0123456789abcdefxyzABCDEF_-[]. é:", max_size=20) | st.sampled_from(
    ["[12]", "0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d", "face-cafe-1234", "incident-8f3a2b1c9d0e", "471100000001"]
)


class WhenTwoDetailsAreCompared:
    @given(details=st.lists(st.lists(_WORDS, max_size=5).map(" ".join) | st.lists(_WORDS, max_size=3).map("".join), max_size=8))
    @settings(max_examples=150, deadline=None)
    def test_the_ledger_and_a_filter_agree(self, redis_server: str, details: list[str]) -> None:
        source = scripts.source_of("letters/tidy").text
        source = source[: source.index("local prefix = string.match(KEYS[1]")]
        source += "\nlocal out = {} for i, one in ipairs(ARGV) do local id, said = cause_of('rejected', one, 'A') out[i] = {id, said} end return out"
        with redis.Redis.from_url(redis_server.replace("{db}", "0")) as client:
            found = client.eval(source, 0, *details) if details else []
        assert [(a.decode(), b.decode()) for a, b in found] == [(cause_of("rejected", one, "A"), comparable(one)) for one in details]


def test_people_are_counted_to_a_few_per_cent(ledger: redis.Redis, wooshq: Wooshq) -> None:
    source = scripts.source_of("letters/tidy").text
    source = source[: source.index("local prefix = string.match(KEYS[1]")] + "\nadd_people(KEYS[1], ARGV) return 0"
    for n in (1, 2, 10, 1000, 20_000):
        for start in range(0, n, 1000):
            ledger.eval(source, 1, "people", *(f"user-{i}" for i in range(start, min(n, start + 1000))))
        assert abs(estimate(ledger.get("people") or b"") - n) <= max(1, n * 0.08)


def test_a_line_has_the_last_day() -> None:
    now = 1_777_636_800_000
    slot = now // HALF_HOUR_MS
    line = line_of(Counter({slot: 3, slot - LINE + 1: 2, slot - LINE: 9}), now)
    assert (line[-1], line[0], sum(line)) == (3, 2, 5)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2h", "2026-05-01T14:00:00+00:00"),
        ("2026-05-02", "2026-05-02T00:00:00+00:00"),
        ("2026-05-02T09:00+02:00", "2026-05-02T07:00:00+00:00"),
    ],
)
def test_a_time_to_come_is_read(given: str, meant: str) -> None:
    assert later(given, datetime(2026, 5, 1, 12, tzinfo=UTC)).isoformat() == meant


class WhenTheLedgerIsInMemory:
    def test_letters_are_counted_there_too(self) -> None:
        ledger, settings = MemoryLedger(), some_settings()
        letters = LetterLedger(settings)

        def do(steps: Steps[Any]) -> Any:
            return carry_out(steps, ledger.ask)

        for n, body in enumerate(("not JSON", '{"to": {"users": ["u1", "u2"]}}')):
            assert do(letters.file(f"letter-{n}", body, Reason.INVALID, "is not valid [3]", lane="bulk"))
        while do(letters.count(10)):
            pass
        (group,) = do(group_letters(letters.keys, {}))
        assert (group.count, group.people, group.detail) == (2, 2, "is not valid [n]")
