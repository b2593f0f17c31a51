"""A client on plain sockets: it sees each byte of an answer, and how the connection ended."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from wooshq_worker.sandbox import NOTIFY, Sandbox

TOKEN = "secret-token-0123456789"
GENEROUS_S = 30.0


@dataclass(frozen=True)
class Seen:
    """What came back until the connection ended, or until no byte came for as long as the test waits."""

    data: bytes
    ended: str
    """`closed`, `reset`, or `open`."""

    @property
    def status(self) -> int:
        """0 if there is no complete status line."""
        words = self.data.split(b"\r\n", 1)[0].split(b" ")
        return int(words[1]) if words[0] == b"HTTP/1.1" and len(words) > 1 and b"\r\n" in self.data else 0

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    def header(self, name: str) -> list[str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return [line.partition(": ")[2] for line in lines if line.lower().startswith(f"{name.lower()}:")]


def request_bytes(body: Any = None, *, raw: bytes | None = None, path: str = NOTIFY, method: str = "POST", **headers: str | None) -> bytes:
    """A request. headers: names with underscores instead of hyphens; None removes a default header."""
    data = raw if raw is not None else json.dumps(body).encode()
    named: dict[str, str | None] = {
        "Host": "sandbox",
        "Authorization": f"Token {TOKEN}",
        "Content-Type": "application/json",
        "Content-Length": str(len(data)),
    }
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items() if value is not None)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


async def connect(sandbox: Sandbox) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(sandbox.url)
    return await asyncio.open_connection(address.hostname, address.port, limit=1 << 24)


async def send(sandbox: Sandbox, data: bytes, *, quiet_after_s: float | None = None, silent: bool = False) -> Seen:
    """
    Sends on a new connection and reads to its end.

    quiet_after_s: stop after this time without a byte. The first byte may take GENEROUS_S, unless none is expected (silent).
    """
    reader, writer = await connect(sandbox)
    try:
        return await _exchange(reader, writer, data, quiet_after_s, silent)
    finally:
        writer.close()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes, quiet_after_s: float | None, silent: bool
) -> Seen:
    came = bytearray()
    try:
        writer.write(data)
        while True:
            async with asyncio.timeout(GENEROUS_S if quiet_after_s is None or not (came or silent) else quiet_after_s):
                piece = await reader.read(1 << 16)
            if not piece:
                return Seen(bytes(came), "closed")
            came += piece
    except ConnectionResetError:
        return Seen(bytes(came), "reset")
    except TimeoutError:
        if quiet_after_s is None or not (came or silent):
            pytest.fail(f"nothing more came within {GENEROUS_S} s; before that came {bytes(came)!r}")
        return Seen(bytes(came), "open")


async def call(sandbox: Sandbox, body: Any, *, quiet_after_s: float | None = None, silent: bool = False, **headers: str | None) -> Seen:
    """One call that asks for the connection to be closed afterwards."""
    return await send(sandbox, request_bytes(body, Connection="close", **headers), quiet_after_s=quiet_after_s, silent=silent)


async def read_answer(reader: asyncio.StreamReader) -> Seen:
    """One complete answer on a connection that stays open."""
    async with asyncio.timeout(GENEROUS_S):
        head = await reader.readuntil(b"\r\n\r\n")
        seen = Seen(head, "open")
        lengths = seen.header("Content-Length")
        return Seen(head + await reader.readexactly(int(lengths[0]) if lengths else 0), "open")
