"""One stream of a page, without a server: what is sent, when, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from wooshq.errors import LedgerUnavailable
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.pages.shell import live as module
from wooshq_worker.console.pages.shell.live import Live
from wooshq_worker.console.pages.shell.registry import Page, Shown


class Rounds:
    """A page whose parts are these, one mapping a round; an error is raised. After the last one the client leaves."""

    def __init__(self, *rounds: dict[str, str] | Exception) -> None:
        self.left = asyncio.Event()
        self.is_in = True
        self._rounds = list(rounds)
        self.page = Page("p", "/p", "P", self.view, "p.html", live=("a", "b"), every_s=0.001)

    async def view(self, _: Any) -> Shown:
        now = self._rounds.pop(0)
        if not self._rounds:
            self.left.set()
        if isinstance(now, Exception):
            raise now
        return Shown(now)

    def live(self, page: Page, visit: Any, shown: Shown) -> Iterator[tuple[str, str]]:
        return iter(shown.context.items())

    async def sent(self, live: Live) -> list[str]:
        """The pieces of the whole answer."""
        pieces: list[str] = []

        async def is_still_in() -> bool:
            return self.is_in

        async def receive() -> dict[str, str]:
            await self.left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            pieces.append(message.get("body", b"").decode())

        await live.stream(self.page, None, is_still_in)({"type": "http"}, receive, send)  # type: ignore[arg-type]
        return pieces


def of(rounds: Rounds, **more: Any) -> Live:
    return Live(rounds, **more)  # type: ignore[arg-type]


async def test_only_parts_that_changed_are_sent_each_in_its_place() -> None:
    rounds = Rounds({"a": "1", "b": "x\ny"}, {"a": "1", "b": "x\ny"}, {"a": "2", "b": "x\ny"})
    pieces = await rounds.sent(of(rounds))
    parts = [[line for line in piece.splitlines() if "hx-partial" in line or "y" in line] for piece in pieces]
    assert "#live-a" in "".join(parts[1]) and "#live-b" in "".join(parts[1])
    assert all(line.startswith("data: ") for line in parts[1]), "a line break in a part does not end the event"
    assert "hx-partial" not in pieces[2]
    assert "#live-a" in pieces[3] and "#live-b" not in pieces[3]
    assert all("event: beat" in piece for piece in pieces[1:4]), "a quiet stream is not closed by a proxy"


async def test_an_error_is_told_and_the_next_round_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float | None] = []
    wait = asyncio.wait

    async def noted(of_all: Any, *, timeout: float | None = None, **more: Any) -> Any:
        waited.append(timeout)
        return await wait(of_all, timeout=0, **more)

    monkeypatch.setattr(module.asyncio, "wait", noted)
    rounds = Rounds(LedgerUnavailable("Redis did not answer", maybe_done=False), {"a": "1"})
    pieces = await rounds.sent(of(rounds))
    assert "event: away\ndata: The record of messages does not answer." in pieces[1]
    assert waited[:2] == [module.AFTER_AN_ERROR_S, 0.001]
    assert "#live-a" in pieces[2]


async def test_it_ends_with_the_token_and_says_so() -> None:
    rounds = Rounds({"a": "1"})
    rounds.is_in = False
    live = of(rounds)
    assert (await rounds.sent(live))[1:] == ["event: out\ndata: The token was revoked.\n\n"]
    assert live.open == 0


async def test_a_server_that_stops_ends_it_and_begins_none() -> None:
    rounds = Rounds(*({"a": str(n)} for n in range(100_000)))
    live = of(rounds)
    asking = asyncio.create_task(rounds.sent(live))
    await asyncio.sleep(0)
    live.end()
    pieces = await asyncio.wait_for(asking, 60)
    assert pieces[-1] == ""
    with pytest.raises(Refused) as refused:
        await rounds.sent(live)
    assert (refused.value.status, live.open) == (503, 0)
