"""Style, scripts and icons: from the package, under names with a hash of what is in them, so a browser keeps them for good."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from wooshq_worker.console.pages.shell.headers import OF_AN_ASSET

AT: Final = "/assets/"
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "json": "application/json", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    packed: bytes
    media_type: str
    tag: str


class Assets:
    """The files of the folder `static`, and those that are made at the start, in memory: they are small."""

    def __init__(self, made: Mapping[str, bytes]) -> None:
        """made: name → content."""
        self._names: dict[str, str] = {}
        self._assets: dict[str, _Asset] = {}
        self._add_folder(files("wooshq_worker.console.pages").joinpath("static"), "")
        for name, body in made.items():
            self._add(name, body)

    def url(self, name: str) -> str:
        """The path of a file, such as `console.css`. Raises KeyError if there is none."""
        return AT + self._names[name]

    def answer(self, request: Request) -> Response | None:
        """The file of a request; None if there is none of this name."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return None
        headers = {**OF_AN_ASSET, "ETag": asset.tag, "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == asset.tag:
            return Response(None, 304, headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.packed, 200, {**headers, "Content-Encoding": "gzip"}, asset.media_type)
        return Response(asset.body, 200, headers, asset.media_type)

    def _add_folder(self, folder: Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                self._add_folder(entry, f"{prefix}{entry.name}/")
            elif entry.name.rpartition(".")[2] in _TYPES:
                self._add(prefix + entry.name, entry.read_bytes())

    def _add(self, name: str, body: bytes) -> None:
        stem, _, suffix = name.rpartition(".")
        digest = hashlib.sha256(body).hexdigest()[:12]
        self._names[name] = f"{stem}.{digest}.{suffix}"
        self._assets[self._names[name]] = _Asset(body, gzip.compress(body, 9, mtime=0), _TYPES[suffix], f'"{digest}"')
