"""What the async face can do since both faces are described once; and rules that moved from the command line into `wooshq`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from tests.rig import APPLICATION, an_intent
from wooshq import Settings, Wooshq
from wooshq.aio import AsyncWooshq

OTHER = "CCCCC-DDDDD"


@pytest.fixture
def settings(wooshq: Wooshq) -> Settings:
    return wooshq.settings


def in_asyncio(settings: Settings, use: Callable[[AsyncWooshq], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        async with AsyncWooshq(settings) as client:
            return await use(client)

    return asyncio.run(run())


class WhenAsyncioIsUsed:
    def test_a_single_intent_is_not_taken_for_an_iterable_of_its_keys(self, settings: Settings) -> None:
        async def use(client: AsyncWooshq) -> None:
            with pytest.raises(TypeError, match="for one intent use enqueue"):
                await client.enqueue_many(an_intent())  # type: ignore[arg-type]

        in_asyncio(settings, use)

    def test_an_async_iterable_is_read_in_batches_of_bounded_size(self, settings: Settings) -> None:
        """40 MB of intents: without a bound in bytes all of them would be one batch."""
        text = "x" * 2_000_000
        batches: list[int] = []

        async def large() -> AsyncIterator[dict[str, Any]]:
            for n in range(20):
                yield an_intent(f"u{n}", meta_data={"text": text})

        async def use(client: AsyncWooshq) -> None:
            accept = client.ledger.accept
            client.ledger.accept = lambda entries: batches.append(len(entries)) or accept(entries)  # type: ignore[method-assign, func-returns-value]
            assert (await client.enqueue_many(large())).accepted == 20

        in_asyncio(settings, use)
        assert sum(batches) == 20
        assert max(batches) <= 9

    def test_counts_and_flush_are_there(self, settings: Settings) -> None:
        async def use(client: AsyncWooshq) -> None:
            await client.enqueue(an_intent())
            assert await client.flush()
            assert (await client.counts())["now_queued_transactional"] == 1

        in_asyncio(settings, use)

    def test_an_error_of_an_async_iterable_carries_what_was_accepted_before(self, settings: Settings) -> None:
        async def broken() -> AsyncIterator[dict[str, Any]]:
            for n in range(600):
                yield an_intent(f"u{n}")
            raise OSError("the file is gone")

        async def use(client: AsyncWooshq) -> int:
            with pytest.raises(OSError, match="the file is gone") as error:
                await client.enqueue_many(broken())
            return error.value.report.accepted  # type: ignore[attr-defined, no-any-return]

        assert in_asyncio(settings, use) == 500


class WhenAGateOfAllApplicationsIsOpened:
    def test_the_shared_gate_is_opened_first(self, wooshq: Wooshq) -> None:
        wooshq.shut_gate("hand")
        wooshq.shut_gate("hand", OTHER)
        assert wooshq.open_gate("hand")
        assert [gate.application for gate in wooshq.gates()] == [OTHER]

    def test_if_the_shared_gate_is_open_those_of_each_application_are_opened(self, wooshq: Wooshq) -> None:
        wooshq.shut_gate("hand", APPLICATION)
        wooshq.shut_gate("hand", OTHER)
        wooshq.shut_gate("circuit", OTHER)
        assert wooshq.open_gate("hand")
        assert [(gate.gate, gate.application) for gate in wooshq.gates()] == [("circuit", OTHER)]
        assert not wooshq.open_gate("hand")
