"""Kind and id of a record in 17 bytes."""

from __future__ import annotations

from typing import Final

from wooshq.history.record import Kind

KINDS: Final[dict[Kind, bytes]] = {"intent": b"i", "letter": b"l", "job": b"j"}
_KIND_OF: Final = {letter: kind for kind, letter in KINDS.items()}


def ref_of(kind: Kind, record_id: str) -> bytes:
    """
    The kind's letter and the sixteen bytes of the UUID. An id that is not a UUID as wooshq writes it (none of ours; but a question can be
    anything) is kept as text, behind a capital letter.
    """
    try:
        raw = bytes.fromhex(record_id.replace("-", ""))
        if len(raw) == 16 and _as_uuid(raw) == record_id:
            return KINDS[kind] + raw
    except ValueError:
        pass
    return KINDS[kind].upper() + record_id.encode("utf-8", "surrogatepass")


def kind_and_id(ref: bytes) -> tuple[Kind, str]:
    """What `ref_of` was given."""
    kind = _KIND_OF[ref[:1].lower()]
    if ref[:1].isupper():
        return kind, ref[1:].decode("utf-8", "surrogatepass")
    return kind, _as_uuid(ref[1:])


def _as_uuid(raw: bytes) -> str:
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
