"""Intents as lines (NDJSON), and a result a line. Constant memory: what the client does not read yet waits in a file."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Final

from starlette.requests import Request
from starlette.responses import Response

from wooshq.aio import AsyncWooshq
from wooshq.errors import NotAccepted, Problem
from wooshq.intents.entry import too_large
from wooshq.intents.report import Report
from wooshq.problem_details import RETRY_AFTER_S
from wooshq_schemas import IntentInvalid
from wooshq_worker.console.access.refused import Refused, unauthorized
from wooshq_worker.console.api.answers import Streamed, text_of
from wooshq_worker.console.api.body import check_depth, within
from wooshq_worker.console.api.problems import answer

_IN_MEMORY: Final = 256 * 1024
"""Bytes of results that wait in memory. More of them wait in a file."""
_PIECE: Final = 64 * 1024


async def accept_lines(request: Request, client: AsyncWooshq, most_bytes: int, is_still_in: Callable[[], Awaitable[bool]]) -> Response:
    """
    Accept an intent a line. The answer begins when the first ones are accepted, so that a Redis that is away is a 503.

    The client need not read before it has written everything: results wait. most_bytes: of the whole body. is_still_in: whether the
    token still counts: a body may take hours.
    """
    if "idempotency-key" in request.headers:
        detail = "Idempotency-Key is for one intent. Here each line has its own: the field idempotency_key"
        raise Refused(422, "invalid", "The request is not valid", detail)
    work = _Work(client, Lines(client.settings.max_intent_bytes), Results(), is_still_in)
    body = within(request, most_bytes)
    goes_on = await work.one_piece(body)
    nothing = isinstance(work.lost, NotAccepted) and not work.accepted
    if nothing and isinstance(work.lost, NotAccepted) and not work.lost.maybe_done:
        raise work.lost  # it is safe to repeat all of it. Otherwise the lines say with which ids
    reading = asyncio.create_task(work.rest(body, goes_on))
    return Streamed(_told(work.results, reading), 503 if nothing else 202, {"Retry-After": str(RETRY_AFTER_S)} if nothing else {})


class Lines:
    """Cuts pieces of a body into lines with their numbers. A line that is too long is not kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = bytearray()
        self._is_long = False
        self.number = 0

    def feed(self, piece: bytes, *, ends: bool = False) -> Iterator[tuple[int, bytes | None]]:
        """Whole lines that are not blank; None for one that is too long. ends: this is the last piece."""
        start = 0
        while (at := piece.find(b"\n", start)) >= 0:
            yield from self._whole(piece[start:at])
            start = at + 1
        self._keep(piece[start:])
        if ends and (self._rest or self._is_long):
            yield from self._whole(b"")

    def _keep(self, part: bytes) -> None:
        if len(self._rest) + len(part) > self._most:
            self._is_long = True
            self._rest.clear()
        elif not self._is_long:
            self._rest += part

    def _whole(self, part: bytes) -> Iterator[tuple[int, bytes | None]]:
        self._keep(part)
        self.number += 1
        line, is_long = bytes(self._rest), self._is_long
        self._rest.clear()
        self._is_long = False
        if is_long:
            yield self.number, None
        elif line.strip():
            yield self.number, line


