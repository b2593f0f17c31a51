"""What a broker message means: intents that wait, an intent, a turn, another application's task, or a dead letter."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.message import Message

from tests.strategies import json_values
from wooshq.installation.celery_app import SEND, SUBMIT, TURN
from wooshq_worker.intents.submit import Submitted
from wooshq_worker.process.broker_message import Bell, Meaning, NotOurs, Turn, meaning_of, not_understood

ID = "01a20c48-e4c7-7776-9c22-18a93bbdff2f"
INTENT = {"to": {"users": ["u1"]}, "message": {"push": {"title": "Hi"}}}


def a_message(body: Any = None, task: str | None = None, *, task_id: str | None = "task-1", tag: str = "tag-1", **changes: Any) -> Message:
    """As Celery's protocol 2 writes it: [args, kwargs, embed]. `headers` in changes are added to its own."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"task": task, "id": task_id, **changes.pop("headers", {})}
    given = {"content_type": "application/json", "content_encoding": "utf-8", "properties": {}, **changes}
    return Message(body=raw, delivery_tag=tag, headers=headers, **given)


def task(name: str, *args: Any, **kwargs: Any) -> Message:
    return a_message([list(args), kwargs, {}], name)


def why_of(meaning: Meaning) -> str:
    assert isinstance(meaning, Submitted)
    assert meaning.why is not None
    return meaning.why


class WhenItIsABell:
    def test_intents_wait_in_the_lane(self) -> None:
        assert meaning_of(task(SEND, []), "bulk") == Bell(0)

    def test_it_says_how_often_it_was_passed_on(self) -> None:
        assert meaning_of(task(SEND, [], hops=2), "bulk") == Bell(2)

    @pytest.mark.parametrize("hops", [-1, 4, "2", True, None, 1.5, [1]])
    def test_hops_that_no_worker_sends_count_as_none(self, hops: Any) -> None:
        assert meaning_of(task(SEND, [], hops=hops), "bulk") == Bell(0)

    @pytest.mark.parametrize("args", [(), ([ID],), ([ID], 2), ("x",), (["not an id"],), ({"id": ID},)])
    def test_whatever_else_it_carries_it_is_a_bell(self, args: tuple[Any, ...]) -> None:
        """The version before sent ids."""
        assert meaning_of(task(SEND, *args), "transactional") == Bell(0)

    def test_outside_a_lane_it_is_not_ours(self) -> None:
        assert meaning_of(task(SEND, []), None) == NotOurs()


class WhenItIsATurn:
    def test_a_chunk_waits_in_the_ledger(self) -> None:
        assert meaning_of(task(TURN), "bulk") == Turn()

    def test_in_the_other_lane_it_is_a_dead_letter(self) -> None:
        assert SUBMIT in why_of(meaning_of(task(TURN), "transactional"))


class WhenItIsAnIntent:
    @pytest.mark.parametrize("lane", ["transactional", "bulk", None])
    def test_it_is_submitted_from_every_queue(self, lane: str | None) -> None:
        meaning = meaning_of(task(SUBMIT, INTENT), lane)
        assert isinstance(meaning, Submitted)
        assert (meaning.body, meaning.why) == (INTENT, None)

    def test_protocol_1_is_understood_too(self) -> None:
        meaning = meaning_of(a_message({"task": SUBMIT, "id": "task-1", "args": [INTENT], "kwargs": {}}), None)
        assert isinstance(meaning, Submitted)
        assert (meaning.body, meaning.why) == (INTENT, None)

    @pytest.mark.parametrize(
        ("message", "why"),
        [
            (task(SUBMIT), "only argument"),
            (task(SUBMIT, INTENT, INTENT), "only argument"),
            (a_message([[INTENT], {}, {}], SUBMIT, headers={"eta": "2026-05-01T12:00:00Z"}), "schedule and expires_at"),
            (a_message([[INTENT], {}, {}], SUBMIT, headers={"expires": "2026-05-01T12:00:00Z"}), "schedule and expires_at"),
            (task("another.task", INTENT), "must be the task"),
            (a_message(b"{", SUBMIT), "not JSON"),
            (a_message(b"[" * 100_000, SUBMIT), "not JSON"),
            (a_message({"a": 1}, SUBMIT), "[args, kwargs, embed]"),
            (a_message([[INTENT], {}, {}], SUBMIT, content_type="application/x-python-serialize"), "JSON in UTF-8"),
            (a_message([[INTENT], {}, {}], SUBMIT, content_encoding="binary"), "JSON in UTF-8"),
            (a_message([[INTENT], {}, {}], SUBMIT, headers={"compression": "application/x-gzip"}), "compression"),
            (a_message(b" " * (8 * 1024 * 1024 + 1), SUBMIT), "the limit is 8388608"),
        ],
    )
    def test_what_is_not_one_is_a_dead_letter_that_says_why(self, message: Message, why: str) -> None:
        meaning = meaning_of(message, "transactional")
        assert why in why_of(meaning)
        assert isinstance(meaning, Submitted)
        assert message.body.startswith(meaning.raw)
        assert len(meaning.raw) <= 64 * 1024


