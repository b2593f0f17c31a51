"""Which texts of a call must no detail, log or report quote? The token, the recipients, the values of placeholders."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from wooshq_schemas.recipient_lists import REQUEST_KINDS, recipients_in_request


def secrets_of_body(payload: Mapping[str, object], token: str) -> frozenset[str]:
    """The secrets of a call whose request body is `payload`."""
    found = {token, *recipients_in_request(payload)}
    for kind in REQUEST_KINDS:
        request = payload.get(kind)
        values = request.get("dynamic_content_placeholders") if isinstance(request, Mapping) else None
        if isinstance(values, Mapping):
            found.update(value for value in values.values() if isinstance(value, str))
    return frozenset(found - {""})


def secrets_of_call(identifiers: Collection[str], placeholders: Iterable[tuple[str, str]], token: str) -> frozenset[str]:
    """The secrets of a job's call: its recipients and values are known without reading a request body."""
    return frozenset({token, *identifiers, *(value for _, value in placeholders)} - {""})
