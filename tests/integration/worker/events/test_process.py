"""Beside a real worker: events are delivered with and without a history, by hooks of an installed app, too; and the command line shows how that goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.worker.events.receiver import Receiver
from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import StandIn

AN_APP = """
from pathlib import Path

def told(events):
    with Path("told.txt").open("a") as file:
        file.writelines(f"{event.type} {event.data.count}\\n" for event in events if event.type.startswith("messages."))
"""


@pytest.fixture(params=["off", ""], ids=["without a history", "with a history"])
def rig(request: pytest.FixtureRequest, tmp_path: Path, api: StandIn) -> Iterator[Rig]:
    history = {"history_url": "off"} if request.param else {}
    made = Rig(tmp_path / "rig", api.url, webhooks_allow="127.0.0.1", log_format="json", **history)
    yield made
    made.close()


def test_a_job_s_end_and_messages_are_told_by_the_process_beside_a_worker(rig: Rig) -> None:
    with Receiver() as shop:
        added = rig.cli("webhooks", "add", "shop", shop.url, "--why", "a test", "--json")
        assert added.returncode == 0, added.stderr
        shop.secret = json.loads(added.stdout)["secret"]
        rig.start_worker()
        job = rig.wooshq.fan_out({"message": {"push": {"body": "Hi"}}}, [{"user": f"u{n}"} for n in range(5)])
        sent = rig.wooshq.enqueue(an_intent())
        wait_until(lambda: shop.of("job.ended") and sent in shop.ids("messages.sent"), saw=lambda: (shop.events, rig.logs()))
        tested = rig.cli("webhooks", "test", "shop")
        assert (tested.returncode, b"delivered: HTTP 200" in tested.stdout) == (0, True), tested
    (told,) = shop.of("job.ended")
    assert (told["data"]["job"], told["data"]["state"], told["data"]["total"], told["data"]["sent"]) == (job.id, "done", 5, 5)
    assert all(one.is_genuine for one in shop.got)
    shown = rig.cli("webhooks", "show", "shop")
    assert b"shop: active" in shown.stdout
    assert b"webhook.test" in shown.stdout
    assert b"shop" in rig.cli("webhooks").stdout
    again = rig.cli("webhooks", "resend", "shop", shop.got[0].id)
    assert again.returncode == 0, again.stderr
    everything = rig.logs() + shown.stdout.decode() + rig.cli("webhooks", "--json").stdout.decode() + rig.cli("audit").stdout.decode()
    assert shop.secret not in everything
    assert [rig.cli("webhooks", "remove", "shop").returncode for _ in range(2)] == [0, 1]


def test_a_hook_of_an_installed_app_is_called_beside_the_worker(rig: Rig) -> None:
    site = rig.folder / "site"
    (site / "an_app-1.dist-info").mkdir(parents=True)
    (site / "an_app.py").write_text(AN_APP)
    (site / "an_app-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: an-app\nVersion: 1\n")
    (site / "an_app-1.dist-info" / "entry_points.txt").write_text("[wooshq.hooks]\ncounting = an_app:told\n")
    rig.env["PYTHONPATH"] += f":{site}"
    rig.start_worker()
    wait_until(lambda: [one.name for one in rig.wooshq.webhooks.list()] == ["counting"], saw=rig.logs)
    rig.ended([rig.wooshq.enqueue(an_intent())])
    told = rig.folder / "told.txt"
    wait_until(lambda: told.exists() and told.read_text() == "messages.sent 1\n", saw=rig.logs)
