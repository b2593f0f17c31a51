"""What a view gets: the request, who makes it, the client of the ledger, and what all visitors share. And the form of an act."""

from __future__ import annotations

import json
import shlex
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request

from wooshq.aio import AsyncWooshq
from wooshq.settings import Settings
from wooshq_worker.console.access.callers import Caller
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.api.body import media_type, read_bytes, wrong_media_type
from wooshq_worker.console.pages.shell.shared import Shared

T = TypeVar("T")

FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a browser. path: of the page, also while its live parts are rendered."""

    request: Request
    path: str
    caller: Caller
    client: AsyncWooshq
    everybody: Shared

    @property
    def settings(self) -> Settings:
        """Of this server."""
        return self.client.settings

    @property
    def by(self) -> str:
        """The name of the token, for the audit log."""
        return self.caller.name

    def may(self, scope: str) -> bool:
        """Whether the token has the scope."""
        return scope in self.caller.scopes

    def parameter(self, name: str) -> str:
        """A parameter of the path."""
        value: str = self.request.path_params[name]
        return value

    def asked(self, name: str, default: str = "") -> str:
        """A parameter of the query, without spaces around it."""
        return self.request.query_params.get(name, default).strip()

    def number(self, name: str, default: int, *, most: int) -> int:
        """A whole number of the query, from 1 to `most`. The default for anything else: a URL that was changed by hand is still a page."""
        text = self.asked(name)
        return min(int(text), most) if text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text) > 0 else default

    def url(self, **changes: object) -> str:
        """This page's URL with other parameters. None removes one."""
        pairs = [(name, value) for name, value in self.request.query_params.multi_items() if name not in changes]
        pairs += [(name, str(value)) for name, value in changes.items() if value is not None and value != ""]
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path

    async def shared(self, name: str, read: Callable[[], Awaitable[T]], *, fresh_s: float = 1.0) -> T:
        """What `read` gives. It is called once in `fresh_s`, however many visitors want it. name: the same only for the same value."""
        return await self.everybody.get(name, read, fresh_s)

    async def soon(self, name: str, read: Callable[[], Awaitable[T]], *, fresh_s: float, within_s: float = 0.05) -> T | None:
        """The same for what takes long. None while it is being read, so that the page need not wait: a live part shows it when it is there."""
        return await self.everybody.soon(name, read, fresh_s, within_s)

    def curl(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        """A call of the HTTP API for a terminal. path: with its query, encoded."""
        words = ["curl", "-sS", *(["-X", method] if method not in ("GET", "POST") or (method == "POST" and body is None) else [])]
        words.append(f"{self.request.url.scheme}://{self.request.url.netloc}{path}")
        said = f'{shlex.join(words)} -H "Authorization: Bearer $TOKEN"'
        if body is None:
            return said
        return f"{said} \\\n  -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"


class Form(Mapping[str, str]):
    """The fields of a form, without spaces around them. A field that is not there is "" by `[…]`, too: browsers leave out unchecked boxes."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = [(name, value.replace("\r\n", "\n").strip()) for name, value in pairs]

    def __getitem__(self, name: str) -> str:
        return next((value for given, value in self._pairs if given == name), "")

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        return len(dict(self._pairs))

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for given, value in self._pairs if given == name]

    def is_on(self, name: str) -> bool:
        """Whether a box is checked."""
        return self[name] not in ("", "0", "false")


async def read_form(request: Request, most_bytes: int) -> Form:
    """The form of a request. Raises Refused: 413, 415, or 422 if it cannot be read."""
    if media_type(request) != FORM:
        raise wrong_media_type(FORM)
    raw = await read_bytes(request, most_bytes)
    try:
        return Form(parse_qsl(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"))
    except ValueError:  # also UnicodeError
        raise Refused(422, "invalid", "The form cannot be read", f"It must be UTF-8, with at most {_MOST_FIELDS} fields") from None
