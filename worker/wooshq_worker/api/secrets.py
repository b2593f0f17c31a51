"""Which texts of a call must no detail, log or report quote? The token, the recipients, the values of placeholders."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

_LISTS: Final = ("users", "hwids", "push_tokens", "test_devices")


def secrets_of_body(payload: Mapping[str, object], token: str) -> frozenset[str]:
    """The secrets of a call whose request body is `payload`."""
    found = {token}
    for kind in ("transactional", "segment"):
        request = payload.get(kind)
        if not isinstance(request, Mapping):
            continue
        for name in _LISTS:
            group = request.get(name)
            identifiers = group.get("list") if isinstance(group, Mapping) else None
            if isinstance(identifiers, list):
                found.update(one for one in identifiers if isinstance(one, str))
        values = request.get("dynamic_content_placeholders")
        if isinstance(values, Mapping):
            found.update(value for value in values.values() if isinstance(value, str))
    return frozenset(found - {""})


def secrets_of_call(identifiers: Collection[str], placeholders: Iterable[tuple[str, str]], token: str) -> frozenset[str]:
    """The secrets of a job's call: its recipients and values are known without reading a request body."""
    return frozenset({token, *identifiers, *(value for _, value in placeholders)} - {""})