FOLLOWERS = {"callbacks": "link", "errbacks": "link_error", "chain": "chain", "chord": "chord"}
NEXT = [{"task": "shop.next", "args": [], "kwargs": {}, "options": {}}]


class WhenItsSenderAskedForMoreThanASubmitCanDo:
    @pytest.mark.parametrize(("in_message", "option"), FOLLOWERS.items())
    def test_tasks_that_should_follow_are_refused_with_the_name_of_their_option(self, in_message: str, option: str) -> None:
        for message in (
            a_message([[INTENT], {}, {in_message: NEXT}], SUBMIT),
            a_message({"task": SUBMIT, "id": "task-1", "args": [INTENT], "kwargs": {}, in_message: NEXT}),  # protocol 1
        ):
            assert f"does not take {option}:" in why_of(meaning_of(message, "transactional"))

    def test_all_of_them_are_named(self) -> None:
        why = why_of(meaning_of(a_message([[INTENT], {}, {"callbacks": NEXT, "chain": NEXT}], SUBMIT), None))
        assert "does not take link, chain:" in why

    @pytest.mark.parametrize("empty", [None, [], {}])
    def test_empty_options_are_as_good_as_none(self, empty: Any) -> None:
        meaning = meaning_of(a_message([[INTENT], {}, dict.fromkeys(FOLLOWERS, empty)], SUBMIT, headers={"group": "g"}), None)
        assert isinstance(meaning, Submitted)
        assert (meaning.body, meaning.why) == (INTENT, None)

    @pytest.mark.parametrize(
        ("message", "name"),
        [
            (a_message([[INTENT], {"priority": 1}, {}], SUBMIT), "kwargs"),
            (a_message([[INTENT], {}, {}], SUBMIT, headers={"eta": "2026-05-01T12:00:00Z"}), "eta or countdown"),
            (a_message([[INTENT], {}, {}], SUBMIT, headers={"expires": "2026-05-01T12:00:00Z"}), "expires"),
            (a_message(b"\x1f\x8b", SUBMIT, headers={"compression": "application/x-bz2"}), "compression (application/x-bz2)"),
            (a_message(b"\x80\x04", SUBMIT, content_type="application/x-python-serialize", content_encoding="binary"), "serializer"),
        ],
    )
    def test_every_other_option_is_named_too(self, message: Message, name: str) -> None:
        assert name in why_of(meaning_of(message, "bulk"))

    def test_the_intent_is_kept_so_that_it_can_be_replayed(self) -> None:
        meaning = meaning_of(a_message([[INTENT], {}, {"chain": NEXT}], SUBMIT), "transactional")
        assert isinstance(meaning, Submitted)
        assert meaning.body == INTENT


class WhenItIsDeliveredAgain:
    def id_of(self, message: Message) -> str:
        meaning = meaning_of(message, "transactional")
        assert isinstance(meaning, Submitted)
        return str(uuid.UUID(meaning.intent_id))

    def test_it_is_the_same_intent(self) -> None:
        assert self.id_of(task(SUBMIT, INTENT)) == self.id_of(task(SUBMIT, INTENT))
        assert self.id_of(task(SUBMIT, INTENT)) != self.id_of(a_message([[INTENT], {}, {}], SUBMIT, task_id="task-2"))

    def test_without_an_id_of_its_own_the_brokers_tag_and_its_bytes_tell(self) -> None:
        nameless = a_message(b"x", None, task_id=None)
        assert self.id_of(nameless) == self.id_of(a_message(b"x", None, task_id=None))
        assert self.id_of(nameless) != self.id_of(a_message(b"y", None, task_id=None))
        assert self.id_of(nameless) != self.id_of(a_message(b"x", None, task_id=None, tag="tag-2"))

    def test_the_same_is_true_of_one_that_could_not_be_read(self) -> None:
        first, again = (not_understood(a_message(b"x", None, task_id=None), ValueError("ann@example.com")) for _ in range(2))
        assert first == again
        assert first.raw == b"x"
        assert "ValueError" in str(first.why)
        assert "ann" not in str(first.why)


class WhenAnythingAtAllArrives:
    @given(body=json_values | st.binary(max_size=50), headers=st.dictionaries(st.sampled_from(["task", "id", "eta"]), json_values))
    @pytest.mark.parametrize("lane", ["transactional", "bulk", None])
    def test_it_means_something(self, lane: str | None, body: Any, headers: dict[str, Any]) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        meaning = meaning_of(Message(body=raw, delivery_tag="1", headers=headers, content_type="application/json"), lane)
        assert (lane is not None) or not isinstance(meaning, Bell | Turn)
