"""Two installations share a Redis."""

from __future__ import annotations

from pathlib import Path

from celery import Celery

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq.installation.celery_app import SUBMIT


class WhenTwoInstallationsShareARedis:
    def test_each_takes_only_its_own_messages(self, tmp_path: Path, redis_url: str, broker_url: str) -> None:
        with StandIn() as one, StandIn() as other:
            rigs = [
                Rig(tmp_path / name, api.url, redis_url=redis_url, broker_url=broker_url, namespace=name)
                for name, api in (("shop", one), ("news", other))
            ]
            for rig in rigs:
                rig.start_worker()
                rig.wooshq.enqueue_many(an_intent(f"{rig.wooshq.settings.namespace}-{n}") for n in range(30))
                with Celery("app", broker=broker_url, set_as_current=False) as app:
                    app.send_task(
                        SUBMIT, args=[an_intent(f"{rig.wooshq.settings.namespace}-c")], queue=rig.wooshq.installation.app.lanes["bulk"]
                    )
            wait_until(lambda: one.accepted.total() == other.accepted.total() == 31, saw=lambda: (one.accepted, other.accepted))
            for rig in rigs:
                rig.close()
        assert {person.partition("-")[0] for person in one.accepted} == {"shop"}
        assert {person.partition("-")[0] for person in other.accepted} == {"news"}
