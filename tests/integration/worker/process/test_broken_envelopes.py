"""Messages of the broker that are not ours, or broken: none of them ends or blocks a worker."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq.installation.celery_app import SUBMIT


def _message(body: Any = None, **changes: Any) -> str:
    """A Celery message as the Redis transport stores it."""
    properties = {
        "delivery_tag": "1f0b", "delivery_mode": 2, "priority": 0, "body_encoding": "base64", "correlation_id": "x", "reply_to": "",
        "delivery_info": {"exchange": "", "routing_key": "transactional"},
    }  # fmt: skip
    headers = {"lang": "py", "task": SUBMIT, "id": "0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d", "argsrepr": "", "kwargsrepr": ""}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    made = {
        "body": base64.b64encode(raw).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }
    for name, value in changes.items():
        place, _, key = name.partition("__")
        if key:
            made[place] = {**made[place], key: value}  # type: ignore[dict-item]
        else:
            made[name.replace("_", "-")] = value
    return json.dumps(made)


MALFORMED = {
    "no JSON": "garbage", "empty": "", "a number": "5", "null": "null", "a list": "[]", "an empty object": "{}",
    "no properties": json.dumps({"body": "", "headers": {}}),
    "nothing but a body": json.dumps({"body": "x"}),
    "a tag that is null": _message([[{}], {}, {}], properties__delivery_tag=None),
    "a tag that is an object": _message([[{}], {}, {}], properties__delivery_tag={}),
    "no delivery tag": json.dumps({"body": "x", "properties": {}}),
    "a lone surrogate": _message([[{"to": {"users": ["\ud800"]}, "message": {"push": {"title": "x"}}}], {}, {}]),
    "a lone surrogate for an intent": _message([["\ud800"], {}, {}]),
    "headers that are a list": _message([[{}], {}, {}], headers=[1]),
    "a body that is not base64": _message().replace('"body": "', '"body": "§'),
    "body null": _message(None), "body {}": _message({}), "body []": _message([]), "body a text": _message("x"),
    "a body that is no JSON": _message(b"{"), "no arguments": _message([[], {}, {}]), "two arguments": _message([[1, 2], {}, {}]),
    "args that are no list": _message([{}, {}, {}]), "headers null": _message([[{}], {}, {}], headers=None),
    "no id": _message([[{}], {}, {}], headers={"task": SUBMIT}), "junk timelimit": _message([[{}], {}, {}], headers__timelimit="x"),
    "an eta": _message([[{}], {}, {}], headers__eta="9999-01-01T00:00:00"), "an unknown task": _message([[], {}, {}], headers__task="nope"),
    "an unknown encoding": _message([[{}], {}, {}], properties__body_encoding="rot13"),
    "pickle": _message(b"\x80\x04N.", content_type="application/x-python-serialize"),
    "ids that are not ids": _message([[[1, None]], {}, {}], headers__task="wooshq.send"),
    "ids of half characters": _message([[["\ud800" * 36]], {}, {}], headers__task="wooshq.send"),
    "protocol 1 with an eta": _message({"task": SUBMIT, "id": "x", "args": [{}], "kwargs": {}, "eta": "2030-01-01T00:00:00"}, headers={}),
    "ids that nobody knows": _message([[["0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d"]], {}, {}], headers__task="wooshq.send"),
}  # fmt: skip


class WhenTheBrokerCarriesBrokenMessages:
    def test_none_of_them_ends_or_blocks_the_worker(self, rig: Rig, api: StandIn) -> None:
        worker = rig.start_worker()
        rig.ended([rig.wooshq.enqueue(an_intent("first"))])
        with rig.broker() as broker:
            for n, text in enumerate(MALFORMED.values()):
                broker.lpush("transactional", text)
                rig.wooshq.enqueue(an_intent(f"good-{n}"))

        wait_until(lambda: sum(api.accepted.values()) == len(MALFORMED) + 1, saw=lambda: (api.accepted, rig.logs()[-3000:]))

        assert worker.poll() is None
        assert set(api.accepted.values()) == {1}
