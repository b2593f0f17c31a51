"""Assertions find intents by any part, wait for threads, and show the nearest intent if they fail."""

from __future__ import annotations

import re
import threading
from typing import Any
from unittest.mock import ANY

import pytest

import wooshq
from tests.rig import an_intent
from wooshq.testing import Outbox, assert_enqueued, refute_enqueued


@pytest.fixture(autouse=True)
def _three(box: Outbox) -> None:
    wooshq.enqueue(an_intent("u1", tags={"order": "7"}, ttl_s=60))
    wooshq.enqueue(an_intent("u2", lane="bulk"))
    wooshq.enqueue({"to": {"segment": "VIP"}, "message": {"email": {"subject": {"en": "Hello", "de": "Hallo"}, "body": "<p>News</p>"}}})


class WhenAPartIsNamed:
    @pytest.mark.parametrize(
        ("parts", "found"),
        [
            ({}, 0),
            ({"recipient": "u2"}, 1),
            ({"lane": "bulk"}, 1),
            ({"to": {"segment": "VIP"}}, 2),
            ({"message": {"email": {"subject": {"de": "Hallo"}}}}, 2),
            ({"message__email__body": re.compile("News")}, 2),
            ({"tags__order": "7", "ttl_s": 60}, 0),
            ({"tags": ANY}, 0),
            ({"ttl_s": None, "recipient": "u2"}, 1),
            ({"message__push__title": "Hi", "lane": "bulk"}, 1),
        ],
    )
    def test_the_first_intent_that_has_all_parts_is_returned(self, box: Outbox, parts: dict[str, Any], found: int) -> None:
        assert assert_enqueued(**parts) is box[found]
        with pytest.raises(AssertionError, match=re.escape(f"outbox[{found}]")):
            refute_enqueued(**parts)

    @pytest.mark.parametrize(
        "parts",
        [
            {"recipient": "u3"},
            {"to": {"users": ["u1", "u2"]}},
            {"message__push__title": re.compile("^i")},
            {"tags": None, "ttl_s": 60},
            {"message__email": {"subject": "Hello"}},
            {"recipient": "u1", "lane": "bulk"},
        ],
    )
    def test_a_part_that_differs_is_not_found(self, parts: dict[str, Any]) -> None:
        refute_enqueued(**parts)
        with pytest.raises(AssertionError):
            assert_enqueued(**parts)

    def test_recipients_of_a_job_are_found_by_its_handle(self) -> None:
        job = wooshq.fan_out({"message": {"push": {"body": "Hi {name}"}}}, [{"user": "u8", "name": "Ann"}, {"user": "u9", "name": "Bob"}])
        assert assert_enqueued(job=job, count=2).recipients == ["u8"]
        assert_enqueued(job=job.id, recipient="u9", placeholders__name="Bob")
        refute_enqueued(job=job, recipient="u1")

    @pytest.mark.parametrize(
        ("parts", "hint"),
        [
            ({"lanes": "bulk"}, "Did you mean lane?"),
            ({"message__push__titel": "Hi"}, "Did you mean message.push.title?"),
            ({"message": {"puhs": {}}}, "Did you mean message.push?"),
            ({"to": {"x": 1}}, "Use one of: to.users, "),
            ({"message__email__from_": "a"}, "Did you mean message.email.from?"),
        ],
    )
    def test_a_field_that_no_intent_has_is_an_error_and_no_match(self, parts: dict[str, Any], hint: str) -> None:
        for check in (assert_enqueued, refute_enqueued):
            with pytest.raises(TypeError, match=re.escape(hint)):
                check(**parts)

    def test_fields_whose_names_are_free_are_not_checked(self) -> None:
        refute_enqueued(message__push__data={"anything": 1}, request={"transactional": {"x": 1}}, tags__x="y")


class WhenACountIsAsked:
    def test_it_must_be_exact(self) -> None:
        assert_enqueued(message__push=ANY, count=2)
        with pytest.raises(AssertionError, match=r"1 should have been enqueued with message.push.title='Hi', and 2 were:\n  outbox"):
            assert_enqueued(message__push__title="Hi", count=1)

    def test_none_is_asked_with_refute(self) -> None:
        with pytest.raises(ValueError, match="refute_enqueued"):
            assert_enqueued(count=0)


class WhenAnAssertionFails:
    def test_it_shows_the_nearest_intent_and_the_fields_that_differ(self, box: Outbox) -> None:
        with pytest.raises(AssertionError) as raised:
            assert_enqueued(recipient="u2", lane="transactional", message__push={"title": "Hi", "sound": "ding"})
        assert str(raised.value).splitlines() == [
            "No intent with lane='transactional', message.push.title='Hi', message.push.sound='ding', recipient='u2' was enqueued.",
            f"The nearest of 3 is outbox[1], push to u2 ({box[1].id}):",
            "  lane: wanted 'transactional', found 'bulk'",
            "  message.push.sound: wanted 'ding', found nothing",
        ]

    def test_it_says_if_nothing_was_enqueued(self, box: Outbox) -> None:
        box.clear()
        with pytest.raises(AssertionError, match="Nothing at all was enqueued"):
            assert_enqueued(recipient="u1")

    def test_it_shows_dead_letters_because_a_submit_raises_nothing(self, box: Outbox) -> None:
        from celery import Celery

        Celery("shop", broker="redis://127.0.0.1:1").send_task("wooshq.submit", args=[{"to": {"users": ["u5"]}}])
        with pytest.raises(AssertionError, match=r"There is a dead letter \(invalid\): message"):
            assert_enqueued(recipient="u5")

    def test_many_intents_are_not_all_listed(self) -> None:
        wooshq.enqueue_many(an_intent("u7") for _ in range(30))
        with pytest.raises(AssertionError, match="and 20 more"):
            refute_enqueued(recipient="u7")


class WhenThreadsEnqueue:
    def test_assert_waits_for_them(self) -> None:
        begun = threading.Event()

        def work() -> None:
            begun.wait(300)
            wooshq.enqueue(an_intent("u5"))
            wooshq.enqueue(an_intent("late"))

        thread = threading.Thread(target=work)
        thread.start()
        refute_enqueued(recipient="late")
        begun.set()
        assert_enqueued(recipient="late", within_s=300)
        thread.join()

    def test_refute_gives_them_time(self) -> None:
        thread = threading.Thread(target=lambda: wooshq.enqueue(an_intent("late")))
        thread.start()
        with pytest.raises(AssertionError, match="late"):
            refute_enqueued(recipient="late", within_s=300)
        thread.join()


def test_without_an_outbox_the_error_says_how_to_open_one() -> None:
    from wooshq.testing.outboxes import _open

    opened, _open[:] = _open[:], []
    try:
        with pytest.raises(RuntimeError, match="wooshq_outbox"):
            assert_enqueued()
    finally:
        _open[:] = opened
