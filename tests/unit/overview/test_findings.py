"""Each rule of what is wrong: when it speaks, how bad it is, what it says, and that it stays short."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.overview.seen import APPLICATION, NOW_MS, a_gate, a_job, a_replay, a_worker, ended, found, seen, the, waiting
from wooshq.gates.waiting import Why
from wooshq.overview.facts import RedisState
from wooshq.overview.finding import Finding, Kind, Severity
from wooshq.overview.rates import Ends
from wooshq.overview.show import findings_of, overview_of
from wooshq.overview.workers import WorkerState

DAY_S = 86_400


class WhenAllIsWell:
    def test_nothing_is_found_and_the_sentence_has_the_proof(self) -> None:
        told = overview_of(seen(waits=[waiting(Why.WORKER, 3)], minutes={"bulk sent_at": str(NOW_MS - 4000)}))
        assert (told.is_well, told.findings) == (True, ())
        assert told.says == (
            "All is well. The last message was sent 4 s ago. 3 messages wait, the oldest that may leave for 1 s. 1 worker is ready."
        )

    def test_a_notice_is_no_fault(self) -> None:
        told = overview_of(seen(gates=[a_gate("hand", by="ana", why="noon")]))
        assert told.is_well
        assert len(told.findings) == 1


class WhenNobodyConsumes:
    def test_a_worker_that_is_missing_is_critical_only_when_something_waits(self) -> None:
        assert found(workers=[]) == [("no_worker", "warning")]
        assert found(workers=[], waits=[waiting(Why.WORKER, 5, for_s=1)]) == [("no_worker", "warning")], "a restart takes a moment"
        told = the(workers=[], waits=[waiting(Why.WORKER, 1204, for_s=720)])
        assert (told.severity, told.since is not None) == ("critical", True)
        assert told.says == "No worker takes the transactional lane: 1,204 messages wait, the oldest for 12 min."
        assert told.acts[0].command == "wooshq worker"

    def test_a_lane_that_no_worker_consumes_is_named_although_others_are_consumed(self) -> None:
        told = the(workers=[a_worker(lanes=("bulk",))], waits=[waiting(Why.WORKER, 1, for_s=60)])
        assert told.says.startswith("No worker takes the transactional lane: 1 message waits")
        assert "-Q" in told.hint

    def test_workers_that_are_lost_do_not_count(self) -> None:
        kinds = found(workers=[a_worker(WorkerState.LOST)], waits=[waiting(Why.WORKER, 1, for_s=60)])
        assert kinds == [("no_worker", "critical"), ("worker_lost", "warning")]


class WhenALaneIsLate:
    def test_it_is_a_warning_and_critical_when_it_is_much_too_late(self) -> None:
        assert found(waits=[waiting(Why.WORKER, 9, for_s=9)]) == []
        assert found(waits=[waiting(Why.WORKER, 9, for_s=20)]) == [("overdue", "warning")]
        assert found(waits=[waiting(Why.WORKER, 9, for_s=31)]) == [("overdue", "critical")]
        assert found(waits=[waiting(Why.WORKER, 9, lane="bulk", for_s=800)]) == [], "each lane has its own target"

    def test_it_says_whether_another_worker_helps_and_when_it_will_be_empty(self) -> None:
        full = a_worker(busy={"transactional": (10, 10), "bulk": (0, 8)})
        told = the(workers=[full], waits=[waiting(Why.WORKER, 600, for_s=45)], minutes=ended((1, Ends(sent=60))))
        assert told.says == (
            "The oldest message of the transactional lane has waited for 45 s; its target is 10 s. 600 messages may leave. "
            "All 10 calls that the workers may make at once are in progress. It will be empty in 10 min at this rate."
        )
        assert told.acts[0].command == "wooshq worker"
        assert the(waits=[waiting(Why.WORKER, 1, for_s=45)]).acts[0].page == "/#workers"

    def test_what_is_held_back_is_not_late(self) -> None:
        assert found(waits=[waiting(Why.CIRCUIT, 9, for_s=900)], gates=[a_gate()]) == [("gate_shut", "critical")]


class WhenAGateIsShut:
    def test_it_says_what_the_api_does_how_many_wait_and_how_to_open_it(self) -> None:
        waits = [waiting(Why.CIRCUIT, 1204, lane=lane) for lane in ("transactional", "bulk")]
        told = the(gates=[a_gate()], waits=[*waits, waiting(Why.CIRCUIT, 5, application="OTHER-APP")])
        assert told.says == (f"The API fails or cannot be reached for {APPLICATION}: 20 failures in a row. 2,408 messages wait behind it.")
        (act,) = told.acts
        assert act.command == f"wooshq gates open circuit --application {APPLICATION}"
        assert (act.does, act.named) == ("open_gate", {"gate": "circuit", "application": APPLICATION})

    def test_a_wait_that_the_api_asked_for_is_a_notice_with_its_end(self) -> None:
        told = the(gates=[a_gate("not_before", until="2026-11-28T02:00:09.000Z")])
        assert told.severity == Severity.NOTICE
        assert "until 02:00:09 UTC" in told.says

    def test_one_that_a_person_shut_names_the_person(self) -> None:
        assert the(gates=[a_gate(by="ana@ops", why="drill")]).says.startswith(f"ana@ops shut the gate circuit for {APPLICATION}: drill.")

    def test_many_of_one_name_are_one_finding(self) -> None:
        gates = [a_gate("token", f"APP-{n}", since_s=n + 1) for n in range(200)]
        told = the(gates=gates)
        assert told.says.startswith("The API refuses the token for 200 applications (APP-199, APP-198, APP-197 and 197 more)")
        assert told.since == gates[-1].since


class WhenPeoplePausedSomething:
    def test_each_pause_says_who_why_and_how_much_waits(self) -> None:
        told = the(gates=[a_gate("hand", "*", lane="bulk", by="ana", why="codes first")], waits=[waiting(Why.PAUSED, 7, lane="bulk")])
        assert told.says == "ana paused the bulk lane of all applications: codes first. 7 messages wait behind it."
        assert told.acts[0].command == "wooshq resume --lane bulk"
        assert (told.acts[0].does, told.acts[0].named) == ("resume", {"application": "*", "lane": "bulk"})

    def test_a_pause_of_everything_is_resumed_by_the_command_that_it_names(self) -> None:
        assert the(gates=[a_gate("hand", "*", by="ana", why="an incident")]).acts[0].command == "wooshq resume --all"

    def test_many_pauses_are_one_finding(self) -> None:
        assert len(found(gates=[a_gate("hand", f"APP-{n}", by="ana") for n in range(50)])) == 1

    def test_jobs_are_paused_by_people_and_stop_by_themselves(self) -> None:
        jobs = [a_job("paused", why="noon", by="ana", left=12), a_job("stopped", why="the API refuses the message", left=1)]
        stopped, paused = findings_of(seen(jobs=jobs))
        assert (stopped.kind, stopped.severity) == (Kind.JOB_STOPPED, Severity.WARNING)
        assert stopped.says == "The job 01a21ff7-5bc0 stopped by itself: the API refuses the message. 1 recipient is left."
        assert paused.says == "ana paused the job 01a21ff7-5bc0: noon. 12 recipients are left."
        assert paused.acts[0].named == {"job": "01a21ff7-5bc0"}
        many = findings_of(seen(jobs=[a_job(state, id=f"j{n}") for n in range(20) for state in ("paused", "stopped")]))
        assert len(many) == 8

    def test_a_replay_that_stopped_is_a_warning_and_one_that_is_paused_a_notice_each_with_its_act(self) -> None:
        replays = [a_replay("paused", note="lunch"), a_replay("stopped", note="40 % failed again", waiting=1), a_replay("running")]
        stopped, paused = findings_of(seen(replays=replays))
        assert (stopped.kind, stopped.severity) == (Kind.REPLAY_STOPPED, Severity.WARNING)
        assert stopped.says == "The replay 01b21ff7-5bc0 stopped by itself: 40 % failed again. 1 letter is left."
        assert [act.command for act in stopped.acts] == [
            "wooshq replays show 01b21ff7-5bc0-7000",
            "wooshq replays resume 01b21ff7-5bc0-7000",
        ]
        assert (paused.kind, paused.severity) == (Kind.PAUSED, Severity.NOTICE)
        assert paused.says == "The replay 01b21ff7-5bc0 is paused: lunch. 12 letters are left."
        assert (paused.acts[0].does, paused.acts[0].named) == ("resume_replay", {"replay": "01b21ff7-5bc0-7000"})
        assert len(findings_of(seen(replays=[a_replay(state, id=f"r{n}") for n in range(20) for state in ("paused", "stopped")]))) == 8

    def test_a_roll_out_between_its_steps_is_not_told_as_if_a_person_had_paused_it(self) -> None:
        why = "step 1 of 3 has ended: 0 of 50 recipients were refused or are in doubt; 950 wait for the next step"
        told = the(jobs=[a_job("paused", step="1 of 3", why=why)])
        assert (told.kind, told.severity) == (Kind.NEXT_STEP, Severity.NOTICE)
        assert told.says == f"The roll-out of the job 01a21ff7-5bc0 is between its steps: {why}."
        assert "The next step waits for you." in told.hint
        assert (told.acts[0].label, told.acts[0].command) == ("Start the next step", "wooshq bulk resume 01a21ff7-5bc0")
        alone = the(jobs=[a_job("paused", step="1 of 3", why=why, goes_on_at="2026-05-01T09:30:00.000Z")])
        assert "starts by itself at 09:30:00 UTC" in alone.hint
        assert the(jobs=[a_job("paused", step="1 of 3", why="noon", by="ana")]).says.startswith("ana paused the job")

    def test_nobody_says_that_all_is_well_while_it_is_paused(self) -> None:
        def says(**what: Any) -> str:
            return overview_of(seen(**what)).says.partition(".")[0]

        assert says(gates=[a_gate("hand", "*", by="ana")]) == "Nothing is sent: people paused everything"
        one = a_gate("hand", by="ana", lane="bulk")
        assert says(gates=[one], waits=[waiting(Why.PAUSED, 7, lane="bulk")]) == "Nothing that waits is sent: people paused it"
        assert says(gates=[one]) == "Nothing is wrong, and something is paused"
        assert says(jobs=[a_job("paused", step="1 of 3", why="x")]) == "All is well"


class WhenAWorkerIsUnwell:
    @pytest.mark.parametrize(
        ("state", "kind", "severity"),
        [
            (WorkerState.DEAF, Kind.WORKER_DEAF, Severity.WARNING),
            (WorkerState.NOT_READY, Kind.WORKER_NOT_READY, Severity.WARNING),
            (WorkerState.LOST, Kind.WORKER_LOST, Severity.WARNING),
        ],
    )
    def test_it_is_named_beside_the_ones_that_are_fine(self, state: WorkerState, kind: Kind, severity: Severity) -> None:
        told = the(workers=[a_worker(), a_worker(state, id="w2", pid=12)])
        assert (told.kind, told.severity) == (kind, severity)
        assert "12 on web-1" in told.says
        assert "it is not well" in told.says

    def test_if_none_can_send_it_is_critical(self) -> None:
        assert found(workers=[a_worker(WorkerState.NOT_READY)]) == [("worker_not_ready", "critical")]

    def test_many_are_one_finding(self) -> None:
        told = the(workers=[a_worker(), *(a_worker(WorkerState.LOST, id=f"w{n}", pid=n) for n in range(40))])
        assert told.says.startswith("40 workers vanished: 0 on web-1, 1 on web-1, 2 on web-1 and 37 more.")

    def test_workers_that_start_or_end_are_no_news(self) -> None:
        assert found(workers=[a_worker(), a_worker(WorkerState.STARTING), a_worker(WorkerState.STOPPING)]) == []

    def test_without_a_keeper_nobody_queues_retries(self) -> None:
        assert found(keeper_age_s=None) == [("keeper_late", "warning")]
        assert found(keeper_age_s=2.5) == [("keeper_late", "warning")]
        assert found(keeper_age_s=1.9) == []
        assert found(keeper_age_s=None, workers=[a_worker(started_at="9999")]) == [], "a worker that has just started is not it yet"


class WhenMoreMessagesDie:
    def test_a_few_or_as_many_as_ever_are_no_news(self) -> None:
        assert found(minutes=ended((0, Ends(dead=4)))) == []
        assert found(minutes=ended(*((ago, Ends(dead=10, sent=90)) for ago in range(60)))) == []

    def test_more_than_before_are_with_their_share(self) -> None:
        told = the(minutes=ended((1, Ends(sent=80, dead=15, job_dead=5)), *((ago, Ends(dead=1)) for ago in range(10, 60))))
        assert told.says == "20 messages died in the last 5 minutes, 20% of those that ended. In the hour before, 5 died in 5 minutes."
        assert told.severity == Severity.WARNING
        assert told.acts[0].page == "/causes"

    def test_a_third_of_all_is_critical(self) -> None:
        told = the(minutes=ended((1, Ends(sent=10, dead=10))))
        assert told.severity == Severity.CRITICAL
        assert told.says.endswith("50% of those that ended. In the hour before, none died.")


class WhenAStoreIsInTrouble:
    @pytest.mark.parametrize(
        ("state", "expected"),
        [
            (RedisState(79, 100, "noeviction", True), []),
            (RedisState(85, 100, "noeviction", True), [("redis_full", "warning")]),
            (RedisState(96, 100, "noeviction", True), [("redis_full", "critical")]),
            (RedisState(1, 0, "allkeys-lru", True), [("redis_evicts", "critical")]),
            (RedisState(1, 0, "noeviction", False), [("redis_not_durable", "critical")]),
            (RedisState(1, 0, "noeviction", True, True), [("redis_not_durable", "critical")]),
            (RedisState(), []),
        ],
    )
    def test_redis_is_found_by_what_it_says(self, state: RedisState, expected: list[tuple[str, str]]) -> None:
        assert found(redis=state) == expected

    def test_two_databases_with_what_has_ended_are_found_as_long_as_the_ledger_names_it(self) -> None:
        here, there, before = (f"kept_in|{name}" for name in ("a", "b", "c"))
        later, earlier = str(NOW_MS + 5000), str(NOW_MS - 1)
        assert found(telling={here: later, before: earlier}) == []
        assert found(telling={here: later, there: later, before: earlier}) == [("history_elsewhere", "warning")]

    @pytest.mark.parametrize(
        ("telling", "since_s", "expected"),
        [
            ({}, 9999, []),
            ({"most": "1000"}, 30, []),
            ({"most": "1000"}, 300, [("history_behind", "warning")]),
            ({"most": "1000", "bytes": "900", "untold": "3"}, 1, [("history_behind", "warning")]),
            ({"most": "1000", "aside": "2"}, 1, [("history_refuses", "warning")]),
        ],
    )
    def test_the_history_is_behind_if_ends_wait_or_its_stream_is_full(self, telling: Any, since_s: int, expected: Any) -> None:
        assert found(telling=telling, stream_since_ms=NOW_MS - since_s * 1000, stream_length=7) == expected

    @pytest.mark.parametrize(
        ("ago_s", "waiting", "oldest_s", "aside", "expected"),
        [
            (5, 3, 1.0, 0, None),
            (5, 40, 90.0, 0, "The outbox is behind: 40 rows wait, the oldest for 90 s."),
            (300, 0, None, 0, "No relay has looked into the outbox for 5 min."),
            (5, 0, None, 1, "1 row of the outbox was put away: wooshq could not take it."),
            (2 * DAY_S, 9, 90.0, 0, None),
        ],
    )
    def test_an_outbox_is_behind_if_rows_wait_or_nobody_looks(
        self, ago_s: int, waiting: int, oldest_s: float | None, aside: int, expected: str | None
    ) -> None:
        told = {"command": "wooshq outbox", "waiting": waiting, "set_aside": aside, "oldest_s": oldest_s, "at": NOW_MS - ago_s * 1000}
        assert [finding.says for finding in findings_of(seen(outboxes=[told]))] == ([expected] if expected else [])

    def test_a_spool_is_named_with_its_machine(self) -> None:
        late = a_worker(spool={"waiting": 4, "oldest_s": 90.0, "set_aside": 0})
        aside = a_worker(host="web-2", id="w2", spool={"waiting": 0, "oldest_s": None, "set_aside": 2})
        told = [finding.says for finding in findings_of(seen(workers=[late, aside]))]
        assert told == [
            "4 messages wait in the spool on web-1, the oldest for 90 s, although Redis answers.",
            "2 messages in the spool on web-2 were set aside: the ledger refused them.",
        ]


class WhenACeilingHoldsWorkBack:
    def test_it_is_a_notice_as_soon_as_the_lane_is_late_by_it(self) -> None:
        assert found(waits=[waiting(Why.SLOT, 50, for_s=5)]) == []
        limits = {f"rate|{APPLICATION}": '{"value": "50.0", "why": "", "by": "ana", "since_ms": 1}'}
        told = the(waits=[waiting(Why.SLOT, 50, for_s=90)], limits=limits)
        assert (told.kind, told.severity) == (Kind.CEILING, Severity.NOTICE)
        assert told.says == f"The ceiling of {APPLICATION} (50 calls a second) holds back 50 messages, the oldest for 90 s."

    def test_the_lower_one_of_set_and_learned_counts(self) -> None:
        told = the(waits=[waiting(Why.SLOT, 50, for_s=90)], learned={APPLICATION: 12.0})
        assert "(12 calls a second)" in told.says

    def test_many_applications_are_one_finding(self) -> None:
        told = the(waits=[waiting(Why.SLOT, 1, application=f"APP-{n}", for_s=90 + n) for n in range(99)])
        assert told.says.startswith("The ceilings of APP-98, APP-97, APP-96 and 96 more hold back 99 messages")


class WhenEverythingIsWrong:
    def everything(self) -> list[Finding]:
        gates = [a_gate(name, f"APP-{n}", by="ana" if name == "hand" else None) for n in range(99) for name in ("circuit", "token", "hand")]
        return findings_of(
            seen(
                gates=gates,
                workers=[a_worker(state, id=f"{state}-{n}") for n in range(50) for state in WorkerState],
                waits=[waiting(why, 5, application=f"APP-{n}", for_s=900) for n in range(99) for why in Why],
                jobs=[a_job(state, id=f"j{n}") for n in range(20) for state in ("paused", "stopped")],
                redis=RedisState(99, 100, "allkeys-lru", False),
                minutes=ended((0, Ends(dead=99))),
                keeper_age_s=None,
                telling={"most": "10", "bytes": "10"},
            )
        )

    def test_the_worst_comes_first(self) -> None:
        severities = [finding.severity for finding in self.everything()]
        assert severities == sorted(severities, key=list(Severity).index)

    def test_the_list_is_short_and_each_finding_says_what_to_do(self) -> None:
        told = self.everything()
        assert len(told) < 40
        for finding in told:
            assert finding.says.endswith(".")
            assert len(finding.says) < 400
            assert finding.hint.endswith(".")
            assert finding.acts
            assert finding.kind in set(Kind)
