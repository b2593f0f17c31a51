"""Whoever may have got a message twice is on record, and nobody else."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fan_outs import PERSONAL, personal
from tests.rig import APPLICATION, Rig, an_intent, some_settings, wait_until
from tests.stand_in import Call, Reply, StandIn
from tests.unit.history.records import AT, a_record, a_row, an_id
from wooshq import Wooshq
from wooshq.history.record import intent_record
from wooshq.history.store import open_history


class Losing:
    """An API whose first answer for some recipients is lost, although it took the message."""

    def __init__(self, *people: str) -> None:
        self._people = set(people)
        self.calls: Counter[str] = Counter()

    def __call__(self, call: Call, n: int) -> Reply | None:
        self.calls.update(call.recipients)
        lost = any(who in self._people and self.calls[who] == 1 for who in call.recipients)
        return Reply(cut=True) if lost else None


class WhenAnswersAreLost:
    def test_intents_that_were_sent_again_are_listed_with_cause_and_attempts(self, rig: Rig, api: StandIn, tmp_path: Path) -> None:
        api.answer = Losing("u1", "=2+3")
        rig.start_worker()
        ids = [rig.wooshq.enqueue(an_intent(who)) for who in ("u1", "u2", "=2+3")]
        rig.ended(ids)

        found = rig.wooshq.doubles().found
        assert {(one.kind, one.id, one.state, one.recipients, one.reached) for one in found} == {
            ("intent", ids[0], "sent", ("u1",), 2),
            ("intent", ids[2], "sent", ("=2+3",), 2),
        }
        assert all([attempt["outcome"] for attempt in one.attempts] == ["unknown", "sent"] and one.cause for one in found)
        assert [one.at for one in found] == sorted((one.at for one in found), reverse=True, key=str)
        assert rig.wooshq.doubles(since=datetime.now(UTC) + timedelta(hours=1)).found == ()
        assert len(rig.wooshq.doubles(since=datetime.now(UTC) - timedelta(hours=1), most=1).found) == 1

        shown = rig.cli("doubles", "--since", "1h")
        assert shown.stdout.startswith(b"2 cases")
        assert ids[0] in shown.stdout.decode() and ids[1] not in shown.stdout.decode()
        assert {json.loads(line)["id"] for line in rig.cli("doubles", "--json").stdout.splitlines()} == {ids[0], ids[2]}
        assert rig.cli("doubles", "--export", str(tmp_path / "d.csv")).returncode == 0
        rows = list(csv.DictReader((tmp_path / "d.csv").read_text().splitlines()))
        assert {(row["id"], row["recipient"], row["reached"]) for row in rows} == {(ids[0], "u1", "2"), (ids[2], "'=2+3", "2")}
        assert (tmp_path / "d.csv").stat().st_mode & 0o077 == 0
        assert rig.cli("doubles", "--export", str(tmp_path / "d.csv")).returncode == 2, "no file is overwritten unasked"
        assert rig.cli("doubles", "--export", str(tmp_path / "d.jsonl")).returncode == 0
        assert len((tmp_path / "d.jsonl").read_text().splitlines()) == 2

    @pytest.mark.settings(on_unknown="dead_letter")
    def test_one_that_was_left_at_one_call_is_not_listed_until_it_is_replayed(self, rig: Rig, api: StandIn) -> None:
        api.answer = Losing("u1")
        rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent("u1"))
        rig.ended([intent_id])
        assert rig.wooshq.doubles().found == (), "it came once at most"
        (again,) = rig.wooshq.dead_letters.replay(intent_id).ids.values()
        rig.ended([again])
        (double,) = rig.wooshq.doubles().found
        assert (double.id, double.recipients, double.reached) == (intent_id, ("u1",), 2)
        assert [attempt["outcome"] for attempt in double.attempts] == ["unknown", "sent"]

    def test_what_an_operator_sends_again_is_listed(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent("u1"))
        rig.ended([intent_id])
        again = rig.wooshq.resend(intent_id, "she deleted it", by="ana@ops-1")
        assert again is not None
        rig.ended([again])
        (double,) = rig.wooshq.doubles().found
        assert (double.id, double.cause, double.reached) == (again, "sent again by ana@ops-1", 2)


class WhenARecipientOfAJobIsInDoubt:
    def test_those_who_were_sent_to_again_are_listed(self, rig: Rig, api: StandIn) -> None:
        api.answer = losing = Losing("u1", "u3")
        rig.start_worker()
        job = rig.wooshq.fan_out({**PERSONAL, "application": APPLICATION}, personal(5))
        assert job.wait().sent == 5
        found = rig.wooshq.doubles().found
        assert {(one.kind, one.id) for one in found} == {("job", job.id)}
        assert sorted(who for one in found for who in one.recipients) == ["u1", "u3"]
        assert {who for who, n in losing.calls.items() if n == 2} == {"u1", "u3"}
        assert rig.wooshq.doubles(since=datetime.now(UTC) + timedelta(hours=1)).found == ()
        assert job.id in rig.cli("doubles").stdout.decode()

    def test_those_who_were_left_at_one_call_are_not(self, rig: Rig, api: StandIn) -> None:
        api.answer = Losing("u1")
        rig.start_worker()
        job = rig.wooshq.fan_out({**PERSONAL, "application": APPLICATION, "on_unknown": "dead_letter"}, personal(3))
        assert job.wait().dead == 1
        assert rig.wooshq.doubles().found == ()
        done = rig.wooshq.dead_letters.replay(bulk=job.id, in_doubt=True)
        assert rig.wooshq.replays.wait(done.id or "").sent == 1
        wait_until(lambda: [one.recipients for one in rig.wooshq.doubles().found] == [("u1",)], saw=rig.wooshq.doubles)


class WhenACaseIsInTheHistory:
    def test_it_is_listed_with_those_of_the_ledger(self, redis_url: str, broker_url: str, tmp_path: Path) -> None:
        settings = some_settings(redis_url=redis_url, broker_url=broker_url, history_url=f"sqlite:///{tmp_path / 'history.db'}")
        lost = json.dumps(["2026-04-24T03:06:39.000Z", "unknown", None, "LOST", 9])
        sent = json.dumps(["2026-04-24T03:06:39.950Z", "sent", 200, "OK", 38])
        history = open_history(settings)
        assert history is not None
        row = a_row(**{"a:1": lost, "a:2": sent, "n": "2", "doubts": "1"})
        history.write([intent_record(an_id(1), row), a_record(2)])
        history.close()
        with Wooshq(settings) as client:
            (double,) = client.doubles().found
            assert (double.id, double.kept_in, double.recipients, double.reached) == (an_id(1), "history", ("u1",), 2)
            later = datetime.fromtimestamp(AT / 1000 + 1, UTC)
            assert client.doubles(since=later).found == ()
            assert client.doubles().not_searched == ()
            with pytest.raises(ValueError, match="time zone"):
                client.doubles(since=datetime(2026, 5, 1))
