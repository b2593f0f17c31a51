"""Which file a job's recipients come from, so that a resume does not continue with another file."""

from __future__ import annotations

import json
from pathlib import Path

from wooshq.errors import RecipientsChanged
from wooshq.recipients.file import Fingerprint


def source_of(path: Path | str, fingerprint: Fingerprint | None) -> str:
    """The text that a job keeps as its `source`. fingerprint: None for a stream, which cannot be compared."""
    if fingerprint is None:
        return json.dumps({"name": str(path)})
    return json.dumps({"name": Path(path).name, "as": fingerprint.as_text()})


def check_same_source(kept: str, path: Path | str, fingerprint: Fingerprint | None) -> None:
    """
    Compare the file of a resume with the one that the job was started with. kept: the job's `source`.

    Raises RecipientsChanged if size or time of change differ. A stream, or a job without a known file, is not compared.
    """
    known = json.loads(kept).get("as") if kept else None
    if known is not None and fingerprint is not None and Fingerprint.from_text(known) != fingerprint:
        raise RecipientsChanged(
            f"{path} has changed since the job was started (another size, or written to since): its recipients may be others. "
            "Give the same file, or cancel the job and start another"
        )
