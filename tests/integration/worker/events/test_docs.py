"""The code in docs/events.md does what the page says: the receiver verifies and drops doubles, and the hook understands events."""

from __future__ import annotations

import re
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.integration.worker.events.conftest import Post, until
from tests.rig import ROOT
from wooshq.ledger.states import Event

RECEIVER, HOOK = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "events.md").read_text(encoding="utf-8"), re.DOTALL)


async def test_the_receiver_verifies_and_handles_each_event_once(post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code: dict[str, Any] = {}
    exec(RECEIVER, code)
    handled: list[dict[str, Any]] = []
    code["handle"] = handled.append
    server = ThreadingHTTPServer(("127.0.0.1", 0), code["Receiver"])
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        code["SECRET"] = post.wooshq.webhooks.add("shop", f"http://127.0.0.1:{server.server_port}/").secret
        dead = post.settled(Event.GIVEN_UP)
        async with post.delivering():
            await until(lambda: post.wooshq.webhooks.show("shop").delivered == 1)
            (event,) = handled
            post.wooshq.webhooks.resend("shop", event["id"])
            await until(lambda: len(post.wooshq.webhooks.deliveries("shop")) == 2)
            code["SECRET"] = "whsec_" + "A" * 43 + "="
            post.wooshq.webhooks.test("shop")
            await until(lambda: post.wooshq.webhooks.show("shop").failed)
    finally:
        server.shutdown()
        server.server_close()
        code["db"].close()
    assert [one["data"]["ids"] for one in handled] == [dead]
    assert [one.status for one in post.wooshq.webhooks.deliveries("shop")] == [401, 204, 204]


async def test_the_hook_understands_events(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    code: dict[str, Any] = {}
    exec(HOOK, code)
    async with post.delivering(billing=code["told"]):
        await until(lambda: post.wooshq.webhooks.list())
        post.settled(n=2)
        await until(lambda: post.wooshq.webhooks.list()[0].delivered)
    assert capsys.readouterr().out == "messages.sent 2\n"
