"""A fan-out that must not begin does not begin, and only values that its texts name leave the house."""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.fan_outs import PERSONAL, TEMPLATE, personal
from tests.rig import GENEROUS_S, Rig
from tests.stand_in import StandIn
from wooshq import JobRefused, NotAccepted, Wooshq

ROW = {"user": "u1", "name": "Ann", "mail": "ann@example.com", "spend": "17", "city": "Bonn"}


def said(done: Any) -> str:
    return " ".join(done.stderr.decode().split())


class WhenATextNamesAColumnThatNobodyHas:
    def test_nobody_is_sent_to(self, rig: Rig) -> None:
        with pytest.raises(JobRefused, match=r"Did you mean \{name\}\?"):
            rig.wooshq.fan_out({"message": {"push": {"title": "Hi {nmae}"}}}, personal(5000))
        assert rig.wooshq.bulk.list() == []

    def test_it_can_be_allowed(self, rig: Rig) -> None:
        job = rig.wooshq.fan_out(PERSONAL, ["u1", "u2"], allow_missing=True)
        assert job.show().total == 2

    def test_an_error_in_the_first_recipients_starts_no_job(self, rig: Rig) -> None:
        def breaks() -> Iterator[dict[str, str]]:
            yield from personal(10)
            raise OSError("the disk is gone")

        with pytest.raises(OSError, match="the disk is gone"):
            rig.wooshq.fan_out(PERSONAL, breaks())
        assert rig.wooshq.bulk.list() == []

    def test_the_command_says_so_and_exits(self, rig: Rig) -> None:
        (rig.folder / "t.json").write_text(
            json.dumps({"message": {"push": {"title": "Hi {nome}", "body": "{shop}"}}, "placeholders": {"shop": "x"}})
        )
        (rig.folder / "p.csv").write_text("user,name\nu1,Ann\n")
        args = ["fanout", "--template", "t.json", "--recipients", "p.csv", "--detach"]
        done = rig.cli(*args)
        assert (done.returncode, done.stdout) == (1, b"")
        assert "nome: the message uses {nome}, but no recipient has this column. The columns are: name. Did you mean {name}?" in said(done)
        assert "No job was started." in said(done)
        assert "shop" not in said(done)
        assert rig.wooshq.bulk.list() == []
        assert rig.cli(*args, "--allow-missing").returncode == 0


class WhenRedisGoesAwayBeforeTheJobBegins:
    @pytest.mark.settings(accept_within_s=0.3)
    def test_the_error_says_that_the_first_recipients_were_read(self, wooshq: Wooshq, redis_url: str) -> None:
        """A generator cannot be given again as it is."""

        def stops_redis() -> Iterator[str]:
            with redis.Redis.from_url(redis_url) as client:
                client.execute_command("CLIENT", "PAUSE", 1500, "ALL")
            yield "u1"

        with pytest.raises(NotAccepted, match="safe to call again, with all recipients from the first one"):
            wooshq.fan_out(TEMPLATE, stops_redis())

    @pytest.mark.settings(accept_within_s=0.3, redis_url="redis://127.0.0.1:9/0")
    def test_nothing_is_read_if_it_is_away_before(self, wooshq: Wooshq) -> None:
        rest = iter(["u1", "u2"])
        with pytest.raises(NotAccepted, match=r"safe to call again\."):
            wooshq.fan_out(TEMPLATE, rest)
        assert list(rest) == ["u1", "u2"]


