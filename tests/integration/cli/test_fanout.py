"""`wooshq fanout` and `wooshq bulk`: a file becomes a job, and its bad rows stop nothing and are kept."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.rig import GENEROUS_S, Rig, wait_until
from tests.stand_in import Reply, StandIn, refusal


@pytest.fixture
def template(tmp_path: Path) -> str:
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"message": {"push": {"title": "Sale"}}}))
    return str(path)


def a_csv(tmp_path: Path, n: int, *, more: str = "") -> Path:
    path = tmp_path / "people.csv"
    path.write_text("user\n" + "".join(f"u{i}\n" for i in range(n)) + more)
    return path


class WhenAFileIsGiven:
    def test_every_recipient_is_reached_and_the_job_is_summarized(self, rig: Rig, api: StandIn, template: str, tmp_path: Path) -> None:
        rig.start_worker()
        done = rig.cli("fanout", "--template", template, "--recipients", str(a_csv(tmp_path, 2500)))
        assert done.returncode == 0, done.stderr
        job_id = done.stdout.decode().strip()
        assert re.fullmatch(r"[0-9a-f-]{36}", job_id)
        assert re.search(rb"done in [\d.]+ s.*: 2,500 of 2,500 sent; 3 calls \(minimum 3\)\.", done.stderr)
        assert len(api.accepted) == 2500
        shown = json.loads(rig.cli("bulk", "show", job_id, "--json", "--recount").stdout)
        assert (shown["id"], shown["state"], shown["sent"], shown["calls"]) == (job_id, "done", 2500, 3)
        assert b"The count and the counters agree." in rig.cli("bulk", "show", job_id, "--recount").stderr

    @pytest.mark.parametrize("form", ["ndjson", "csv.gz", "ndjson.gz", "stdin", "csv.utf16"])
    def test_every_file_format_is_read(self, rig: Rig, api: StandIn, template: str, tmp_path: Path, form: str) -> None:
        rig.start_worker()
        ndjson = "".join(json.dumps({"user": f"u{i}", "name": "Ann"}) + "\n" for i in range(300)).encode()
        raw = b"user\n" + b"".join(b"u%d\n" % i for i in range(300)) if form.startswith("csv") else ndjson
        raw = raw.decode().encode("utf-16") if form == "csv.utf16" else raw
        path = tmp_path / f"people.{form}"
        path.write_bytes(gzip.compress(raw) if form.endswith("gz") else raw)
        where, stdin = ("-", raw) if form == "stdin" else (str(path), b"")
        done = rig.cli("fanout", "--template", template, "--recipients", where, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        (job,) = map(json.loads, done.stdout.splitlines())
        assert (job["state"], job["sent"]) == ("done", 300)

    def test_bad_rows_are_written_to_a_file_with_their_lines_and_stop_nothing(self, rig: Rig, template: str, tmp_path: Path) -> None:
        rig.start_worker()
        path = a_csv(tmp_path, 5, more=' u5\n"u\n6"\nu7,x\n\nu8\nu8\n')
        rejects = tmp_path / "rejects.ndjson"
        done = rig.cli("fanout", "--template", template, "--recipients", str(path), "--rejects", str(rejects))
        assert done.returncode == 1
        said = done.stderr.decode()
        assert "line 7: user: has spaces at its start or end" in said
        assert f"2 rows were rejected. See {rejects}." in said
        assert "1 duplicate recipient was skipped." in said
        rows = [json.loads(line) for line in rejects.read_text().splitlines()]
        assert [row["line"] for row in rows] == [7, 10]
        assert rows[0]["row"] == " u5"
        assert rows[0]["errors"][0]["field"] == "user"
        assert oct(rejects.stat().st_mode)[-3:] == "600"
        again = rig.cli("fanout", "--template", template, "--recipients", str(path), "--rejects", str(rejects))
        assert b"--force" in again.stderr
        assert b"Traceback" not in again.stderr

    def test_the_rejects_file_is_checked_before_anyone_is_sent_to(self, rig: Rig, template: str, tmp_path: Path) -> None:
        path = a_csv(tmp_path, 5, more='" u5"\n')
        there = tmp_path / "there.ndjson"
        there.write_text("kept")
        before = path.read_bytes()
        for rejects, says in (
            ("-", "name a file"),
            (str(path), "is an input"),
            (template, "is an input"),
            (str(tmp_path / "none" / "x"), "cannot be written"),
            (str(there), "--force"),
        ):
            force = ["--force"] if rejects != str(there) else []
            done = rig.cli("fanout", "--template", template, "--recipients", str(path), "--rejects", rejects, *force)
            assert done.returncode == 2, rejects
            assert says in " ".join(done.stderr.decode().replace("│", " ").split())
        assert (path.read_bytes(), there.read_text()) == (before, "kept")
        assert rig.cli("bulk", "list", "--json").stdout == b""

    def test_what_excel_made_of_a_file_is_repaired_or_said_before_anyone_is_sent_to(self, rig: Rig, tmp_path: Path, template: str) -> None:
        path = tmp_path / "people.csv"
        path.write_bytes(b'sep=;\r\nuser\r\n="00123"\r\n\xef\xbb\xbfu2\r\n' + b"None\r\n" * 40)
        done = rig.cli("fanout", "--template", template, "--recipients", str(path), "--max-rejects", "40", "--detach")
        said = " ".join(done.stderr.decode().split())
        assert said.index("Note: 40 of the first 42 rows are rejected for the same reason: user: is None") < said.index(
            "line 5: user: is None"
        )
        assert "Note: In 1 row, the marks that spreadsheets write around a text were removed" in said
        assert "Note: In 1 row, invisible characters, such as byte order marks, were removed" in said
        assert json.loads(rig.cli("bulk", "show", done.stdout.decode().strip(), "--json").stdout)["total"] == 2

    def test_a_locale_that_the_api_does_not_have_costs_nobody_and_is_noted(self, rig: Rig, api: StandIn, tmp_path: Path) -> None:
        rig.start_worker()
        template = tmp_path / "texts.json"
        template.write_text(json.dumps({"message": {"push": {"title": {"default": "Sale", "de": "Verkauf"}}}}))
        path = tmp_path / "people.csv"
        path.write_text("user,locale\nu1,fil-PH\nu2,haw-US\nu3,yue-Hant-HK\nu4,de-AT\n")
        done = rig.cli("fanout", "--template", str(template), "--recipients", str(path))
        assert done.returncode == 0, done.stderr
        assert "Note: In 3 rows, the locale is not one that Pushwoosh knows." in " ".join(done.stderr.decode().split())
        assert api.accepted == dict.fromkeys(("u1", "u2", "u3", "u4"), 1)

    @pytest.mark.parametrize("text", ["", "user\n", "\n\n"])
    def test_a_file_without_recipients_starts_no_job(self, rig: Rig, template: str, tmp_path: Path, text: str) -> None:
        path = tmp_path / "people.csv"
        path.write_text(text)
        done = rig.cli("fanout", "--template", template, "--recipients", str(path))
        assert done.returncode in (1, 2)
        assert b"Traceback" not in done.stderr
        assert rig.cli("bulk", "list", "--json").stdout == b""

    def test_an_invalid_template_starts_no_job(self, rig: Rig, tmp_path: Path) -> None:
        path = tmp_path / "template.json"
        path.write_text('{"message": {"push": {"titel": "x"}}, "to": {"users": ["u"]}}')
        done = rig.cli("fanout", "--template", str(path), "--recipients", str(a_csv(tmp_path, 3)))
        assert done.returncode == 1
        assert "template.json: message.push.titel: no such field" in done.stderr.decode().replace("\n", " ")
        assert b"No job was started." in done.stderr
        assert rig.cli("bulk", "list", "--json").stdout == b""

    @pytest.mark.parametrize(
        ("args", "code", "says"),
        [
            (["--recipients", "no-such-file"], 2, "no-such-file"),
            (["--recipients", "{people}", "--steps", "ten"], 2, "1%,10%,100%"),
            (["--recipients", "-", "--steps", "1%,100%"], 2, "--total"),
            (["--recipients", "{people}", "--stop-at", "x", "--steps", "5"], 2, "5%"),
            (["--recipients", "{people}", "--step-wait", "soon", "--steps", "5"], 2, "10m"),
            (["--recipients", "{people}", "--resume", "x"], 2, "--template"),
            (["--recipients", "{nothing}"], 2, "user, hwid, push_token, email"),
        ],
    )
    def test_wrong_options_are_named(self, rig: Rig, template: str, tmp_path: Path, args: list[str], code: int, says: str) -> None:
        (tmp_path / "nothing.csv").write_text("city\nBonn\n")
        people = str(a_csv(tmp_path, 3))
        args = [arg.format(people=people, nothing=tmp_path / "nothing.csv") for arg in args]
        done = rig.cli("fanout", "--template", template, *args)
        assert (done.returncode, b"Traceback" in done.stderr) == (code, False), done.stderr
        assert says in done.stderr.decode().replace("\n", " ")

    def test_the_progress_fits_a_terminal(self, rig: Rig, api: StandIn, template: str, tmp_path: Path) -> None:
        api.latency_s = 0.2
        rig.start_worker()
        path = tmp_path / "people.ndjson"
        path.write_text("".join(json.dumps({"user": f"u{i}", "n": i}) + "\n" for i in range(3000)))
        seen = rig.terminal("fanout", "--template", template, "--recipients", str(path), "--also", "n", ever=True)
        assert "3,000 of 3,000 sent" in seen
        assert re.search(r"\d sent, [\d,]+/s, \d+ s left", seen)
        assert all(len(line) <= 80 for line in seen.splitlines())


class WhenTheFileIsBroken:
    def test_a_truncated_gzip_starts_no_job(self, rig: Rig, template: str, tmp_path: Path) -> None:
        path = tmp_path / "people.csv.gz"
        path.write_bytes(gzip.compress(b"user\n" + b"".join(b"u%d\n" % i for i in range(50_000)))[:-2000])
        done = rig.cli("fanout", "--template", template, "--recipients", str(path))
        assert (done.returncode, done.stdout) == (2, b"")
        assert "people.csv.gz" in done.stderr.decode()
        assert rig.wooshq.bulk.list() == []

    def test_the_job_of_a_truncated_stream_stays_open_and_can_be_cancelled(self, rig: Rig, template: str) -> None:
        cut = gzip.compress(b"user\n" + b"".join(b"u%d\n" % i for i in range(50_000)))[:-2000]
        done = rig.cli("fanout", "--template", template, "--recipients", "-", stdin=cut)
        assert done.returncode == 1
        assert b"Traceback" not in done.stderr
        job_id = done.stdout.decode().strip()
        assert f"wooshq bulk cancel {job_id}" in done.stderr.decode().replace("\n", " ")
        assert json.loads(rig.cli("bulk", "show", job_id, "--json").stdout)["state"] == "feeding"
        assert rig.cli("bulk", "cancel", job_id).returncode == 0
        job = json.loads(rig.cli("bulk", "show", job_id, "--json").stdout)
        assert (job["state"], job["sent"]) == ("cancelled", 0)

    def test_the_job_of_a_file_that_changes_during_the_reading_stays_open(self, rig: Rig, template: str, tmp_path: Path) -> None:
        path = a_csv(tmp_path, 200_000)
        command = [sys.executable, "-m", "wooshq_worker", "fanout", "--template", template, "--recipients", str(path), "--detach"]
        rig.env["WOOSHQ_BULK_OPEN_CHUNKS"] = "2"
        running = subprocess.Popen(command, env=rig.env, cwd=rig.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert running.stdout is not None
        job_id = running.stdout.readline().decode().strip()
        with path.open("a") as file:
            file.write("late\n")
        rig.start_worker()
        _, said = running.communicate(timeout=GENEROUS_S)
        assert running.returncode == 1
        assert b"chang" in said
        assert json.loads(rig.cli("bulk", "show", job_id, "--json").stdout)["state"] == "feeding"


class WhenFeedingIsKilled:
    def test_a_copy_continues_where_it_stopped_and_a_file_with_other_content_is_refused(
        self, rig: Rig, api: StandIn, template: str, tmp_path: Path
    ) -> None:
        path = a_csv(tmp_path, 100_000)
        rig.env["WOOSHQ_BULK_OPEN_CHUNKS"] = "3"
        command = [sys.executable, "-m", "wooshq_worker", "fanout", "--template", template, "--recipients", str(path)]
        running = subprocess.Popen(command, env=rig.env, cwd=rig.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert running.stdout is not None
        job_id = running.stdout.readline().decode().strip()
        wait_until(lambda: rig.wooshq.bulk.show(job_id).chunks >= 3)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()

        copy = tmp_path / "copy.csv"
        shutil.copyfile(path, copy)
        with path.open("r+") as file:
            file.write("user\nx0\n")
        changed = rig.cli("fanout", "--resume", job_id, "--recipients", str(path))
        assert changed.returncode in (1, 2)
        said = changed.stderr.decode().replace("\n", " ")
        assert "does not have the content of the file that the job was started with" in said
        assert "Do not start another job" in said

        rig.start_worker()
        done = rig.cli("fanout", "--resume", job_id, "--recipients", str(copy), "--json")
        assert done.returncode == 0, done.stderr
        job = json.loads(done.stdout)
        assert (job["id"], job["state"], job["total"], job["sent"], job["calls"]) == (job_id, "done", 100_000, 100_000, 100)
        assert set(api.accepted.values()) == {1}

    def test_ctrl_c_says_how_to_continue(self, rig: Rig, template: str, tmp_path: Path) -> None:
        path = tmp_path / "people.csv"
        path.write_text("user\n u0\n" + "".join(f"u{i}\n" for i in range(60_000)))
        rig.env["WOOSHQ_BULK_OPEN_CHUNKS"] = "2"
        command = [sys.executable, "-m", "wooshq_worker", "fanout", "--template", template, "--recipients", str(path)]
        running = subprocess.Popen(command, env=rig.env, cwd=rig.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert running.stdout is not None
        job_id = running.stdout.readline().decode().strip()
        wait_until(lambda: rig.wooshq.bulk.show(job_id).chunks >= 2)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=GENEROUS_S)
        assert running.returncode == 130
        assert f"wooshq fanout --resume {job_id}" in said.decode().replace("\n", " ")
        assert b"Traceback" not in said
        rig.start_worker()
        done = rig.cli("fanout", "--resume", job_id, "--recipients", str(path), "--json")
        assert (done.returncode, json.loads(done.stdout)["sent"]) == (1, 60_000), "the bad row is rejected again, in the job's own file"


class WhenAJobIsHeld:
    def test_pause_resume_and_cancel_say_how_many_recipients_were_sent_to(
        self, rig: Rig, api: StandIn, template: str, tmp_path: Path
    ) -> None:
        rig.start_worker()
        path = tmp_path / "people.ndjson"
        path.write_text("".join(json.dumps({"user": f"u{i}", "n": i}) + "\n" for i in range(20_000)))
        # 40 s of calls: the job is still running when it is paused and cancelled.
        done = rig.cli("fanout", "--template", template, "--recipients", str(path), "--also", "n", "--rate", "500", "--detach", "--json")
        job = json.loads(done.stdout)
        assert (job["total"], done.returncode) == (20_000, 0)
        wait_until(lambda: len(api.calls) > 100)
        paused = rig.cli("bulk", "pause", job["id"], "--why", "lunch")
        assert (paused.returncode, paused.stdout.decode().split()) == (0, [job["id"], "paused"])
        assert re.search(rb"The job has sent to [\d,]+ of 20,000 recipients[.,]", paused.stderr)
        shown = rig.cli("bulk", "show", job["id"]).stdout.decode()
        assert re.search("paused by .*: lunch", shown)
        assert rig.cli("bulk", "resume", job["id"]).returncode == 0
        assert rig.cli("bulk", "cancel", job["id"], "--json").returncode == 0
        wait_until(lambda: rig.wooshq.bulk.show(job["id"]).is_final)
        assert rig.cli("bulk", "resume", job["id"]).returncode == 1
        assert [json.loads(line)["state"] for line in rig.cli("bulk", "list", "--json").stdout.splitlines()] == ["cancelled"]
        assert job["id"] in rig.cli("bulk", "list").stdout.decode()

    def test_watch_with_json_prints_an_object_per_second(self, rig: Rig, api: StandIn, template: str, tmp_path: Path) -> None:
        path = tmp_path / "people.ndjson"
        path.write_text("".join(json.dumps({"user": f"u{i}", "n": i}) + "\n" for i in range(200)))
        done = rig.cli("fanout", "--template", template, "--recipients", str(path), "--also", "n", "--rate", "60", "--detach", "--json")
        started = time.monotonic()
        watching = rig.start("bulk", "show", json.loads(done.stdout)["id"], "--watch", "--json")
        assert watching.stdout is not None
        first = watching.stdout.readline()
        rig.start_worker()
        rest, _ = watching.communicate(timeout=GENEROUS_S)
        objects = [json.loads(line) for line in [first, *rest.splitlines()]]
        assert 2 <= len(objects) <= time.monotonic() - started + 3
        assert objects[-1]["state"] == "done"
        assert [one["sent"] for one in objects] == sorted(one["sent"] for one in objects)

    @pytest.mark.parametrize("verb", ["show", "pause", "resume", "cancel", "retry-failed"])
    def test_an_unknown_job_is_named(self, rig: Rig, verb: str) -> None:
        done = rig.cli("bulk", verb, "0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d")
        assert (done.returncode, b"no job has this id" in done.stderr.replace(b"\n", b" ")) == (1, True)


class WhenItIsRolledOut:
    def test_it_waits_after_each_step_and_names_the_command_that_continues(self, rig: Rig, template: str, tmp_path: Path) -> None:
        rig.start_worker()
        done = rig.cli("fanout", "--template", template, "--recipients", str(a_csv(tmp_path, 1000)), "--steps", "1%,100%")
        assert done.returncode == 0, done.stderr
        job_id = done.stdout.decode().strip()
        said = done.stderr.decode().replace("\n", " ")
        assert "10 of 1,000 sent" in said
        assert "990 wait for the next step" in said
        assert f"wooshq bulk resume {job_id}" in said
        assert rig.cli("bulk", "resume", job_id).returncode == 0
        wait_until(lambda: rig.wooshq.bulk.show(job_id).sent == 1000)


class WhenSomeWereNotReached:
    def test_unknown_identifiers_are_written_to_a_file_and_dead_letters_are_retried(
        self, rig: Rig, api: StandIn, template: str, tmp_path: Path
    ) -> None:
        api.answer = lambda call, n: (
            refusal(400, 3, "no")
            if "u3" in call.recipients
            else Reply(200, {"result": {"message_code": "M", "unknown_identifiers": [p for p in call.recipients if p in ("u1", "u4")]}})
        )
        rig.start_worker()
        done = rig.cli("fanout", "--template", template, "--recipients", str(a_csv(tmp_path, 10)))
        assert done.returncode == 1
        job_id = done.stdout.decode().strip()
        assert "7 of 10 sent, 1 dead, 2 unknown to the API" in done.stderr.decode().replace("\n", " ")
        unknown = tmp_path / "unknown.txt"
        assert rig.cli("bulk", "show", job_id, "--unknown", str(unknown)).returncode == 0
        assert sorted(unknown.read_text().split()) == ["u1", "u4"]
        assert rig.cli("bulk", "show", job_id, "--unknown", "-").stdout.decode().split() == unknown.read_text().split()
        assert len(rig.cli("dead", "list", "--bulk", job_id, "--json").stdout.splitlines()) == 1
        plan = rig.cli("bulk", "retry-failed", job_id, "--dry-run", "--json")
        assert json.loads(plan.stdout).items() >= {"selected": 1, "replayed": 1, "skipped": 0, "invalid": 0, "calls": 1}.items()
        api.answer = lambda call, n: None
        assert rig.cli("bulk", "retry-failed", job_id).returncode == 0
        wait_until(lambda: api.accepted["u3"] == 1)
