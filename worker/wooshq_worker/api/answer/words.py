"""The words of an error in whatever form: of RFC 9457, of lists of errors, of a page, or simply how the body begins."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from wooshq_schemas.answer.read import GRPC_CODES

_TITLES: Final = (
    "error",
    "title",
    "errordescription",
    "message",
    "msg",
    "errormessage",
    "detail",
    "description",
    "reason",
    "statusmessage",
    "statustext",
    "faultstring",
    "usermessage",
    "developermessage",
    "messages",
    "cause",
    "hint",
    "info",
)
"""
Fields that hold a sentence for a person, in the order in which the sentences are read. `title` and `detail`: RFC 9457.

All names here are without `_`, `-` and capitals: `error_description`, `errorDescription` and `ErrorDescription` are one.
"""
_LISTS: Final = ("errors", "violations", "details", "invalidparams", "fielderrors", "issues")
_WHERE: Final = ("field", "path", "propertypath", "pointer", "loc", "name", "parameter", "param", "source")
"""Fields of one entry of such a list that say which value is meant."""
_CODES: Final = ("code", "errorcode", "errcode")
"""Fields that may hold a code of the API's own. A number is the HTTP status or the gRPC code, which the verdict shows already."""
_STATUSES: Final = ("code", "status", "statuscode")
_INSIDE: Final = ("result", "response", "data", "body", "fault", "status")
"""Fields in which an error may stand as a whole. They are read only if nothing else is found: they may hold the message itself."""
_MOST: Final = 20
"""Entries that are read, and levels."""
_MOST_FIELDS: Final = 200
_LONGEST: Final = 20_001
"""Characters of a body that are shown at most: one more than `scrub` reads, so that it knows of a cut."""
_PAGE_TEXT: Final = 300
"""Characters of a page's text: enough for an incident's number, too few for a whole page."""

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_GRPC_NAMES: Final = frozenset(name.replace("_", "") for name in GRPC_CODES)
_BARE: Final = re.compile(
    r"(\d{3}|http|error|failed|failure|invalid request|validation (error|failed)|"
    + "|".join(re.escape(status.phrase.lower()) for status in HTTPStatus)
    + r"|[\s:.!,—–-])*"
)
_NOT_SHOWN: Final = re.compile(r"<!--.*?(-->|\Z)|<(script|style|title)\b.*?(</\2\s*>|\Z)|<[^>]*(>|\Z)", re.IGNORECASE | re.DOTALL)


def sentences(body: object) -> list[str]:
    """The sentences in a JSON error, each once, in order. body: parsed. Not scrubbed."""
    found = list(dict.fromkeys(_sentences(body, 0)))
    if not found and isinstance(body, Mapping):
        fields = _fields(body)
        found = list(dict.fromkeys(one for name in _INSIDE for one in _sentences(_no_text(fields.get(name)), 1)))
    return found


def are_bare(said: str) -> bool:
    """Whether these words say no more than an HTTP status does: `400 Bad Request`, `error`."""
    return len(said) < 200 and _BARE.fullmatch(said.lower()) is not None


def says_more(body: object, words: str) -> bool:
    """Whether a body says anything that these words do not: another text, or a number that is no status. body: parsed."""
    return any(str(leaf) not in words for leaf in _leaves(body, 0))


def _leaves(value: object, depth: int) -> Iterator[str | int]:
    if isinstance(value, str) and value.strip():
        yield value.strip()
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:  # Python does not print integers of any size
        yield value
    elif depth <= 4 and isinstance(value, list):
        for one in value[:_MOST]:
            yield from _leaves(one, depth + 1)
    elif depth <= 4 and isinstance(value, Mapping):
        for name, one in _fields(value).items():
            if name not in _STATUSES or not isinstance(one, int):
                yield from _leaves(one, depth + 1)


def beginning(body: bytes) -> str:
    """How a body begins, as text. Not scrubbed."""
    return body[:_LONGEST].decode("utf-8-sig", "replace").strip()


def text_of_page(page: str) -> str:
    """How the text of a web page (or of XML) begins, without its title. Not scrubbed."""
    return " ".join(html.unescape(_NOT_SHOWN.sub(" ", page)).split())[:_PAGE_TEXT]


def _sentences(value: object, depth: int) -> Iterator[str]:
    if depth > 4:
        return
    if isinstance(value, str):
        if value.strip():
            yield value.strip()
    elif isinstance(value, list):
        for one in value[:_MOST]:
            yield from _entry(one, depth + 1)
    elif isinstance(value, Mapping):
        fields = _fields(value)
        said = list(dict.fromkeys(_sentences_of_fields(fields, depth)))
        code = _code(fields)
        if code and not any(code in one for one in said):
            said[:1] = [f"{code}: {said[0]}" if said else code]
        yield from said


def _sentences_of_fields(fields: Mapping[str, Any], depth: int) -> Iterator[str]:
    for name in _TITLES:
        yield from _sentences(fields.get(name), depth + 1)
    for name in _LISTS:
        listed = fields.get(name)
        if isinstance(listed, Mapping):  # field → its problems
            for field, problems in list(listed.items())[:_MOST]:
                yield from (f"{field}: {said}" for said in _sentences(problems, depth + 1))
        else:
            yield from _sentences(listed, depth)


def _entry(value: object, depth: int) -> Iterator[str]:
    """One entry of a list of errors, with the name of the value that it is about."""
    said = "; ".join(dict.fromkeys(_sentences(value, depth)))
    where = ""
    if isinstance(value, Mapping):
        fields = _fields(value)
        where = next((text for name in _WHERE if (text := _name(fields.get(name)))), "")
    if said or where:
        yield f"{where}: {said}" if said and where else said or where


def _code(fields: Mapping[str, Any]) -> str:
    """A code that is a text, such as `E_PRESET`; '' if there is none, or if it is the name of a gRPC code."""
    for name in _CODES:
        code = fields.get(name)
        if isinstance(code, str) and _CODE.fullmatch(code) and code.replace("_", "").upper() not in _GRPC_NAMES:
            return code
    return ""


def _name(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("pointer") or value.get("parameter")
    if isinstance(value, list):
        value = ".".join(str(part) for part in value[:_MOST] if isinstance(part, str | int))
    return value.strip() if isinstance(value, str) else ""


def _fields(value: Mapping[Any, Any]) -> dict[str, Any]:
    """The fields by their names without `_`, `-` and capitals; of two that are the same then, the first one."""
    fields: dict[str, Any] = {}
    for name, given in list(value.items())[:_MOST_FIELDS]:
        if isinstance(name, str):
            fields.setdefault(name.replace("_", "").replace("-", "").lower(), given)
    return fields


def _no_text(value: object) -> object:
    """A text in one of these fields is not an error's sentence (`"status": "error"`)."""
    return None if isinstance(value, str) else value
