"""Who is logged in: a cookie with the token, and whether a form was sent by a page of this server."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from wooshq_worker.console.access.callers import Caller, Callers
from wooshq_worker.console.access.rate import Bucket
from wooshq_worker.console.access.refused import Refused

AGE_S: Final = 12 * 3600
"""After so long a browser must log in again."""
_VALUE: Final = re.compile(r"([0-9]{1,12})\.([\x21-\x7e]{1,512})")
_OWN_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x7e]*")
_WRONG_PER_S: Final = 0.5
_WRONG_AT_ONCE: Final = 5.0
_MOST_ADDRESSES: Final = 1000


def cookie_name(request: Request) -> str:
    """Browsers keep cookies by host, not by port: consoles of two environments behind two tunnels must not log each other out."""
    return f"__Host-wooshq{'' if request.url.port is None else f'-{request.url.port}'}"


def secret_of(request: Request, now: float | None = None) -> str | None:
    """The token in the cookie. None if there is none, or if it is too old."""
    found = _VALUE.fullmatch(request.cookies.get(cookie_name(request), ""))
    if found is None or int(found[1]) <= (time.time() if now is None else now):
        return None
    return found[2]


def log_in(request: Request, answer: Response, secret: str) -> None:
    """Write the cookie. Browsers keep it only from HTTPS, or from this machine; scripts cannot read it, and other sites cannot send it."""
    value = f"{int(time.time()) + AGE_S}.{secret}"
    answer.set_cookie(cookie_name(request), value, max_age=AGE_S, path="/", secure=True, httponly=True, samesite="strict")


def log_out(request: Request, answer: Response) -> None:
    """Remove the cookie."""
    answer.delete_cookie(cookie_name(request), path="/", secure=True, httponly=True, samesite="strict")


async def caller_of(request: Request, callers: Callers) -> Caller | None:
    """Who is logged in; None if nobody is. Raises Refused (429), and LedgerUnavailable if the tokens were never read."""
    secret = secret_of(request)
    if secret is None:
        return None
    try:
        return await callers.caller(f"Bearer {secret}")
    except Refused as error:
        if error.status == 401:
            return None
        raise


def check_origin(request: Request) -> None:
    """Raises Refused (403) unless a page of this server sent the form. Old browsers have no Sec-Fetch-Site, but an Origin."""
    site = request.headers.get("sec-fetch-site")
    if site is None:
        origin = urlsplit(request.headers.get("origin", ""))
        is_ours = bool(origin.netloc) and origin.netloc == request.headers.get("host")
    else:
        is_ours = site == "same-origin"
    if not is_ours:
        raise Refused(403, "cross-site", "This form came from elsewhere", "Open the page in the console, and send its form again")


def is_own_path(path: str) -> bool:
    """Whether a browser may be sent there after a login: only to this server."""
    return _OWN_PATH.fullmatch(path) is not None


def may_keep_cookie(request: Request) -> bool:
    """Whether the browser keeps the cookie: over HTTPS, or from this machine. Behind a proxy that speaks TLS, the page cannot know."""
    host = request.url.hostname or ""
    return request.url.scheme == "https" or host in ("localhost", "::1") or host.startswith("127.") or host.endswith(".localhost")


class WrongTokens:
    """Slows down who tries tokens: five at once from an address, then one in two seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def check(self, address: str) -> None:
        """Raises Refused (429) if this address must wait, before anything is compared."""
        now = self._clock()
        bucket = self._buckets.get(address)
        if bucket is not None and (wait_s := Bucket(bucket.left, bucket.at).take(_WRONG_PER_S, now, _WRONG_AT_ONCE)):
            said = f"Too many wrong tokens came from this address. Try again in {wait_s} s"
            raise Refused(429, "too-many-requests", "Wait a moment", said, headers={"Retry-After": str(wait_s)})

    def note(self, address: str) -> None:
        """A token was wrong."""
        now = self._clock()
        self._buckets.setdefault(address, Bucket(_WRONG_AT_ONCE, now)).take(_WRONG_PER_S, now, _WRONG_AT_ONCE)
        self._buckets.move_to_end(address)
        while len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)
