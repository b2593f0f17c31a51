"""Who wrote an answer: the API's service, its router, or a proxy in front of it that lost, or never had, a connection to it?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from wooshq_schemas import Refused

_ROUTER: Final = re.compile(
    r"""
    (4\d\d|5\d\d)?[\s:–-]*
    ( Not\ Found | Bad\ Request | Method\ Not\ Allowed | Not\ Implemented   # http.StatusText, as gRPC-Gateway's router uses it
    | (?i: (page|route|endpoint|url|path)\ not\ found
         | no\ route\ matched.* | cannot\ (post|get)\ /.* | no\ such\ (route|endpoint).*
         | the\ requested\ (url|resource|path)\b.*not\ found.*
         | bad\ request:\ (malformed|missing|invalid|too\ many|unsupported).*    # Go's net/http, before any handler runs
         | invalid\ http\ request.* | .*\bhttp\ request\b.*\bhttps\ (port|server)\b.*
      )
    )[\s.!]*
    """,
    re.VERBOSE | re.DOTALL,
)
"""The status' own words in capitals are a router's. A service that misses a segment says `not found`, and mostly more than that."""


def is_routers(words: str) -> bool:
    """Whether these are a router's words: of something that knows only the path, and never saw the message."""
    return len(words) < 500 and _ROUTER.fullmatch(words.strip()) is not None


def is_own_envelope(said: object) -> bool:
    """Whether the API's own gateway wrote it: an envelope with a gRPC code. A proxy's `{"code": 502}` is not one."""
    return isinstance(said, Refused) and said.code is not None and 1 <= said.code <= 16


@dataclass(frozen=True, slots=True)
class ProxyForm:
    """What a proxy says instead of the API. carried: whether the request may have reached the API. why: how that is known."""

    name: str
    words: re.Pattern[str]
    carried: bool
    why: str


def _form(name: str, words: str, *, carried: bool, why: str) -> ProxyForm:
    return ProxyForm(name, re.compile(words, re.IGNORECASE | re.DOTALL), carried, why)


FORMS_503: Final[tuple[ProxyForm, ...]] = (
    _form(
        "Envoy, after its own retries",
        r"upstream connect error or disconnect/reset before headers\. retried",
        carried=True,
        why="it names only its last try; an earlier try may have sent the request",
    ),
    _form(
        "Envoy, before the request was passed on",
        r"disconnect/reset before headers.*reset reason:\s*"
        r"((local |remote )?connection[ _]failure|connection[ _]timeout|overflow|remote[ _]refused[ _]stream[ _]reset)",
        carried=False,
        why="Envoy names the failure of its connection pool; a refused stream was not processed (RFC 9113, 8.7)",
    ),
    _form("Envoy, no host", r"no[ _]healthy[ _]upstream", carried=False, why="no host was chosen, so nothing was passed on"),
    _form(
        "Envoy, any other reset",
        r"upstream connect error or disconnect/reset before headers|reset reason:",
        carried=True,
        why="`connection termination`, `remote reset` and the like come after the request was passed on",
    ),
    _form(
        "haproxy",
        r"<h1>503 Service Unavailable</h1>\s*No server is available to handle this request",
        carried=False,
        why="no server took the connection; a connection that is lost later gives 502",
    ),
    _form("Kong", r"failure to get a peer from the ring-balancer", carried=False, why="no target was chosen, so nothing was passed on"),
    _form("Traefik", r"^\s*no available server\s*$", carried=False, why="no server was chosen, so nothing was passed on"),
    _form(
        "Apache httpd, mod_proxy",
        r"temporarily unable to service your\s+request due to maintenance downtime or capacity",
        carried=False,
        why="it could not connect to the backend; a connection that is lost later gives 502",
    ),
    _form(
        "Varnish",
        r"backend fetch failed|guru meditation",
        carried=True,
        why="the same page for a connection that was refused and for one that was lost",
    ),
    _form(
        "Fastly",
        r"first byte timeout|backend (read|write) error|backend timeout",
        carried=True,
        why="the connection was lost after the request",
    ),
    _form(
        "Heroku",
        r"herokucdn\.com/error-pages",
        carried=True,
        why="the same page for an application that is down (H10) and for one that did not answer in time (H12)",
    ),
    _form(
        "Google Cloud",
        r"response was malformed or connection to the instance had an error",
        carried=True,
        why="its text does not say",
    ),
    _form(
        "Azure Front Door",
        r"our services aren['’]t available right now",
        carried=True,
        why="the same page if the origin did not answer in time",
    ),
    _form(
        "any other that mentions a connection to the API",
        r"\bupstream\b|\b(connection|socket|stream) (was |has been )?(reset|closed|terminated|lost|aborted)"
        r"|\breset by peer\b|\bprematurely\b|\bbroken pipe\b|\bunexpected (eof|end)\b|\bgateway time-?out\b"
        r"|\berror (reading|receiving) (from|response)\b|\b(read|response) time[d-]?\s?out\b",
        carried=True,
        why="it mentions a connection that was lost, not one that was never made",
    ),
)
"""The 503 of proxies, without the API's own envelope. The first form that is found counts. A 503 of another form was not carried out."""


def proxy_form(text: str) -> ProxyForm | None:
    """The form of a proxy's 503; None if it is not a known form. text: how the body begins."""
    return next((form for form in FORMS_503 if form.words.search(text)), None)
