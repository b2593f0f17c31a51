"""An installation with something on every page: messages in every state, letters, jobs, replays, gates, limits, webhooks, acts. Texts are the caller's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.rig import Rig, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq_worker.console.pages import PAGES

Words = Callable[[str], str]
"""What a text of the data is. It gets what the text is for."""


@dataclass
class Seeded:
    """What was made. parameters: name of a page → the parameters in its path."""

    rig: Rig
    sent: str
    dead: str
    job: str
    replay: str
    parameters: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def paths(self) -> dict[str, str]:
        """Name of a page → a path of it, for all registered pages. A page with other parameters than these is named in `parameters`."""
        known = {"id": self.dead, "message": self.dead, "intent": self.dead, "letter": self.dead, "job": self.job, "replay": self.replay}
        known_of = {"jobs": {"id": self.job}, "job": {"id": self.job}, "replay": {"id": self.replay}, "replays": {"id": self.replay}}
        return {page.name: page.url(**{**known, **known_of.get(page.name, {}), **self.parameters.get(page.name, {})}) for page in PAGES}


def plain(what: str) -> str:
    """Words as a team would write them."""
    return {
        "title": "Your order is on its way",
        "body": "Order 77 left our store. It arrives tomorrow before noon.",
        "refusal": "message.push.title: must not be longer than 200 characters",
        "tag": "order-77",
        "key": "order-77-shipped",
        "why": "INC-7: the API is slow",
        "user": "customer",
        "city": "Lyon",
    }[what]


def answers(words: Words) -> Callable[[Call, int], Reply | None]:
    """The API: it refuses recipients that are named so."""

    def answer(call: Call, n: int) -> Reply | None:
        refused = any("refused" in recipient for recipient in call.recipients)
        return refusal(400, 3, words("refusal")) if refused else None

    return answer


def seed(rig: Rig, api: StandIn, words: Words = plain) -> Seeded:
    """Fill an installation. One worker runs, and goes on running."""
    api.answer = answers(words)
    wooshq = rig.wooshq

    def intent(user: str, **more: Any) -> dict[str, Any]:
        message = {"push": {"title": words("title"), "body": words("body")}}
        return {"to": {"users": [user]}, "message": message, "tags": {"order": words("tag")}, **more}

    sent = wooshq.enqueue(intent(f"{words('user')}-1", idempotency_key=words("key")))
    good = [wooshq.enqueue(intent(f"{words('user')}-{n}")) for n in range(2, 8)]
    bad = [wooshq.enqueue(intent(f"{words('user')}-refused-{n}")) for n in range(9)]
    rig.start_worker()
    rig.ended([sent, *good, *bad])
    rows = [{"user": f"{words('user')}-{n}", "city": words("city")} for n in range(20)]
    job = wooshq.fan_out({"message": {"push": {"title": "Sale", "body": "Free delivery in {city}"}}, "tags": {"order": words("tag")}}, rows)
    wait_until(lambda: job.show().state == "done", saw=lambda: job.show().to_json())
    replay = wooshq.dead_letters.replay(bad[0], why=words("why"), by="ana@ops-1")
    assert replay.id is not None
    wooshq.replays.wait(replay.id)
    wooshq.pause("CCCCC-DDDDD", lane="bulk", why=words("why"), by="ana@ops-1")
    wooshq.limits.set("rate", 50, why=words("why"), by="ana@ops-1")
    wooshq.shut_gate("circuit", "CCCCC-DDDDD", words("why"), by="ana@ops-1")
    wooshq.enqueue(intent(f"{words('user')}-later", expires_at="2099-01-01T00:00:00Z", application="CCCCC-DDDDD"))
    wooshq.webhooks.add("shop", "https://shop.example/hooks/wooshq", ["replay.ended"], why=words("why"), by="ana@ops-1")
    of_pages = {"planning": {"work": "none"}, "webhook": {"webhook": "shop"}, "cause": {"cause": wooshq.dead_letters.groups()[0].cause}}
    return Seeded(rig, sent, bad[1], job.id, replay.id, dict(of_pages))
