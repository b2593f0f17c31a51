"""What people do before a fan-out to everybody: a dry run, and the first few recipients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.rig import GENEROUS_S, Rig
from tests.stand_in import StandIn
from wooshq import RecipientsChanged


@pytest.fixture
def args(rig: Rig) -> list[str]:
    """300 recipients of one city; one row comes twice, and one is not valid."""
    texts = {"title": {"en": "Sale", "de": "Rabatt"}, "body": "In {city}"}
    (rig.folder / "t.json").write_text(json.dumps({"message": {"push": texts}, "idempotency_key": "spring"}))
    rows = [f"u{n},Bonn,{'de' if n % 3 == 0 else 'en'},x{n}" for n in range(300)]
    (rig.folder / "p.csv").write_text("\n".join(["user,city,locale,spend", *rows, "u1,Bonn,en,x", ",Bonn,en,x"]) + "\n")
    return ["fanout", "--template", "t.json", "--recipients", "p.csv"]


def said(done: Any) -> str:
    return " ".join(done.stderr.decode().split())


class WhenItIsADryRun:
    def test_it_shows_calls_locales_and_messages_and_asks_no_redis(self, rig: Rig, args: list[str]) -> None:
        rig.env["WOOSHQ_REDIS_URL"] = "redis://127.0.0.1:9/0"
        before = set(rig.folder.iterdir())
        done = rig.cli(*args, "--dry-run")
        shown = " ".join(done.stdout.decode().split())
        assert done.returncode == 1, "a row would be rejected"
        assert "300 recipients in 2 calls; 1 duplicate would be skipped; 1 row would be rejected" in shown
        assert "columns sent city columns not sent spend" in shown
        assert "200 en en 100 de de" in shown
        assert "To u0 (de): title Rabatt body In Bonn To u1 (en): title Sale body In Bonn To u2 (en):" in shown
        assert said(done) == "line 303: user: must not be empty. 1 row was rejected. Nothing was sent."
        assert set(rig.folder.iterdir()) == before

    def test_json_is_one_object_with_the_requests(self, rig: Rig, args: list[str]) -> None:
        done = rig.cli(*args, "--dry-run", "--json", "--rejects", "r.ndjson")
        (seen,) = map(json.loads, done.stdout.splitlines())
        assert (seen["recipients"], seen["calls"], seen["duplicates"], seen["refused"], seen["problems"]) == (300, 2, 1, 1, [])
        assert seen["examples"][0]["request"]["transactional"]["users"] == {"list": ["u0"]}
        assert json.loads((rig.folder / "r.ndjson").read_text())["line"] == 303

    def test_it_says_why_the_job_would_not_start(self, rig: Rig, args: list[str]) -> None:
        (rig.folder / "t.json").write_text(json.dumps({"message": {"push": {"title": "In {cty}"}}}))
        done = rig.cli(*args, "--dry-run")
        assert done.returncode == 1
        assert "cty: the message uses {cty}, but no recipient has this column. The columns are: city, spend." in said(done)
        assert said(done).endswith("The job would not start. Nothing was sent.")

    def test_it_reads_a_stream(self, rig: Rig, args: list[str]) -> None:
        done = rig.cli(*args[:-1], "-", "--dry-run", stdin="user,city,spend\nu1,Bonn,3\n")
        assert (done.returncode, b"1 recipient in 1 call" in done.stdout, b"columns not sent     spend" in done.stdout) == (0, True, True)

    def test_it_continues_no_job(self, rig: Rig) -> None:
        done = rig.cli("fanout", "--resume", "x", "--recipients", "p.csv", "--dry-run")
        assert (done.returncode, "a job keeps the settings" in said(done)) == (2, True)


class WhenOnlyTheFirstAreTaken:
    def test_the_others_are_not_sent_to(self, rig: Rig, api: StandIn, args: list[str]) -> None:
        rig.start_worker()
        done = rig.cli(*args, "--limit", "10", "--json")
        job = json.loads(done.stdout)
        assert (done.returncode, job["state"], job["total"], job["sent"]) == (0, "done", 10, 10), done.stderr
        assert api.accepted == dict.fromkeys((f"u{n}" for n in range(10)), 1)
        assert "Only the first 10 recipients were taken (--limit). A job for all would send to them again." in said(done)
        assert "--steps 10,100%" in said(done)

    def test_the_key_cannot_be_used_for_all_by_mistake(self, rig: Rig, args: list[str]) -> None:
        assert rig.cli(*args, "--limit", "10", "--detach").returncode == 0
        done = rig.cli(*args, "--detach")
        assert done.returncode in (1, 2)
        assert "takes only the first 10 recipients (limit). Nothing was started." in said(done)
        assert [job.total for job in rig.wooshq.bulk.list()] == [10]
        assert rig.cli(*args, "--limit", "10", "--detach").returncode == 0
        assert [job.total for job in rig.wooshq.bulk.list()] == [10]

    def test_a_resume_takes_no_more_than_the_job_takes(self, rig: Rig, tmp_path: Path) -> None:
        template = {"message": {"push": {"title": "Sale"}}}
        ids: list[str] = []

        def breaks() -> Any:
            yield from (f"u{n}" for n in range(12_000))
            raise OSError

        with pytest.raises(OSError):
            rig.wooshq.fan_out(template, breaks(), limit=13_000, opened=ids.append)
        with pytest.raises(ValueError, match="leave out limit"):
            rig.wooshq.fan_out(None, [], resume=ids[0], limit=5)
        made = rig.wooshq.fan_out(None, (f"u{n}" for n in range(50_000)), resume=ids[0])
        assert (made.limit, made.show().total, made.show().state) == (13_000, 13_000, "running")
        rig.start_worker()
        assert made.wait(GENEROUS_S).sent == 13_000

    def test_another_limit_under_the_same_key_is_refused_from_python_too(self, rig: Rig) -> None:
        keyed = {"message": {"push": {"title": "Sale"}}, "idempotency_key": "k"}
        rig.wooshq.fan_out(keyed, ["u1", "u2", "u3"])
        with pytest.raises(RecipientsChanged, match="takes all recipients"):
            rig.wooshq.fan_out(keyed, ["u1", "u2", "u3"], limit=2)
