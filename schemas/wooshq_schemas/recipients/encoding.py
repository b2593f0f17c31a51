"""
Which encodings can a file of recipients have? UTF-8 and UTF-16 are told apart; any other must be named.

It is not guessed, because a wrong guess sends wrong letters to everybody, and lists of names are too short for a good one. Tried on lists of 1
to 2,000 names and cities: charset-normalizer 3.5 took cp1252 for cp1250 in most of them, chardet 7.7 in a third (Spanish: in nearly all). With
a margin at which chardet made no mistake (the best encoding 2.5 times as likely as the next), it recognised 28 % of the files.
"""

from __future__ import annotations

import codecs
from typing import Final

UTF16: Final = frozenset({"utf-16", "utf-16-le", "utf-16-be"})
UTF8: Final = frozenset({"utf-8", "utf-8-sig"})


def codec_of(name: str) -> str | None:
    """
    Python's name of an encoding: `cp1252` for `windows-1252`. None if there is no such encoding, or if it cannot be read.

    Read are UTF-8, UTF-16, and encodings in which ASCII is as in ASCII.
    """
    try:
        codec = codecs.lookup(name).name
        if codec in UTF16:
            return codec
        b"x".decode(codec)  # LookupError for what is not text, such as base64
        return codec if codecs.getincrementaldecoder(codec)("surrogateescape").decode(b'user,"\r\n', True) == 'user,"\r\n' else None
    except (LookupError, TypeError, ValueError):
        return None
