"""Which of the API's locales is meant by the tag that a recipient has?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from wooshq_schemas.recipients.no_value import NO_VALUE

DEFAULT: Final = "default"
"""The locale of a recipient whose own is not one of the API's."""

_LOCALE: Final = re.compile(r"default|[a-z]{2}|zh-Hans|zh-Hant")
#: A language of two letters, and any other parts: of a BCP 47 tag (`de-DE-u-co-phonebk`), or of a POSIX locale (`de_DE.UTF-8@euro`).
_TAG: Final = re.compile(r"([A-Za-z]{2})((?:[-_][A-Za-z0-9]{1,8})*)(?:\.[A-Za-z0-9-]{1,20})?(?:@[A-Za-z0-9]{1,20})?")
_CHINESE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("hans", "cn", "sg"), "zh-Hans"),
    **dict.fromkeys(("hant", "tw", "hk", "mo"), "zh-Hant"),
}
#: How POSIX says that a program has no language of its own.
_NO_LANGUAGE: Final = frozenset({"c", "posix", "c.utf-8"})


@lru_cache(1024)
def api_locale(text: str) -> tuple[str | None, bool]:
    """
    The API's locale (ISO 639-1, or one of two scripts of Chinese) for a tag, and whether the tag was understood: `pt-BR` is `pt`.

    None for a text that means "no locale", such as `null`. `default`, and False, for each other text: no recipient is lost because of
    a language that the API does not have (`fil-PH`), or of a text that is not a tag.
    """
    if _LOCALE.fullmatch(text):
        return text, True
    text = text.strip()
    if not text or text in NO_VALUE or text.lower() in _NO_LANGUAGE:
        return None, True
    found = _TAG.fullmatch(text)
    if found is None:
        return DEFAULT, text.lower() == DEFAULT
    language = found[1].lower()
    parts = found[2].lower().replace("_", "-").split("-")
    return (next((_CHINESE[part] for part in parts if part in _CHINESE), language) if language == "zh" else language), True
