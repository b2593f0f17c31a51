"""What schemathesis must know of the HTTP API beside its document: how bodies of lines are written. Loaded by schemathesis itself."""

from __future__ import annotations

import json
from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/merge-patch+json")
def _as_text(context: Any, value: Any) -> bytes:
    """The schema of a body of lines is a text; what is generated of it is sent as it is."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()
