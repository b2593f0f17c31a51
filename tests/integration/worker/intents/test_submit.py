"""`wooshq.submit`: producers that only speak Celery."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery, chain, chord, group

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import StandIn
from tests.strategies import drawn, intents, json_values, odd_intents
from wooshq.installation.celery_app import SUBMIT
from wooshq.intents.find import id_of_submit


class WhenProducersOnlySpeakCelery:
    def _producer(self, rig: Rig) -> Celery:
        return Celery("shop", broker=rig.wooshq.installation.places.broker_url, set_as_current=False)

    @pytest.mark.parametrize("queue", ["transactional", "celery"])
    def test_submit_sends_the_intent(self, rig: Rig, api: StandIn, queue: str) -> None:
        rig.start_worker()
        self._producer(rig).send_task(SUBMIT, args=[an_intent("from-celery")], queue=queue)
        wait_until(lambda: api.accepted["from-celery"] == 1)

    def test_a_message_that_is_delivered_twice_makes_one_intent(self, rig: Rig, api: StandIn) -> None:
        with self._producer(rig) as shop:
            for _ in range(3):
                shop.send_task(SUBMIT, args=[an_intent("once")], queue="transactional", task_id="the-same-task")
        rig.start_worker()
        rig.ended([rig.wooshq.enqueue(an_intent("last"))])
        with rig.broker() as broker:
            wait_until(lambda: broker.llen("transactional") == broker.hlen("unacked") == 0, saw=lambda: broker.keys("*"))
        wait_until(lambda: rig.wooshq.counts()["sent"] == rig.wooshq.counts()["accepted"], saw=rig.wooshq.counts)
        assert api.accepted == {"once": 1, "last": 1}

    def test_each_refused_message_becomes_one_letter_however_often_it_is_delivered(self, rig: Rig) -> None:
        rig.start_worker()
        with self._producer(rig) as shop:
            for n in (1, 2, 3, 3):
                shop.send_task(SUBMIT, args=[{"to": {}}], queue="transactional", task_id=f"task-{n}")
            shop.send_task(SUBMIT, args=[an_intent()], queue="transactional", countdown=60)
        wait_until(lambda: len(rig.wooshq.dead_letters.list(reason="invalid")) == 4, saw=rig.wooshq.dead_letters.list)

    def test_an_invalid_intent_becomes_a_dead_letter_that_can_be_edited(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        self._producer(rig).send_task(SUBMIT, args=[{"to": {"users": ["u1"]}, "message": {"push": {"titel": "Hi"}}}], queue="transactional")
        wait_until(lambda: len(rig.wooshq.dead_letters.list(reason="invalid")) == 1)
        letter = rig.wooshq.dead_letters.list()[0]
        assert "message.push.titel" in letter.detail

        rig.wooshq.dead_letters.edit(letter.id, {"message": {"push": {"titel": None, "title": "Hi"}}})
        rig.ended(rig.wooshq.dead_letters.replay(letter.id).ids.values())
        assert api.accepted["u1"] == 1


class WhenMoreIsAskedThanASubmitCanDo:
    def test_a_chain_a_link_a_chord_and_compression_are_dead_letters_that_name_them_and_can_be_replayed(
        self, rig: Rig, api: StandIn
    ) -> None:
        """Celery would take them without a word; the tasks that should follow would never run."""
        rig.start_worker()
        with Celery("shop", broker=rig.wooshq.installation.places.broker_url, backend="cache+memory://", set_as_current=False) as shop:

            def submit(user: str) -> Any:
                return shop.signature(SUBMIT, args=[an_intent(user)], queue="transactional", immutable=True)

            then = shop.signature("shop.next", queue="elsewhere", immutable=True)
            chain(submit("chain"), then, app=shop).apply_async()
            submit("link").apply_async(link=then, link_error=then)
            chord([submit("chord"), submit("chord")], then, app=shop).apply_async()
            submit("compressed").apply_async(compression="gzip")
            group(submit("group"), submit("group"), app=shop).apply_async()

        wait_until(lambda: len(rig.wooshq.dead_letters.list()) == 5, saw=rig.wooshq.dead_letters.list)
        wait_until(lambda: api.accepted["group"] == 2, saw=rig.wooshq.counts)
        details = [letter.detail for letter in rig.wooshq.dead_letters.list(reason="invalid")]
        for option, times in {"take chain:": 1, "take link, link_error:": 1, "take chord:": 2, "take compression": 1}.items():
            assert sum(option in detail for detail in details) == times, details
        assert set(api.accepted) == {"group"}

        replayed = rig.wooshq.dead_letters.replay(reason="invalid")

        assert (replayed.replayed, replayed.invalid) == (4, 1), "the compressed one was never read"
        wait_until(lambda: sum(api.accepted.values()) == 6, saw=rig.wooshq.counts)
        assert (api.accepted["chain"], api.accepted["link"], api.accepted["chord"]) == (1, 1, 2)

    @pytest.mark.parametrize("protocol", [1, 2])
    def test_every_option_that_cannot_be_obeyed_is_named_in_a_letter_in_both_message_protocols(
        self, rig: Rig, api: StandIn, protocol: int
    ) -> None:
        """Celery writes the options in the headers or in the body, by the protocol of its app."""
        rig.start_worker()
        with Celery("shop", broker=rig.wooshq.installation.places.broker_url, set_as_current=False) as shop:
            shop.conf.task_protocol = protocol

            def send(args: list[Any], **options: Any) -> str:
                return str(shop.send_task(SUBMIT, args=args, queue="transactional", **options).id)

            then = shop.signature("shop.next", queue="elsewhere", immutable=True)
            asked = {
                send([], kwargs={"intent": an_intent("kwargs-alone")}): "take kwargs:",
                send([an_intent("kwargs")], kwargs={"to": "u1"}): "take kwargs:",
                send([an_intent("countdown")], countdown=60): "take eta or countdown;",
                send([an_intent("eta")], eta=datetime.now(UTC) + timedelta(hours=1)): "take eta or countdown;",
                send([an_intent("expires")], expires=60): "take expires;",
                send([an_intent("link")], link=then): "take link:",
                send([an_intent("link-error")], link_error=then): "take link_error:",
                send([an_intent("compressed")], compression="gzip"): "take compression",
                send([an_intent("two"), an_intent("arguments")]): "as its only argument",
            }
            plain = send([an_intent("plain")])

        letters = rig.wooshq.dead_letters
        wait_until(lambda: len(letters.list(reason="invalid")) == len(asked), saw=letters.list)
        details = {letter.id: letter.detail for letter in letters.list()}
        assert [why for task, why in asked.items() if why not in details[id_of_submit(task)]] == [], details
        rig.ended([id_of_submit(plain)])
        assert api.accepted == {"plain": 1}


class WhenAnythingIsSubmitted:
    def test_it_is_sent_or_becomes_a_dead_letter(self, rig: Rig, api: StandIn) -> None:
        worker = rig.start_worker()
        some = drawn(json_values | odd_intents | intents.filter(lambda intent: "id" not in intent), 150)
        # Equal values make one letter, because the broker may deliver a message twice. Each intent without an id is an intent of its own.
        with Celery("shop", broker=rig.wooshq.installation.places.broker_url, set_as_current=False) as shop:
            for value in some:
                shop.send_task(SUBMIT, args=[value], queue="transactional")
        last = rig.wooshq.enqueue(an_intent("last"))

        rig.ended([last])
        kept = {json.dumps(value) for value in some}

        def taken() -> int:
            counts = rig.wooshq.counts()
            return counts.get("accepted", 0) - 1 + len(rig.wooshq.dead_letters.list(reason="invalid"))

        wait_until(lambda: taken() >= len(kept), saw=lambda: (taken(), len(kept), rig.logs()[-2000:]))
        assert worker.poll() is None
        assert "Traceback" not in rig.logs()
