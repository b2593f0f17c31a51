"""One line of the spool: an intent that is checked, with a checksum, so that a line that a crash has torn is known as such."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from typing import Any, Final

from wooshq.ledger.entry import Entry
from wooshq_schemas import MODEL_VERSION

_FORM: Final = b"w1 "
"""How a line begins. Another form would begin with another word, and be set aside by a version that does not know it."""


class Unreadable(Exception):
    """A line is not a record of ours. Its text says why, without anything from the line."""


@dataclass(frozen=True, slots=True)
class Record:
    """
    An intent in the spool. at_ms: when it was enqueued, by this machine's clock.

    maybe_done: the ledger was asked before and gave no answer, so it may have the intent. version: of the model that wrote the body. again: why it
    may be sent twice, if somebody tried it again although it may have been sent.
    """

    entry: Entry
    at_ms: int
    maybe_done: bool
    version: int = MODEL_VERSION
    again: str = ""

    def to_line(self) -> bytes:
        """The line, with its end. A version that does not know a field would set the line aside."""
        fields = {name: value for name, value in asdict(self).items() if name != "again" or value}
        if not self.entry.trace:
            del fields["entry"]["trace"]
        body = json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode()
        return b"%s%08x %s\n" % (_FORM, zlib.crc32(body), body)


def record_of(line: bytes) -> Record:
    """line: without its end. Raises Unreadable."""
    if not line.startswith(_FORM):
        raise Unreadable("it does not begin as a line of the spool")
    checksum, _, body = line.removeprefix(_FORM).partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        raise Unreadable("it is not complete, or was changed: its checksum is another one")
    try:
        fields: dict[str, Any] = json.loads(body)
        record = Record(**{**fields, "entry": Entry(**fields["entry"])})
        if type(record.at_ms) is not int or type(record.version) is not int or type(record.entry.intent_id) is not str:
            raise ValueError
        return record
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unreadable("it has other fields than this version of wooshq knows") from error
