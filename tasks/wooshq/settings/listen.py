"""Where a process listens: `PORT`, `HOST:PORT`, or a range of ports instead of the port, of which it takes the first free one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_FORM: Final = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):)?(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?")
_LOOPBACK: Final = "127.0.0.1"
_HIGHEST: Final = 65535


@dataclass(frozen=True, slots=True)
class Listen:
    """host: without brackets. ports: to be tried in this order; 0 means any free one."""

    host: str
    ports: range

    def shown(self, port: int) -> str:
        """`HOST:PORT`."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"


def listen_on(text: str) -> Listen:
    """Without a host, only this machine can connect. Raises ValueError."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("must have the form PORT, HOST:PORT or HOST:PORT-PORT, such as 9464, 0.0.0.0:9464 or 9464-9471")
    first = int(found["first"])
    last = first if found["last"] is None else int(found["last"])
    if last > _HIGHEST or last < first:
        raise ValueError(f"must be a port up to {_HIGHEST}, or a range of ports from a lower to a higher one")
    return Listen((found["host"] or _LOOPBACK).strip("[]"), range(first, last + 1))
