"""How a page is declared: its name, path, title, letter, scope, view, live parts and acts. The docstring of the folder shows an example."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from starlette.responses import Response

from wooshq.tokens.token import Scope
from wooshq_worker.console.pages.shell.visit import Form, Visit

_PARAMETER: Final = re.compile(r"\{(\w+)(?::\w+)?\}")


@dataclass(frozen=True, slots=True)
class Shown:
    """
    What a view found. context: for the template. command, curl: what this page shows, as a command and as a call of the HTTP API.

    title: of this page alone, such as of one message; never personal data. read_at: when the data was read, seconds since the epoch; None for
    now. template: another one than the page's. to: the path where the browser goes instead.
    """

    context: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    curl: str = ""
    title: str | None = None
    status: int = 200
    read_at: float | None = None
    template: str | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an act: where the browser goes now (a path of the console), and a sentence about it."""

    to: str
    says: str = ""


View: TypeAlias = Callable[[Visit], Awaitable[Shown]]
Run: TypeAlias = Callable[[Visit, Form], Awaitable[Done | Shown]]
"""Of an act: `Done` leads on, `Shown` is an answer of its own, such as a form with what is wrong with it (status 422)."""


@dataclass(frozen=True, slots=True)
class Act:
    """A form of a page. name: the last part of its path."""

    name: str
    run: Run
    scope: Scope = Scope.OPERATE


@dataclass(frozen=True, slots=True)
class File:
    """Something to download, with the scope of its page. name: the last part of its path, behind `files/`."""

    name: str
    run: Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Page:
    """
    One page. path: with parameters in braces, such as `/messages/{id}`. letter: after `g`. parent: name of the page that the navigation marks,
    for a page that is not in it. live: blocks of the template that are sent again when they change. live_view: finds what they need, if
    that is less than what the view finds. every_s: how often they are rendered at most.
    """

    name: str
    path: str
    title: str
    view: View
    template: str
    letter: str | None = None
    scope: Scope = Scope.READ
    parent: str | None = None
    live: Sequence[str] = ()
    live_view: View | None = None
    every_s: float = 1.0
    acts: Sequence[Act] = ()
    files: Sequence[File] = ()

    @property
    def in_navigation(self) -> bool:
        """Whether the navigation shows it."""
        return self.letter is not None and self.parent is None

    def url(self, **parameters: str) -> str:
        """Its path with these parameters."""
        return _PARAMETER.sub(lambda found: quote(parameters[found[1]], safe=""), self.path)

    def act(self, name: str, **parameters: str) -> str:
        """The path of one of its acts."""
        if name not in {act.name for act in self.acts}:
            raise LookupError(f"page {self.name} has no act {name}")
        return f"{self.url(**parameters).rstrip('/')}/{name}"


def checked(pages: Sequence[Page]) -> Sequence[Page]:
    """The pages, in the order of the navigation. Raises ValueError if two of them want the same name, path or letter."""
    for what, values in (
        ("name", [page.name for page in pages]),
        ("path", [path for page in pages for path in _paths(page)]),
        ("letter", [page.letter for page in pages if page.letter is not None]),
    ):
        if twice := {value for value in values if values.count(value) > 1}:
            raise ValueError(f"two pages have the same {what}: {', '.join(sorted(twice))}")
    return pages


def _paths(page: Page) -> Iterator[str]:
    yield page.path
    yield from (f"{page.path.rstrip('/')}/{act.name}" for act in page.acts)
