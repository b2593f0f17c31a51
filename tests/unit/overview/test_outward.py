"""The rules for webhooks and hooks: when they speak, how bad it is, what they say, and that nothing speaks for ever."""

from __future__ import annotations

from tests.unit.overview.seen import a_webhook, before, found, the
from wooshq.overview.finding import Does

GONE = "the receiver answered HTTP 410: it wants no more events"
DAY_S = 86_400


class WhenAWebhookIsPaused:
    def test_by_itself_it_is_a_warning_with_the_act_that_resumes_it(self) -> None:
        told = the(webhooks=[a_webhook(state="paused", held_why=GONE, held_at=before(600), waits=12, oldest_s=600)])
        assert (told.kind, told.severity) == ("webhook_paused", "warning")
        assert told.says == f"The webhook shop is paused: {GONE}. 12 events wait for it, the oldest for 10 min."
        assert told.since is not None
        resume, look = told.acts
        assert (resume.does, resume.named, resume.command) == (Does.RESUME_WEBHOOK, {"webhook": "shop"}, "wooshq webhooks resume shop")
        assert look.page == "/webhooks/shop"

    def test_by_a_person_it_is_a_notice_that_names_the_person(self) -> None:
        told = the(webhooks=[a_webhook(state="paused", held_why="the shop moves", held_at=before(600), held_by="ana@ops-1")])
        assert told.severity == "notice"
        assert told.says == "ana@ops-1 paused the webhook shop: the shop moves. No event waits for it."


class WhenAReceiverFails:
    def test_it_is_found_when_it_lasts_longer_than_a_few_retries(self) -> None:
        def failing(seconds: float, name: str = "webhook/shop") -> list[tuple[str, str]]:
            return found(webhooks=[a_webhook(name, failing_since=before(seconds), failing_why="HTTP 500", waits=3, oldest_s=seconds)])

        assert failing(59) == [], "a failure that is tried again in a moment"
        assert failing(61) == failing(61, "hook/billing") == [("webhook_failing", "warning")]

    def test_it_says_why_and_how_many_wait(self) -> None:
        told = the(webhooks=[a_webhook(failing_since=before(7200), failing_why="HTTP 500", waits=1, oldest_s=7200)])
        assert told.says == "The webhook shop fails: HTTP 500. 1 event waits for it, the oldest for 2 h."
        hook = the(webhooks=[a_webhook("hook/billing", failing_since=before(7200), failing_why="ValueError")])
        assert hook.says == "The hook billing fails: ValueError. No event waits for it."
        assert hook.acts[0].page == "/webhooks", "a hook has no page of its own"

    def test_many_share_one_finding(self) -> None:
        told = the(webhooks=[a_webhook(f"webhook/w{n}", failing_since=before(90), failing_why="HTTP 500", waits=2) for n in range(5)])
        assert told.says == "5 receivers of events fail: w0, w1, w2 and 2 more. 10 events wait for them."


class WhenEventsWait:
    def test_it_is_found_after_a_minute_and_not_for_one_that_fails_already(self) -> None:
        assert found(webhooks=[a_webhook(waits=3, oldest_s=59)]) == []
        assert found(webhooks=[a_webhook(waits=3, oldest_s=61)]) == [("webhook_behind", "warning")]
        assert found(webhooks=[a_webhook(waits=3, oldest_s=61, failing_since=before(61), failing_why="no")]) == [
            ("webhook_failing", "warning")
        ]

    def test_ends_of_which_nobody_makes_events_are_found_only_where_somebody_wants_them(self) -> None:
        assert found(lag_s=600) == []
        told = the(webhooks=[a_webhook()], lag_s=600)
        assert told.says == "Nobody makes events of what has ended: the oldest end is 10 min old."


class WhenSomebodyIsNotTold:
    def test_what_was_missed_is_said_for_a_day(self) -> None:
        def missed(seconds: float) -> dict[str, str]:
            return {"missed|outward": "1204", "missed_at|outward": str(before(seconds))}

        told = the(telling=missed(60))
        assert told.says == ("1,204 ends were not told to any webhook, because the stream of events was full; the last one 60 s ago.")
        assert found(telling=missed(DAY_S + 1)) == []

    def test_what_was_given_up_is_said_for_a_day(self) -> None:
        told = the(webhooks=[a_webhook(dropped=3, dropped_at=before(120))])
        assert (told.kind, told.says) == (
            "events_missed",
            "The webhook shop did not get 3 events, which were given up; the last one 2 min ago.",
        )
        assert found(webhooks=[a_webhook(dropped=3, dropped_at=before(DAY_S + 1))]) == []
        assert found(webhooks=[a_webhook(dropped=3)]) == [], "a version before did not note when"
        assert len(found(webhooks=[a_webhook(f"webhook/w{n}", dropped=1, dropped_at=before(9)) for n in range(9)])) == 4
