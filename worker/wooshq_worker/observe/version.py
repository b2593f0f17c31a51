"""Which wooshq runs here."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def version() -> str:
    """`unknown` if it runs from the source tree and was never installed."""
    try:
        return metadata.version("wooshq")
    except metadata.PackageNotFoundError:
        return "unknown"
