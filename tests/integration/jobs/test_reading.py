"""How the rows of a job are read: a file as its stream, and columns that nobody needs."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.rig import GENEROUS_S, Rig
from tests.stand_in import StandIn
from wooshq import RecipientsFile, RecipientsUnreadable, RowRules

CITY: dict[str, Any] = {"message": {"push": {"title": "In {city}"}}}


def a_file(rig: Rig, content: bytes) -> Path:
    path = rig.folder / "people.csv"
    path.write_bytes(content)
    return path


def breaking(part: Iterable[Any]) -> Iterator[Any]:
    yield from part
    raise OSError


class WhenAFileIsTheStream:
    def test_its_rows_are_sent_to_and_its_bad_rows_and_notes_are_in_the_handle(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        path = a_file(rig, b"user,city,locale\nu1,Bonn,\nu2,Lyon,fil-PH\n,x,\n")
        with RecipientsFile(path) as file:
            job = rig.wooshq.fan_out(CITY, file)
        assert job.wait(GENEROUS_S).sent == 2
        assert ({line: str(p[0]) for line, p in job.errors.items()}, job.notes.counts) == ({4: "user: must not be empty."}, {"locale": 1})

    @pytest.mark.parametrize("content", [b"", b"user,city\n"])
    def test_a_file_without_recipients_starts_no_job(self, rig: Rig, content: bytes) -> None:
        with RecipientsFile(a_file(rig, content)) as file, pytest.raises(RecipientsUnreadable, match="has no recipients"):
            rig.wooshq.fan_out(CITY, file)
        assert rig.wooshq.bulk.list() == []

    def test_a_change_while_it_is_read_is_an_error(self, rig: Rig) -> None:
        path = a_file(rig, b"user,city\n" + b"".join(b"u%d,Bonn\n" % n for n in range(3_000)))
        with RecipientsFile(path) as file, pytest.raises(RecipientsUnreadable, match="longer"):
            rig.wooshq.fan_out(CITY, file, opened=lambda _: path.open("ab").write(b"u,x\n"))


class WhenAColumnIsNotNeeded:
    def test_no_value_of_it_costs_a_recipient(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        path = a_file(rig, b"user,city,note,note\nu1,Bonn,\xfc,x\nu2,Bonn,\0,\xff\n")
        with RecipientsFile(path) as file:
            job = rig.wooshq.fan_out(CITY, file)
        assert (job.refused, job.wait(GENEROUS_S).sent, job.columns_not_sent) == (0, 2, ("note",))
        rows = [{"user": "u3", "city": "Bonn", "tags": ["a"], "born": object(), 7: "x"}, {"user": "u4", "city": None, "tags": {}}]
        job = rig.wooshq.fan_out(CITY, rows)
        assert (job.refused, job.wait(GENEROUS_S).sent, job.columns_not_sent) == (0, 2, ("born", "tags"))
        sent = [call.body["transactional"]["dynamic_content_placeholders"] for call in api.calls]
        assert sorted(values["city"] for values in sent) == ["", "Bonn", "Bonn"]

    def test_a_value_of_a_needed_one_does_and_says_why(self, rig: Rig) -> None:
        job = rig.wooshq.fan_out(CITY, [{"user": "u1", "city": ["Bonn"]}, {"user": "u2", "city": "Bonn"}])
        assert [str(problem) for problem in job.errors[0]] == ["city: must be a string or a number. Write it as a string"]
        job = rig.wooshq.fan_out(
            CITY, [{"user": "u1", "city": "Bonn", "tags": []}, {"user": "u2", "city": "Bonn", "tags": "x"}], also=["tags"]
        )
        assert list(job.errors) == [0]


class WhenAFileIsNotUtf8:
    def test_nobody_is_sent_to_until_its_encoding_is_named(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        (rig.folder / "t.json").write_text(json.dumps(CITY))
        path = a_file(rig, b"user;city\n" + b"".join(f"u{n};Zürich\n".encode("cp1252") for n in range(50)))
        args = ["fanout", "--template", "t.json", "--recipients", str(path)]
        done = rig.cli(*args)
        said = " ".join(done.stderr.decode().split())
        assert (done.returncode, done.stdout) == (1, b"")
        assert "none of the 50 rows is valid" in said
        assert "is not UTF-8. Name the encoding of the file, such as --encoding cp1252 for a CSV of Excel, or save it as UTF-8" in said
        assert rig.cli(*args, "--encoding", "cp1252").returncode == 0
        assert {call.body["transactional"]["dynamic_content_placeholders"]["city"] for call in api.calls} == {"Zürich"}
        assert b"encoding: is not an encoding that can be read" in rig.cli(*args, "--encoding", "ansi").stderr

    def test_a_message_that_needs_no_such_cell_is_sent(self, rig: Rig) -> None:
        with RecipientsFile(a_file(rig, "user;name;city\nu1;Jürgen;Bonn\n".encode("cp1252"))) as file:
            job = rig.wooshq.fan_out(CITY, file)
        assert (job.refused, job.show().total) == (0, 1)

    def test_a_resume_reads_it_in_the_same_encoding(self, rig: Rig) -> None:
        path = a_file(rig, b"user;city\n" + b"".join(f"u{n};Zürich{n}\n".encode("cp1252") for n in range(3_000)))
        rules = RowRules(encoding="cp1252")
        ids: list[str] = []
        with pytest.raises(OSError), RecipientsFile(path) as file:
            rig.wooshq.fan_out(CITY, breaking(itertools.islice(file.rows(rules), 2_500)), opened=ids.append, rows=rules)
        with RecipientsFile(path) as file:
            assert rig.wooshq.fan_out(None, file, resume=ids[0]).show().total == 3_000


class WhenColumnsHaveOtherNames:
    CONTENT = b"User ID;email;Stadt\nu1;ann@example.com;Bonn\nu2;bob@example.com;\n"

    def test_the_command_proposes_the_map_and_takes_it(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        (rig.folder / "t.json").write_text(json.dumps(CITY))
        path = a_file(rig, self.CONTENT)
        args = ["fanout", "--template", "t.json", "--recipients", str(path)]
        said = " ".join(rig.cli(*args).stderr.decode().split())
        assert "Did you mean" not in said  # it has a column email
        path.write_bytes(self.CONTENT.replace(b"email", b"Mail 2"))
        said = " ".join(rig.cli(*args).stderr.decode().split())
        assert 'The columns are: User ID, Mail 2, Stadt. Did you mean user? Then add --map user="User ID"' in said
        path.write_bytes(self.CONTENT)
        done = rig.cli(*args, "--map", "user=User ID", "--map", "city=Stadt", "--default", "city=your city")
        assert done.returncode == 0, done.stderr
        assert api.accepted == {"u1": 1, "u2": 1}
        sent = {call.body["transactional"]["dynamic_content_placeholders"]["city"] for call in api.calls}
        assert sent == {"Bonn", "your city"}
        for wrong in (
            ["--map", "user"],
            ["--map", "=x"],
            ["--default", "city="],
            ["--map", "user=a", "--map", "user=b"],
            ["--default", "user=x"],
        ):
            done = rig.cli(*args, *wrong)
            assert (done.returncode, b"Traceback" in done.stderr) == (2, False), wrong

    def test_python_takes_the_same(self, rig: Rig) -> None:
        rules = RowRules(columns={"user": "User ID", "city": "Stadt"}, defaults={"city": "your city"})
        seen = rig.wooshq.bulk.preview(CITY, [{"User ID": 1, "Stadt": None}, {"User ID": 2, "Stadt": "Bonn"}], rows=rules)
        assert [one.texts for one in seen.examples] == [{"title": "In your city"}, {"title": "In Bonn"}]
        with RecipientsFile(a_file(rig, self.CONTENT)) as file:
            job = rig.wooshq.fan_out(CITY, file, rows=rules)
        assert (job.show().total, job.refused) == (2, 0)


class WhenEmailAddressesDiffer:
    EMAIL: ClassVar[dict[str, Any]] = {"message": {"email": {"subject": "Hi", "body": "<p>Hi</p>"}}}
    CONTENT = b"email\nann@example.com\nAnn@Example.com\nmailto:ann@example.com\nbob@example.com\n"

    def test_each_spelling_is_sent_to_and_it_is_said(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        (rig.folder / "t.json").write_text(json.dumps(self.EMAIL))
        path = a_file(rig, self.CONTENT)
        args = ["fanout", "--template", "t.json", "--recipients", str(path)]
        said = " ".join(rig.cli(*args, "--dry-run").stderr.decode().split())
        assert "In 1 row, the email address differs from an earlier one only in capital letters." in said
        done = rig.cli(*args)
        said = " ".join(done.stderr.decode().split())
        assert "Note: In 1 row, the email address differs from an earlier one only in capital letters. Each spelling is sent to." in said
        assert "Note: In 1 row, mailto:, or a name beside the email address, was removed." in said
        assert "1 duplicate recipient was skipped." in said
        assert api.accepted == {"ann@example.com": 1, "Ann@Example.com": 1, "bob@example.com": 1}

    def test_they_can_be_taken_as_one(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        with RecipientsFile(a_file(rig, self.CONTENT)) as file:
            job = rig.wooshq.fan_out(self.EMAIL, file, rows=RowRules(fold_emails=True))
        assert (job.wait(GENEROUS_S).sent, job.duplicates, job.notes.counts) == (2, 2, {"email": 1})
        assert api.accepted == {"ann@example.com": 1, "bob@example.com": 1}


class WhenAJobIsFedOn:
    def test_its_rows_are_read_by_the_rules_that_it_was_started_with(self, rig: Rig) -> None:
        rows = [{"user": f"'{n}", "city": "Bonn", "tags": []} for n in range(3_000)]

        ids: list[str] = []
        with pytest.raises(OSError):
            rig.wooshq.fan_out(CITY, breaking(rows[:2_500]), opened=ids.append, rows=RowRules(exact=True))
        job = rig.wooshq.fan_out(None, rows, resume=ids[0])
        assert (job.show().total, job.refused, job.notes.counts) == (3_000, 0, {})

    def test_the_command_goes_on_by_them_too(self, rig: Rig) -> None:
        path = a_file(rig, b"user,city\n" + b"".join(b"'%d,Bonn\n" % n for n in range(12_000)))
        ids: list[str] = []
        with pytest.raises(OSError), RecipientsFile(path) as file:
            part = itertools.islice(file.rows(RowRules(exact=True, only=frozenset({"city"}))), 11_000)
            rig.wooshq.fan_out(CITY, breaking(part), opened=ids.append, rows=RowRules(exact=True))
        done = rig.cli("fanout", "--resume", ids[0], "--recipients", str(path), "--detach")
        assert done.returncode == 0, done.stderr
        assert (rig.wooshq.bulk.show(ids[0]).total, b"spreadsheets" in done.stderr) == (12_000, False)
        done = rig.cli("fanout", "--resume", ids[0], "--recipients", str(path), "--exact")
        assert b"a job keeps the settings" in done.stderr

    def test_other_rules_are_refused(self, rig: Rig) -> None:
        job = rig.wooshq.fan_out(CITY, [{"user": "u1", "city": "Bonn"}])
        with pytest.raises(ValueError, match="leave out rows"):
            rig.wooshq.fan_out(None, [{"user": "u1", "city": "Bonn"}], resume=job.id, rows=RowRules(exact=True))
