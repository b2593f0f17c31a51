"""The templates: everything escaped, a name that is missing is an error, and a block of a page can be rendered alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from wooshq.settings import Settings
from wooshq_worker.console.pages.shell import charts, words
from wooshq_worker.console.pages.shell.assets import Assets
from wooshq_worker.console.pages.shell.registry import Page, Shown
from wooshq_worker.console.pages.shell.tones import look
from wooshq_worker.console.pages.shell.visit import Visit

_MACROS: Final = "shell/ui.html"


class Shell:
    """What every template may use beside its own context: the pages, the environment's name and colour, the assets."""

    def __init__(self, pages: Sequence[Page], assets: Assets, settings: Settings) -> None:
        self.pages = pages
        self.navigation = [page for page in pages if page.in_navigation]
        self.environment = settings.environment or "unnamed"
        self.colour = settings.environment_colour or ("red" if self.environment.lower().startswith("prod") else "blue")
        self.asset = assets.url
        self.names = frozenset(page.name for page in pages)

    def has(self, name: str) -> bool:
        """Whether there is a page of this name, for a link to it."""
        return name in self.names

    def url(self, name: str, **parameters: str) -> str:
        """The path of a page. Raises LookupError if there is none: ask `has` before."""
        for page in self.pages:
            if page.name == name:
                return page.url(**parameters)
        raise LookupError(f"there is no page {name}")


class Templates:
    """Renders pages, and blocks of them."""

    def __init__(self, shell: Shell) -> None:
        self._env = Environment(
            loader=PackageLoader("wooshq_worker.console.pages", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._env.filters.update(words.FILTERS)
        self._env.globals.update(
            shell=shell,
            look=look,
            plural=words.plural,
            sparkline=charts.sparkline,
            bars=charts.bars,
            strip=charts.strip,
            parts=charts.parts,
            live=lambda name: Markup('id="live-{}" data-live').format(name),
        )
        self._env.globals["ui"] = self._env.get_template(_MACROS).module

    def text(self, template: str, **context: Any) -> str:
        """A template that is not a page."""
        return self._env.get_template(template).render(nonce=secrets.token_urlsafe(16), **context)

    def page(self, page: Page, visit: Visit, shown: Shown, said: str = "") -> str:
        """A whole page. said: what an act before it did."""
        name = shown.template or page.template
        read_at = words.moment(shown.read_at) or datetime.now(UTC)
        return self.text(name, page=page, visit=visit, shown=shown, said=said, read_at=read_at, **shown.context)

    def live(self, page: Page, visit: Visit, shown: Shown) -> Iterator[tuple[str, str]]:
        """Name and text of each live part of a page."""
        template = self._env.get_template(page.template)
        context: Mapping[str, Any] = {"page": page, "visit": visit, "shown": shown, **shown.context}
        for name in page.live:
            yield name, self._env.concat(template.blocks[name](template.new_context(dict(context))))
