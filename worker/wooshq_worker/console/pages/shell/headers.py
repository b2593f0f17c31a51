"""What every answer of the console says to the browser: what it may load and run, and that nothing of it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # not `no-referrer`: then the header Origin of a form is `null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
OF_A_PAGE: Final[Mapping[str, str]] = {**HEADERS, "Cache-Control": "no-store"}
OF_AN_ASSET: Final[Mapping[str, str]] = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