class WhenRecipientsHaveMoreColumnsThanTheTextsName:
    def test_the_others_stay_in_the_house(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        job = rig.wooshq.fan_out({"message": {"push": {"title": "Hi", "body": "In {city}"}}}, [ROW, {**ROW, "user": "u2", "name": "Bob"}])
        assert job.wait(GENEROUS_S).sent == 2
        (call,) = api.calls
        assert call.body["transactional"]["dynamic_content_placeholders"] == {"city": "Bonn"}
        assert not {"Ann", "ann@example.com", "17"} & set(json.dumps(call.body).split('"'))
        assert job.columns_not_sent == ("mail", "name", "spend")

    def test_they_are_not_in_the_ledger_either(self, rig: Rig) -> None:
        rig.wooshq.fan_out(TEMPLATE, [ROW])
        kept = b"".join(_everything(rig))
        assert b'"u1"' in kept
        assert b"ann@example.com" not in kept

    def test_one_that_is_named_is_sent_too(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        (rig.folder / "t.json").write_text(json.dumps({"message": {"push": {"title": "In {city}"}}}))
        (rig.folder / "p.csv").write_text(",".join(ROW) + "\n" + ",".join(ROW.values()) + "\n")
        done = rig.cli("fanout", "--template", "t.json", "--recipients", "p.csv", "--also", "spend", "--also", "name")
        assert done.returncode == 0, done.stderr
        assert api.calls[0].body["transactional"]["dynamic_content_placeholders"] == {"city": "Bonn", "spend": "17", "name": "Ann"}
        assert "not sent, because the message does not use it: mail." in said(done)

    def test_a_job_that_is_resumed_sends_the_columns_with_which_it_began(self, rig: Rig, api: StandIn) -> None:
        def breaks() -> Iterator[Any]:
            yield from itertools.islice(rows(), 3000)
            raise OSError

        def rows() -> Iterator[Any]:
            return ({"user": f"u{i}", "name": f"N{i}", "spend": f"{i}"} for i in range(4000))

        ids: list[str] = []
        with pytest.raises(OSError):
            rig.wooshq.fan_out(PERSONAL, breaks(), also=["spend"], opened=ids.append)
        with pytest.raises(ValueError, match="leave out also"):
            rig.wooshq.fan_out(None, rows(), also=["spend"], resume=ids[0])
        rig.start_worker()
        assert rig.wooshq.fan_out(None, rows(), resume=ids[0]).wait(GENEROUS_S).sent == 4000
        assert {len(call.body["transactional"]["dynamic_content_placeholders"]) for call in api.calls} == {2}
        assert set(api.accepted.values()) == {1}


class WhenManyRowsAreNotValid:
    def a_file(self, rig: Rig, encoding: str) -> list[str]:
        """As Excel saves it: most people have a name or a city with an umlaut."""
        (rig.folder / "t.json").write_text(json.dumps({"message": {"push": {"title": "In {city}"}}, "idempotency_key": "spring"}))
        rows = "".join(f"u{n},{'Bonn' if n % 5 == 0 else 'Köln'}\n" for n in range(100))
        (rig.folder / "p.csv").write_text("user,city\n" + rows, encoding=encoding)
        return ["fanout", "--template", "t.json", "--recipients", "p.csv"]

    def test_nobody_is_sent_to_and_the_corrected_file_is_accepted_under_the_same_key(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        done = rig.cli(*self.a_file(rig, "cp1252"))
        assert (done.returncode, done.stdout) == (1, b"")
        assert "80 of 100 rows are not valid. The limit is 10. The most frequent problem (80 rows): is not UTF-8." in said(done)
        assert "line 3: is not UTF-8" in said(done)
        assert "No job was started." in said(done)
        assert rig.wooshq.bulk.list() == []
        done = rig.cli(*self.a_file(rig, "utf-8"))
        assert done.returncode == 0, done.stderr
        assert api.accepted == dict.fromkeys((f"u{n}" for n in range(100)), 1)

    def test_more_can_be_allowed(self, rig: Rig) -> None:
        args = [*self.a_file(rig, "cp1252"), "--detach"]
        assert rig.cli(*args, "--max-rejects", "79").returncode == 1
        assert rig.wooshq.bulk.list() == []
        assert "must be a number of rows" in said(rig.cli(*args, "--max-rejects", "lots"))
        assert rig.cli(*args, "--max-rejects", "80%").returncode == 1
        assert rig.wooshq.bulk.list()[0].total == 20

    def test_after_a_job_that_left_them_out_the_corrected_rows_are_sent_from_a_file_of_their_own(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        assert rig.cli(*self.a_file(rig, "cp1252"), "--max-rejects", "80%").returncode == 1
        done = rig.cli(*self.a_file(rig, "utf-8"))
        assert done.returncode == 1
        assert "put only these rows in a new file, and start a job for it (with another idempotency_key" in said(done)

        (rig.folder / "t2.json").write_text(json.dumps({"message": {"push": {"title": "In {city}"}}, "idempotency_key": "spring-2"}))
        (rig.folder / "corrected.csv").write_text("user,city\n" + "".join(f"u{n},Köln\n" for n in range(100) if n % 5))
        assert rig.cli("fanout", "--template", "t2.json", "--recipients", "corrected.csv").returncode == 0
        assert api.accepted == dict.fromkeys((f"u{n}" for n in range(100)), 1)

    def test_bad_rows_at_the_end_of_the_file_count(self, rig: Rig) -> None:
        self.a_file(rig, "utf-8")
        (rig.folder / "p.csv").write_text("user,city\n" + "".join(f"u{n},Bonn\n" for n in range(5000)) + "u\n" * 100)
        done = rig.cli("fanout", "--template", "t.json", "--recipients", "p.csv", "--detach")
        assert (done.returncode, "100 of 5,100 rows are not valid. The limit is 51." in said(done)) == (1, True)

    def test_bad_rows_at_its_beginning_count_as_part_of_the_whole(self, rig: Rig) -> None:
        self.a_file(rig, "utf-8")
        (rig.folder / "p.csv").write_text("user,city\n" + "u\n" * 50 + "".join(f"u{n},Bonn\n" for n in range(5000)))
        done = rig.cli("fanout", "--template", "t.json", "--recipients", "p.csv", "--detach")
        assert (done.returncode, rig.wooshq.bulk.list()[0].total) == (1, 5000)

    def test_a_stream_is_judged_by_its_head(self, rig: Rig) -> None:
        self.a_file(rig, "utf-8")
        args = ["fanout", "--template", "t.json", "--recipients", "-", "--detach"]
        done = rig.cli(*args, stdin="user,city\n" + "u\n" * 21 + "".join(f"u{n},Bonn\n" for n in range(3000)))
        assert (done.returncode, "21 of 2,000 rows that were checked are not valid" in said(done)) == (1, True)
        done = rig.cli(*args, stdin="user,mail,city\n" + "u1,x,Bonn\n")
        assert (done.returncode, "not sent, because the message does not use it: mail." in said(done)) == (0, True)

    @pytest.mark.parametrize(("bad", "is_refused"), [(20, False), (21, True)])
    def test_from_python_the_first_2000_are_looked_at(self, rig: Rig, bad: int, is_refused: bool) -> None:
        stream = [*[{"user": ""}] * bad, *(f"u{n}" for n in range(3000))]
        if is_refused:
            with pytest.raises(JobRefused, match="21 of 2,000 rows that were checked are not valid"):
                rig.wooshq.fan_out(TEMPLATE, stream)
        made = rig.wooshq.fan_out(TEMPLATE, stream, max_rejects="2%")
        assert (made.refused, made.show().total) == (bad, 3000)


class WhenAColumnIsNotSent:
    def test_its_values_cost_nobody_also_in_a_resume(self, rig: Rig) -> None:
        """A nested value, or a cell that is not UTF-8, in a column that nobody needs."""
        (rig.folder / "t.json").write_text(json.dumps(PERSONAL))
        (rig.folder / "p.ndjson").write_text("".join(json.dumps({"user": f"u{n}", "name": "Ann", "notes": [n]}) + "\n" for n in range(50)))
        done = rig.cli("fanout", "--template", "t.json", "--recipients", "p.ndjson", "--detach", "--json")
        assert (done.returncode, json.loads(done.stdout)["total"]) == (0, 50), done.stderr
        again = rig.cli("fanout", "--resume", json.loads(done.stdout)["id"], "--recipients", "p.ndjson", "--detach")
        assert again.returncode == 0, again.stderr


class WhenATemplateCannotReachItsRecipients:
    def test_an_email_column_beside_a_push_is_refused(self, rig: Rig) -> None:
        (rig.folder / "t.json").write_text(json.dumps(TEMPLATE))
        (rig.folder / "p.csv").write_text("email\nann@example.com\n")
        done = rig.cli("fanout", "--template", "t.json", "--recipients", "p.csv", "--detach")
        assert (done.returncode, "an email address cannot receive this message" in said(done)) == (1, True)
        assert rig.wooshq.bulk.list() == []

    def test_an_expiry_in_the_past_is_refused(self, rig: Rig) -> None:
        (rig.folder / "t.json").write_text(json.dumps({**TEMPLATE, "expires_at": "2020-01-01T00:00:00Z"}))
        (rig.folder / "p.csv").write_text("user\nu1\n")
        done = rig.cli("fanout", "--template", "t.json", "--recipients", "p.csv", "--detach")
        assert (done.returncode, "t.json: expires_at: is in the past" in said(done)) == (1, True)
        assert rig.wooshq.bulk.list() == []


def _everything(rig: Rig) -> Iterator[bytes]:
    """What the ledger's Redis keeps of jobs, with the chunks as the workers read them."""
    redis = rig.redis()
    for key in redis.scan_iter():
        kind = redis.type(key)
        if kind == b"hash":
            for value in redis.hgetall(key).values():
                yield value
                try:
                    yield zlib.decompress(value)
                except zlib.error:
                    continue
        elif kind == b"string":
            yield redis.get(key) or b""
