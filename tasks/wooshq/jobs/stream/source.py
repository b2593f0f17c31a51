"""Which file a job's recipients come from, so that a resume does not continue with other recipients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from wooshq.errors import RecipientsChanged
from wooshq.recipients.file import Fingerprint, RecipientsFile

CORRECTED: Final = (
    "If you corrected rows that were rejected: put only these rows in a new file, and start a job for it (with another idempotency_key "
    "if the template has one)"
)
"""What to do with the one change of a file that makes sense."""


def source_of(path: Path | str, file: RecipientsFile) -> str:
    """The text that a job keeps as its `source`: for a regular file also its size, its time and its digest. path: as the user wrote it."""
    if file.fingerprint is None:
        return json.dumps({"name": str(path)})
    return json.dumps({"name": Path(path).name, "as": file.fingerprint.as_text(), "digest": file.digest})


def check_same_source(kept: str, path: Path | str, file: RecipientsFile) -> None:
    """
    Compare the file of a resume with the one that the job was started with. kept: the job's `source`.

    The content counts; it is read only if name, size or time differ. A stream, or a job without a known file, is not compared: the ledger
    compares what it has of the job's recipients anyway. Raises RecipientsChanged.
    """
    then = json.loads(kept) if kept else {}
    if "as" not in then or file.fingerprint is None:
        return
    before = Fingerprint.from_text(then["as"])
    if before == file.fingerprint and then["name"] == Path(path).name:
        return
    # A job of an earlier version has no digest. Then the ledger alone compares.
    if before.size == file.fingerprint.size and then.get("digest") in (None, file.digest):
        return
    raise RecipientsChanged(
        f"{path} does not have the content of the file that the job was started with. Give that file, or a copy of it. Do not start "
        "another job with these recipients: those that were sent to would get the message again. {CORRECTED}"
    )
