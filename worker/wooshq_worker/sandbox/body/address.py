"""
Where the recipients stand in a body, and whether two bodies say the same thing.

`wooshq_schemas.recipient_lists` knows this too. The sandbox does not use it, on purpose: a judge that shares our code repeats our mistakes.
`tests/unit/sandbox/body/test_check.py` holds that the sandbox imports nothing else of wooshq.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

#: The targets of a transactional message; each is a list. Rule: the reference, "Transactional".
RECIPIENT_KINDS: Final = ("users", "hwids", "push_tokens", "test_devices")
#: The targets of a segment message; exactly one is set. Rule: the reference, "Segment".
SEGMENT_KINDS: Final = ("code", "expression", "filter_expression")


class Address(NamedTuple):
    """Where a body wants to go, as far as it says so."""

    application: str | None
    recipients: tuple[str, ...]
    """The entries of the list. A segment is one entry: `code:…`, `expression:…` or `filter_expression:…`."""
    kind: str | None
    """The field that names the recipients."""


NOWHERE: Final = Address(None, (), None)


def address_of(body: Any) -> Address:
    """The address of a body. Never fails, whatever the body is."""
    if not isinstance(body, dict):
        return NOWHERE
    inner = body.get("transactional")
    if not isinstance(inner, dict):
        inner = body.get("segment")
        if not isinstance(inner, dict):
            return NOWHERE
    named = inner.get("application")
    application = named if isinstance(named, str) else None
    for kind in RECIPIENT_KINDS:
        holder = inner.get(kind)
        if isinstance(holder, dict) and isinstance(holder.get("list"), list):
            return Address(application, tuple(entry for entry in holder["list"] if isinstance(entry, str)), kind)
    for kind in SEGMENT_KINDS:
        target = inner.get(kind)
        if target is not None:
            name = target if isinstance(target, str) else json.dumps(target, sort_keys=True)
            return Address(application, (f"{kind}:{name}",), kind)
    return Address(application, (), None)


def content_key(body: Mapping[str, Any], kind: str | None) -> bytes:
    """
    A digest of the content, without schedule and recipients. Two calls with the same key and a common recipient are a double.

    The kind of the recipients is part of the digest: user `1` and device `1` are different recipients.
    """
    (name, inner), *_ = body.items()
    content = {field: value for field, value in inner.items() if field != "schedule" and field != kind}
    text = json.dumps([name, kind, content], sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).digest()