class Results:
    """Lines that are written on one side and read on the other, in order. Only a few of them are in memory."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - it lives as long as the answer
        self._written = 0
        self._read = 0
        self._ended = False
        self._more = asyncio.Event()

    def write(self, results: Sequence[object]) -> None:
        """Add results."""
        if self._read == self._written:  # all was read: begin anew
            self._file.seek(0)
            self._file.truncate()
            self._read = self._written = 0
        self._file.seek(self._written)
        self._written += self._file.write("".join(f"{text_of(one)}\n" for one in results).encode("utf-8", "backslashreplace"))
        self._more.set()

    def end(self) -> None:
        """Nothing more is written."""
        self._ended = True
        self._more.set()

    async def pieces(self) -> AsyncIterator[bytes]:
        """What is written, as it comes."""
        while True:
            if self._read == self._written:
                if self._ended:
                    return
                self._more.clear()
                await self._more.wait()
                continue
            self._file.seek(self._read)
            piece = self._file.read(_PIECE)
            self._read += len(piece)
            yield piece

    def close(self) -> None:
        """Forget everything."""
        self._file.close()


@dataclass
class _Work:
    """One body that is being accepted. lost: the error that ended it early."""

    client: AsyncWooshq
    lines: Lines
    results: Results
    is_still_in: Callable[[], Awaitable[bool]]
    accepted: int = 0
    refused: int = 0
    lost: Exception | None = field(default=None)

    async def one_piece(self, body: AsyncIterator[bytes]) -> bool:
        """Accept the lines of the first piece that has whole ones. False if the body has ended, or nothing more can be accepted."""
        async for piece in body:
            if found := list(self.lines.feed(piece)):
                return await self._accept(found)
        await self._accept(list(self.lines.feed(b"", ends=True)))
        return False

    async def rest(self, body: AsyncIterator[bytes], goes_on: bool) -> None:
        """Accept the rest, and write the closing line."""
        try:
            while goes_on:
                goes_on = await self.one_piece(body)
        except Refused as error:
            self.lost = error
        except Exception as error:
            answer(error)  # writes the log event
            self.lost = RuntimeError("failed")
        try:
            self.results.write([self._closing()])
        finally:
            self.results.end()

    async def _accept(self, found: Sequence[tuple[int, bytes | None]]) -> bool:
        """Accept lines, and write their results. False if the ledger did not confirm them: then nothing after them is tried."""
        most = self.client.settings.accept_batch
        for start in range(0, len(found), most):
            if not await self._batch(found[start : start + most]):
                return False
        return True

    async def _batch(self, found: Sequence[tuple[int, bytes | None]]) -> bool:
        if not await self.is_still_in():
            raise unauthorized("The token was revoked while the lines were read. Repeat the lines that have no result with another one")
        bad = {number: problems for number, line in found if (problems := self._problems(line))}
        good = [(number, line) for number, line in found if number not in bad and line is not None]
        try:
            report = await self.client.enqueue_many([line for _, line in good]) if good else Report()
        except NotAccepted as error:
            self.lost = error
            self._tell_lost([number for number, _ in good], error, bad)
            return False
        told = {number: self._told(number, n, report) for n, (number, _) in enumerate(good)}
        self.results.write([told.get(number) or _refusal(number, bad[number]) for number, _ in found])
        self.accepted += report.accepted
        self.refused += report.refused + len(bad)
        return True

    def _problems(self, line: bytes | None) -> tuple[Problem, ...]:
        """What is wrong with a line before it is read."""
        if line is None:
            limit = self.client.settings.max_intent_bytes
            return tuple(
                Problem(p.field, f"the line has more than {limit} bytes", p.hint) for p in too_large(limit, self.client.settings).problems
            )
        try:
            check_depth(line)
        except IntentInvalid as error:
            return error.problems
        return ()

    def _told(self, number: int, n: int, report: Report) -> dict[str, object]:
        intent_id = report.ids[n]
        return {"line": number, "id": intent_id} if intent_id is not None else _refusal(number, report.errors[n])

    def _tell_lost(self, numbers: Sequence[int], error: NotAccepted, bad: dict[int, tuple[Problem, ...]]) -> None:
        """Which lines are accepted, which are not, and with which id a line must be repeated."""
        before = error.report if isinstance(error.report, Report) else Report()
        ids = dict(zip(error.indexes, error.intent_ids, strict=True))
        for n, number in enumerate(numbers):
            if n < len(before.ids):
                self.results.write([self._told(number, n, before)])
            elif n in ids:
                problem = Problem("id", "this line may not have been accepted", f'Repeat it with "id": "{ids[n]}": nobody gets it twice')
                self.results.write([{"line": number, "id": ids[n], "maybe_done": error.maybe_done, "errors": [problem.as_dict()]}])
        self.results.write([_refusal(number, problems) for number, problems in bad.items()])
        self.accepted += before.accepted
        self.refused += before.refused + len(bad)

    def _closing(self) -> dict[str, object]:
        closing: dict[str, object] = {
            "done": self.lost is None,
            "lines": self.lines.number,
            "accepted": self.accepted,
            "refused": self.refused,
        }
        return closing if self.lost is None else {**closing, "problem": json.loads(bytes(answer(self.lost).body))}


def _refusal(number: int, problems: Sequence[Problem]) -> dict[str, object]:
    return {"line": number, "errors": [problem.as_dict() for problem in problems]}


async def _told(results: Results, reading: asyncio.Task[None]) -> AsyncIterator[bytes]:
    """The results as they come. If the client leaves, the lines that it sent are accepted all the same."""
    try:
        async for piece in results.pieces():
            yield piece
    finally:
        reading.add_done_callback(lambda _: results.close())
