"""`wooshq pause`, `resume`, `limits` and `changes`."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.fan_outs import PERSONAL, personal
from tests.rig import Rig, an_intent

NOBODY = "0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d"
BY = ("--by", "ana@ops-1")


def objects(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


class WhenSomethingIsPaused:
    def test_it_is_said_who_why_and_how_to_resume(self, rig: Rig) -> None:
        done = rig.cli("pause", "--lane", "bulk", "--why", "codes first", *BY)
        assert (done.returncode, done.stdout) == (0, b"")
        said = "Sending is paused for the bulk lane of every application, by ana@ops-1: codes first. To resume: wooshq resume --lane bulk\n"
        assert done.stderr.decode() == said
        waiting = rig.wooshq.enqueue(an_intent(lane="bulk"))
        assert b"paused by ana@ops-1: codes first" in rig.cli("status", waiting).stdout
        assert b"the bulk lane of every application" in rig.cli("gates").stdout

    def test_resume_says_what_is_still_paused(self, rig: Rig) -> None:
        rig.cli("pause", "--all", "--why", "the shop is down", *BY)
        rig.cli("pause", "--application", "CCCCC-DDDDD", "--lane", "bulk", "--why", "wrong text", *BY)
        done = rig.cli("resume", "--all")
        assert done.stderr.decode() == (
            "Sending is resumed for every application.\nStill paused: the bulk lane of CCCCC-DDDDD, by ana@ops-1: wrong text\n"
        )
        assert json.loads(rig.cli("resume", "--all", "--json").stdout) == {"application": "*", "lane": None, "resumed": False}
        assert json.loads(rig.cli("resume", "--application", "CCCCC-DDDDD", "--lane", "bulk", "--json").stdout)["resumed"]
        assert rig.wooshq.gates() == []

    def test_a_job_is_paused_as_bulk_pause_does_it(self, rig: Rig) -> None:
        job = rig.wooshq.fan_out(PERSONAL, personal(3))
        done = rig.cli("pause", "--job", job.id, "--why", "wrong text", *BY)
        assert (done.returncode, done.stdout.decode()) == (0, f"{job.id} paused\n")
        assert re.search(r"^state +paused by ana@ops-1: wrong text$", rig.cli("bulk", "show", job.id).stdout.decode(), re.MULTILINE)
        assert rig.cli("resume", "--job", job.id).stdout.decode() == f"{job.id} running\n"
        assert rig.cli("pause", "--job", NOBODY).returncode == 1

    @pytest.mark.parametrize(
        ("args", "says"),
        [
            ((), "--all, --lane, --application or --job"),
            (("--all", "--lane", "bulk"), "--all"),
            (("--job", NOBODY, "--all"), "--job"),
            (("--lane", "slow"), "is not a lane. Use one of transactional, bulk"),
            (("--application", "nonsense"), "XXXXX-XXXXX"),
        ],
    )
    def test_options_that_do_not_name_one_thing_are_refused(self, rig: Rig, args: tuple[str, ...], says: str) -> None:
        for command in ("pause", "resume"):
            done = rig.cli(command, *args)
            assert done.returncode == 2
            assert says in " ".join(done.stderr.decode().split())
        assert rig.wooshq.changes() == []


class WhenLimitsAreSet:
    def test_they_are_shown_with_who_and_why(self, rig: Rig) -> None:
        done = rig.cli("limits", "set", "--rate", "50", "--share", "0.5", "--why", "slow today", *BY)
        assert done.stderr.decode() == "The rate of every application is 50/s now.\nThe share of every application is 0.5 now.\n"
        rig.cli("limits", "set", "--rate", "none", "--application", "CCCCC-DDDDD", *BY)
        lines = rig.cli("limits").stdout.decode().splitlines()
        assert re.fullmatch(r"rate +every application +50/s +set +[0-9: -]{19} +ana@ops-1 +slow today", lines[2])
        assert re.fullmatch(r"rate +CCCCC-DDDDD +none +set +[0-9: -]{19} +ana@ops-1", lines[3])
        assert [(one["limit"], one["value"]) for one in objects(rig.cli("limits", "--json").stdout)] == [
            ("rate", 50),
            ("rate", None),
            ("share", 0.5),
        ]

    def test_unset_brings_back_the_environments(self, rig: Rig) -> None:
        rig.cli("limits", "set", "--rate", "50")
        done = rig.cli("limits", "unset", "--rate", "--share")
        assert done.stderr.decode() == (
            "The rate of every application is taken back: the environment counts again.\nThe share of every application was not set.\n"
        )
        shown = objects(rig.cli("limits", "--json").stdout)
        assert [(one["limit"], one["value"], one["origin"]) for one in shown] == [
            ("rate", None, "environment"),
            ("share", 0.2, "environment"),
        ]

    def test_a_jobs_rate_is_set_until_it_has_ended(self, rig: Rig) -> None:
        job = rig.wooshq.fan_out(PERSONAL, personal(3), rate=5)
        done = rig.cli("limits", "set", "--rate", "20", "--job", job.id)
        assert done.stderr.decode() == f"The rate of job {job.id} is 20/s now.\n"
        assert job.show().limit == 20
        assert b"20 calls/s" in rig.cli("bulk", "show", job.id).stdout
        job.cancel()
        done = rig.cli("limits", "set", "--rate", "30", "--job", job.id)
        assert (done.returncode, done.stderr) == (1, b"The job is cancelled. Its rate was not changed.\n")
        assert rig.cli("limits", "set", "--rate", "30", "--job", NOBODY).returncode == 1

    @pytest.mark.parametrize(
        ("args", "says"),
        [
            (("set",), "--rate or --share"),
            (("unset",), "--rate or --share"),
            (("set", "--rate", "fast"), "is not a number. Use calls per second, or none"),
            (("set", "--rate", "0"), "rate: is not a number above 0"),
            (("set", "--share", "1"), "share: is not a number above 0 and below 1"),
            (("set", "--rate", "5", "--job", NOBODY, "--share", "0.5"), "a job has only a --rate of its own"),
            (("set", "--rate", "5", "--application", "nonsense"), "XXXXX-XXXXX"),
        ],
    )
    def test_a_limit_that_cannot_be_is_refused(self, rig: Rig, args: tuple[str, ...], says: str) -> None:
        done = rig.cli("limits", *args)
        assert done.returncode == 2
        assert says in " ".join(done.stderr.decode().replace("│", " ").split())
        assert rig.wooshq.changes() == []


class WhenTheChangesAreShown:
    def test_each_has_a_line_with_who_what_and_why(self, rig: Rig) -> None:
        assert rig.cli("changes").stdout == b"Nobody changed anything yet.\n"
        rig.cli("pause", "--all", "--why", "the shop is down", *BY)
        rig.cli("limits", "set", "--rate", "50", *BY)
        rig.cli("limits", "set", "--rate", "none", "--why", "fast again", *BY)
        rig.cli("limits", "unset", "--rate", *BY)
        _, _, *lines = rig.cli("changes").stdout.decode().splitlines()
        assert [re.sub(r" {2,}", "|", line).split("|", 1)[1] for line in lines] == [
            "ana@ops-1|unset|the rate of every application (was none)",
            "ana@ops-1|set|the rate of every application: 50 → none|fast again",
            "ana@ops-1|set|the rate of every application: none → 50",
            "ana@ops-1|paused|every application|the shop is down",
        ]
        (newest,) = objects(rig.cli("changes", "--most", "1", "--json").stdout)
        assert (newest["did"], newest["limit"], newest["by"]) == ("unset", "rate", "ana@ops-1")
