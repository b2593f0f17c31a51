"""A flow is carried out the same way by both clients: answers go in, errors are raised where the step was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from wooshq.ledger.run import acarry_out, carry_out
from wooshq.ledger.steps import AsyncStream, Flow, Pull, Sleep, Stream, Wanted


def carry_out_in_asyncio(flow: Flow[Any], do: Any) -> Any:
    async def answer(wanted: Wanted) -> Any:
        return do(wanted)

    return asyncio.run(acarry_out(flow, answer))


BOTH = pytest.mark.parametrize("carry", [carry_out, carry_out_in_asyncio])


class WhenAFlowIsCarriedOut:
    @BOTH
    def test_each_answer_goes_back_into_it(self, carry: Any) -> None:
        def flow() -> Flow[list[float]]:
            return [(yield Sleep(1)), (yield Sleep(2))]

        assert carry(flow(), lambda wanted: wanted.seconds * 10) == [10, 20]

    @BOTH
    def test_an_error_is_raised_at_the_step_and_can_be_handled_there(self, carry: Any) -> None:
        def flow() -> Flow[str]:
            try:
                yield Sleep(1)
            except OSError as error:
                return f"handled: {error}"
            return "no error"

        def fail(_: Wanted) -> Any:
            raise OSError("away")

        assert carry(flow(), fail) == "handled: away"

    @BOTH
    def test_an_error_that_it_does_not_handle_reaches_the_caller_and_ends_it(self, carry: Any) -> None:
        ended = []

        def flow() -> Flow[None]:
            try:
                yield Sleep(1)
            finally:
                ended.append(True)

        def fail(_: Wanted) -> Any:
            raise OSError("away")

        with pytest.raises(OSError, match="away"):
            carry(flow(), fail)
        assert ended == [True]


def until(size: int, into: list[int]) -> Any:
    """Takes items into a list until it has `size` of them."""

    def add(item: int) -> bool:
        into.append(item)
        return len(into) >= size

    return add


class WhenAStreamIsRead:
    def test_it_is_read_piece_by_piece_and_never_ahead(self) -> None:
        read: list[int] = []

        def numbers() -> Iterator[int]:
            for n in range(5):
                read.append(n)
                yield n

        stream = Stream(numbers())
        first: list[int] = []
        assert stream.pull(until(2, first))
        assert (first, read) == ([0, 1], [0, 1])
        rest: list[int] = []
        assert not stream.pull(until(9, rest))
        assert rest == [2, 3, 4]

    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_asyncio_reads_both_kinds(self, kind: str) -> None:
        async def numbers() -> AsyncIterator[int]:
            for n in range(5):
                yield n

        async def read() -> list[list[int]]:
            stream = AsyncStream(numbers() if kind == "async" else range(5))
            pieces: list[list[int]] = []
            more = True
            while more:
                piece: list[int] = []
                more = await stream.pull(until(2, piece))
                pieces.append(piece)
            return pieces

        assert asyncio.run(read()) == [[0, 1], [2, 3], [4]]

    def test_other_tasks_run_between_the_pieces_of_a_sync_iterable(self) -> None:
        async def both() -> list[str]:
            seen: list[str] = []

            async def other() -> None:
                for _ in range(3):
                    seen.append("other")
                    await asyncio.sleep(0)

            task = asyncio.create_task(other())
            stream = AsyncStream(range(3))
            while await stream.pull(until(1, [])):
                seen.append("piece")
            await task
            return seen

        seen = asyncio.run(both())
        assert seen.index("other") < seen.index("piece")

    def test_its_own_error_is_raised_in_the_flow(self) -> None:
        def broken() -> Iterator[int]:
            yield 1
            raise ValueError("the source broke")

        def flow() -> Flow[str]:
            try:
                yield Pull(Stream(broken()), lambda item: False)
            except ValueError as error:
                return str(error)
            return ""

        assert carry_out(flow(), lambda wanted: wanted.stream.pull(wanted.into)) == "the source broke"  # type: ignore[union-attr]
